package main

import (
	"context"
	"fmt"
	"io"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/trainer/checkpoint"
)

// ExportCmd writes the swarm's model as others can load it.
type ExportCmd struct {
	DirFlag
	To      string  `arg:"" type:"path" help:"The folder to make, in Hugging Face's layout."`
	Height  *uint64 `help:"The round whose state is written (default: the newest)." placeholder:"N"`
	Adapter bool    `xor:"what" help:"Write the swarm's adapter as peft loads it."`
	Merged  bool    `xor:"what" help:"Write the whole model, with the adapter added to its base (the default)."`
	JSON    bool    `help:"Print one JSON object."`
}

// Run has the state put on the disk, by the daemon if one runs, and writes the folder.
func (c *ExportCmd) Run(ctx context.Context) error {
	dir, err := c.readable()
	if err != nil {
		return err
	}
	kept, err := keep(ctx, dir, c.Height)
	if err != nil {
		return err
	}
	write := writeModel
	if c.Adapter {
		write = writeAdapter
	}
	if err := write(dir, kept, c.To); err != nil {
		return err
	}
	return printed(c.JSON, exported{kept, c.To, c.Adapter})
}

func writeModel(dir home.Dir, k api.Kept, to string) error {
	e, err := states.Exported(dir, k)
	if err != nil {
		return err
	}
	e.Card.Version = version
	return checkpoint.Write(to, e)
}

func writeAdapter(dir home.Dir, k api.Kept, to string) error {
	a, err := states.Adapter(dir, k)
	if err != nil {
		return err
	}
	a.Card.Version = version
	return checkpoint.WriteAdapter(to, a)
}

// exported says what was written.
type exported struct {
	api.Kept
	To      string `json:"to"`
	Adapter bool   `json:"adapter,omitempty"`
}

func (e exported) Table(out io.Writer) error {
	what := "model"
	if e.Adapter {
		what = "adapter"
	}
	_, err := fmt.Fprintf(out, "wrote the %s of round %d, after %d tokens, to %s\n", what, e.Height, e.Tokens, e.To)
	return err
}
