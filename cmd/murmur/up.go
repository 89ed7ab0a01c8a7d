package main

import (
	"context"
	"fmt"
	"os"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/base"
	"github.com/murmurnet/murmur/node/doctor"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/xla"
)

// UpCmd runs the daemon.
type UpCmd struct {
	DirFlag
	NetFlags
	Backend   string `help:"Train on this backend (default: the best there is; murmur xla shows them)." placeholder:"NAME" env:"MURMUR_BACKEND"`
	Device    []int  `help:"Train on these graphics cards, by number, each with a trainer of its own; they share this node's part and average before it publishes (default: the first)." placeholder:"N" env:"MURMUR_DEVICE"`
	Private   string `name:"private-data" help:"Train on the text files (*.txt) in this folder, where the swarm's data are private; they never leave this machine." placeholder:"FOLDER" env:"MURMUR_PRIVATE_DATA"`
	Base      string `type:"existingdir" help:"The folder of the model that the swarm's adapter is for, if you have it already: it is checked by its hash and not fetched (default: looked for in Hugging Face's cache)." placeholder:"DIR" env:"MURMUR_BASE"`
	DataQuota uint64 `help:"GiB of the swarm's token shards to keep for others and for later, beside those that training needs next; 0: all." default:"20" placeholder:"N" env:"MURMUR_DATA_QUOTA"`
	Yes       bool   `help:"Install the XLA plugin without asking." env:"MURMUR_YES"`
	Anyway    bool   `help:"Take part even where the swarm's model needs more memory or disk than this machine has free."`
}

// Run works until the process is told to stop.
func (c *UpCmd) Run(ctx context.Context, root *cli) error {
	if err := checkBackend(c.Backend); err != nil {
		return usageError{err}
	}
	p, err := c.params(c.DirFlag)
	if err != nil {
		return err
	}
	if err := offer(ctx, c.Backend, c.Yes, os.Stderr); err != nil {
		return err
	}
	if p.Trainer, err = trainerCommand(); err != nil {
		return err
	}
	p.Machine, p.Anyway = func() fits.Machine { return doctor.Here(string(p.Dir)) }, c.Anyway
	p.Base, p.BaseCache = c.Base, base.Cache()
	p.Version, p.Backend, p.Devices, p.Private, p.DataQuota, p.Log = version, c.Backend, c.Device, c.Private, c.DataQuota<<30, root.log()
	return node.Run(ctx, p)
}

// trainerCommand is this program as its own trainer child.
func trainerCommand() ([]string, error) {
	self, err := program()
	return []string{self, "trainer"}, err
}

// program is this program's file.
func program() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	return exe, nil
}

// offer installs the XLA plugin if the user agrees.
func offer(ctx context.Context, backend string, yes bool, out *os.File) error {
	return xla.Offer(ctx, xla.OfferParams{
		Params: xla.Params{Want: backend, Probe: xla.SelfProbe()},
		In:     os.Stdin, Out: out, Terminal: isTerminal(os.Stdin) && isTerminal(out), Yes: yes,
		Index: os.Getenv("MURMUR_XLA_INDEX"),
	})
}
