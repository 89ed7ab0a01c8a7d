package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/model"
)

// InitCmd makes a swarm.
type InitCmd struct {
	DirFlag
	File   string         `arg:"" optional:"" type:"existingfile" help:"TOML file that describes the swarm; without one, a small model on the embedded text."`
	FromHF string         `name:"from-hf" type:"existingdir" help:"Begin with this model, a folder in Hugging Face's layout: config.json, safetensors, tokenizer." placeholder:"DIR"`
	LoRA   int            `name:"lora" help:"Train an adapter of this rank (LoRA) on the model of --from-hf, which stays as it is." placeholder:"RANK"`
	Bytes  bool           `help:"The model of --from-hf has no tokenizer.json and reads bytes, though it has more than 256 ids."`
	Data   string         `type:"existingdir" help:"Train on what murmur data prepare wrote into this folder." placeholder:"DIR"`
	SeqLen *uint32        `help:"Tokens of a sample (with --from-hf by default 1024, or the most that the model was made for)." placeholder:"N"`
	Name   string         `help:"The swarm's name."`
	Invite bool           `name:"invite-only" help:"Only who has an invite may join; this machine gets the key that signs them."`
	Member []proto.PeerID `help:"Only these peers may take part, by their ids, and this machine; may be given several times." placeholder:"ID"`
	Method string         `help:"How nodes learn together, where there is no file: bitloco, sparseloco, distro, diloco, streaming, fedavg or allreduce." placeholder:"NAME"`
	Seed   string         `help:"Words that the initial weights follow from; without, they are random."`
	H      *uint32        `name:"h" help:"Inner steps a round."`
	Port   uint16         `help:"The port that this node will listen on, for the join link." default:"4101" env:"MURMUR_PORT"`
}

// Run writes the manifest and prints the id and the link.
func (c *InitCmd) Run() error {
	m := manifest.Default()
	if c.Method != "" {
		if c.File != "" {
			return usageError{errors.New("give --method or a file, not both: the file's method.name says it")}
		}
		var err error
		if m, err = manifest.For(c.Method); err != nil {
			return usageError{err}
		}
	}
	if c.File != "" {
		b, err := os.ReadFile(c.File)
		if err != nil {
			return err
		}
		if m, err = manifest.Parse(string(b)); err != nil {
			return usageError{fmt.Errorf("%s: %w", c.File, err)}
		}
	}
	if c.Name != "" {
		m.Name = c.Name
	}
	if c.Seed != "" {
		m.Seed = c.Seed
	}
	if c.H != nil {
		m.Rounds.H = *c.H
	}
	if c.SeqLen != nil {
		m.Model.SeqLen = int(*c.SeqLen)
	}
	if c.LoRA != 0 {
		if c.FromHF == "" {
			return usageError{errors.New("--lora adapts a model: name it with --from-hf DIR")}
		}
		m.Adapt(&model.Adapter{Rank: c.LoRA})
	}
	f := founding.Founding{Manifest: m}
	if err := c.bring(&f); err != nil {
		return err
	}
	f.InviteOnly = c.Invite
	f.Manifest.Membership.Members = append(f.Manifest.Membership.Members, c.Member...)
	id, err := f.Seal()
	if err != nil {
		return usageError{err}
	}
	dir, err := c.forSwarm(id)
	if err != nil {
		return err
	}
	peer, err := f.Found(dir)
	if err != nil {
		return err
	}
	for _, sentence := range f.Aside {
		fmt.Fprintln(os.Stderr, "Note: "+sentence)
	}
	fmt.Printf("swarm  %s\n", id)
	fmt.Printf("dir    %s\n", dir)
	fmt.Printf("link   %s\n\n", p2p.Link{Swarm: id, Addrs: ownAddrs(c.Port, peer)})
	fmt.Println("Start this node with: " + c.upOf(dir))
	if c.Invite {
		fmt.Println("Invite others with:   murmur invite")
		return nil
	}
	fmt.Println("On another machine:   murmur join 'LINK', then murmur up")
	return nil
}

// bring takes over the model and the data that the flags name.
func (c *InitCmd) bring(f *founding.Founding) error {
	if c.FromHF != "" {
		seq := 0
		if c.File != "" || c.SeqLen != nil {
			seq = f.Manifest.Model.SeqLen
		}
		if c.File == "" && f.Manifest.Adapter == nil { // an adapter wants ten times as much as its model
			f.Manifest.Inner.LR /= gentler
		}
		if err := f.From(c.FromHF, seq, c.Bytes); err != nil {
			return err
		}
	}
	switch {
	case c.Data != "":
		return f.Data(c.Data)
	case c.FromHF != "" && c.File == "":
		return usageError{errors.New("nobody named a text to train on: name a prepared set with --data SET, or a FILE whose [data] section says it")}
	}
	return nil
}

// gentler is by how much the learning rate is less for a model that has learned already, where no file says it.
const gentler = 10

// ownAddrs are this machine's addresses as peers may dial them.
func ownAddrs(port uint16, peer proto.PeerID) []string {
	var addrs []string
	ifaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range ifaces {
		ip, ok := a.(*net.IPNet)
		if !ok || !ip.IP.IsGlobalUnicast() {
			continue
		}
		family := "ip4"
		if ip.IP.To4() == nil {
			if strings.HasPrefix(ip.IP.String(), "fe80") {
				continue
			}
			family = "ip6"
		}
		addrs = append(addrs, fmt.Sprintf("/%s/%s/udp/%d/quic-v1/p2p/%s", family, ip.IP, port, peer))
	}
	if len(addrs) == 0 {
		addrs = []string{fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1/p2p/%s", port, peer)}
	}
	return addrs
}
