package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/shard"
	"github.com/murmurnet/murmur/trainer/worker"
)

// heldoutTokens is the fixed held-out slice: 16 KiB of text.
const heldoutTokens = 16 << 10

// Params is what a Node is made from.
type Params struct {
	Dir       home.Dir
	Version   string
	Listen    []string // multiaddrs
	Bootstrap []string
	MDNS      bool
	Trainer   []string            // the command that runs a trainer child
	Env       []string            // added to its environment
	Backend   string              // wanted; empty: the best there is
	Devices   []int               // graphics cards to train on, by number, a trainer each; empty: the first
	Private   string              // the folder of texts to train on, where the swarm's data are private
	Base      string              // the folder of the model under the swarm's adapter; empty: it is looked for in BaseCache
	BaseCache string              // the cache of Hugging Face's libraries; empty: none
	Seed      bool                // serve others, from an address that they can dial, and do not train
	Metrics   string              // host:port at which Prometheus finds metrics; empty: nowhere
	Page      string              // loopback host:port at which browsers of this machine find the page; empty: nowhere
	Routers   bool                // have ports opened and holes punched, where others are beyond routers
	Machine   func() fits.Machine // what the machine has free; nil: nobody asks
	Anyway    bool                // take part even in a swarm that needs more
	DataQuota uint64              // bytes of token shards to keep, beside those that training needs next and those that were brought here; 0: all
	// For simulations: Engine trains inside this process, in place of a child, Net
	// changes the network's parameters, Senses feel another machine, and Contract holds the node to what it owes the round machine.
	Contract *round.Contract
	Engine   *worker.Engine
	Net      func(*p2p.Params)
	Senses   Senses // nil: this machine's
	Log      *slog.Logger
}

// Validate says what is missing.
func (p Params) Validate() error {
	switch {
	case p.Dir == "":
		return errors.New("node: no directory")
	case len(p.Trainer) == 0 && p.Engine == nil && !p.Seed:
		return errors.New("node: no trainer command")
	case p.Log == nil:
		return errors.New("node: no log")
	case len(p.Devices) > worker.MaxDevices:
		return fmt.Errorf("%d devices: at most %d can train for one node", len(p.Devices), worker.MaxDevices)
	}
	return pageAddr(p.Page)
}

// exchangeFile is the path of the file that is shared with the trainer of a device.
func (p Params) exchangeFile(i int) string {
	if i == 0 {
		return p.Dir.Path(home.Exchange)
	}
	return p.Dir.Path(fmt.Sprintf("exchange-%d.vec", i))
}

// reach says how the network deals with routers.
func (p Params) reach() p2p.Reach {
	switch {
	case p.Seed:
		return p2p.Public
	case p.Routers:
		return p2p.Home
	default:
		return p2p.Direct
	}
}

// errNoDataFolder says what a swarm on private data needs.
var errNoDataFolder = errors.New("this swarm trains on private data: start with --private-data FOLDER, where your text files (*.txt) are; they never leave this machine")

// folder is the node's own data for a swarm's manifest; empty where the swarm has its own.
func (p Params) folder(m manifest.Manifest) (string, error) {
	switch {
	case m.Data.Name != manifest.Private:
		return "", nil
	case p.Private == "":
		return "", errNoDataFolder
	}
	if _, err := data.Texts(p.Private); err != nil {
		return "", fmt.Errorf("private data: %w", err)
	}
	return p.Private, nil
}

// Spec is what a trainer of a swarm is told, but for what lies in files of its node. private is the folder of the node's own texts, where the swarm's data are.
func Spec(m manifest.Manifest, backend, private string) worker.Spec {
	s := worker.Spec{
		Backend: backend, Model: m.Model.Config, Optimizer: m.Inner.Optimizer, Schedule: m.Inner.Schedule, Batch: m.Inner.Batch,
		Data: m.Data.Name, Folder: private, Ends: m.Data.Ends, Heldout: heldoutTokens,
	}
	if m.Method.Gradients() {
		s.Optimizer.Kind = optimizer.None // allreduce names the optimizer of the shared state
	}
	return s
}

// spec is the specification of this node's trainer.
func (n *Node) spec(folder string) worker.Spec {
	s := Spec(n.manifest, n.p.Backend, folder)
	s.Seed, s.Draws = seedOf(n.self), n.seed
	for _, b := range n.manifest.Model.BaseFiles {
		s.Base = append(s.Base, n.library.Path(b.ID))
	}
	if n.manifest.Data.Name == manifest.Shards {
		s.Folder, s.Set = n.p.Dir.Path(home.Files), n.p.Dir.Path(shard.SetFile)
	}
	if t := n.manifest.Data.Tokenizer; t != nil {
		s.Tokenizer = n.library.Path(t.ID)
	}
	return s
}

// seedOf is what a peer rounds by.
func seedOf(p proto.PeerID) uint64 {
	sum := proto.Sum([]byte(p))
	return binary.LittleEndian.Uint64(sum[:])
}
