package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/doctor"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/model"
)

// FitsCmd says what a swarm takes of this machine.
type FitsCmd struct {
	What   string  `arg:"" optional:"" type:"existingpath" help:"TOML file that describes a swarm, a folder in Hugging Face's layout, or a swarm's directory (default: the swarm that this machine is in)." placeholder:"FILE|DIR"`
	Device string  `help:"Train on the first graphics card (card), on the processor (cpu), or on what there is." enum:"card,cpu,auto" default:"auto"`
	Memory float64 `help:"As if the device had so many GiB free." placeholder:"GIB"`
	Disk   float64 `help:"As if the disk had so many GiB free." placeholder:"GIB"`
	Up     float64 `help:"Mbit/s that the line sends." default:"20" placeholder:"MBIT"`
	Down   float64 `help:"Mbit/s that the line takes in." default:"100" placeholder:"MBIT"`
	Peers  int     `help:"Nodes that take part, this one included." default:"4" placeholder:"N"`
	LoRA   int     `name:"lora" help:"Of an adapter of this rank on the model of a folder in Hugging Face's layout." placeholder:"RANK"`
	Base   string  `help:"How the model under the adapter lies on the device: float32, bf16, int8 or nf4." default:"bf16" placeholder:"NAME"`
	JSON   bool    `help:"Print one JSON object."`
}

// Run prints what it takes; that it does not fit is an error.
func (c *FitsCmd) Run() error {
	if c.Up <= 0 || c.Down <= 0 || c.Peers < 1 || c.Memory < 0 || c.Disk < 0 {
		return usageError{errors.New("--up and --down want more than 0, --peers 1 or more, --memory and --disk 0 (as it is here) or more")}
	}
	m, dir, err := c.manifest()
	if err != nil {
		return err
	}
	on, err := doctor.Machine(dir, c.Device)
	if err != nil {
		return err
	}
	const gib, mbit = 1 << 30, 1e6 / 8
	if c.Memory > 0 {
		on.Memory = uint64(c.Memory * gib)
	}
	if c.Disk > 0 {
		on.Disk = uint64(c.Disk * gib)
	}
	on.Up, on.Down, on.Peers = c.Up*mbit, c.Down*mbit, c.Peers
	r, err := fits.Of(m, node.Spec(m, "", ""), on)
	if err != nil {
		return err
	}
	if err := printed(c.JSON, r); err != nil || r.Fits {
		return err
	}
	return errors.New("it does not fit: what would help stands above")
}

// manifest reads what the argument names, and says in which directory the swarm lies or would.
func (c *FitsCmd) manifest() (m manifest.Manifest, dir string, err error) {
	info, err := os.Stat(c.What)
	switch {
	case c.What == "":
		d, err := DirFlag{}.existing()
		if err != nil {
			return m, "", err
		}
		return decoded(d)
	case err != nil:
		return m, "", err
	case !info.IsDir():
		b, err := os.ReadFile(c.What)
		if err != nil {
			return m, "", err
		}
		if m, err = manifest.Parse(string(b)); err != nil {
			return m, "", usageError{fmt.Errorf("%s: %w", c.What, err)}
		}
		return m, ".", m.Validate()
	}
	if _, err := home.Dir(c.What).Manifest(); err == nil {
		return decoded(home.Dir(c.What))
	}
	f := founding.Founding{Manifest: manifest.Default()}
	if c.LoRA != 0 {
		f.Manifest.Adapt(&model.Adapter{Rank: c.LoRA, Base: c.Base})
	}
	err = f.From(c.What, 0, true)
	if err == nil {
		err = f.Manifest.Model.Validate()
	}
	return f.Manifest, c.What, err
}

func decoded(d home.Dir) (manifest.Manifest, string, error) {
	raw, err := d.Manifest()
	if err != nil {
		return manifest.Manifest{}, "", fmt.Errorf("%s has no model yet: run murmur up until the node has found its swarm", d)
	}
	m, _, err := manifest.Decode(raw)
	return m, string(d), err
}
