package main

import (
	"context"
	"fmt"
	"io"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/trainer/checkpoint"
)

// ExportCmd writes the swarm's model as others can load it.
type ExportCmd struct {
	DirFlag
	To     string  `arg:"" type:"path" help:"The folder to make, in Hugging Face's layout."`
	Height *uint64 `help:"The round whose state is written (default: the newest)." placeholder:"N"`
	JSON   bool    `help:"Print one JSON object."`
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
	e, err := states.Exported(dir, kept)
	if err != nil {
		return err
	}
	e.Card.Version = version
	if err := checkpoint.Write(c.To, e); err != nil {
		return err
	}
	return printed(c.JSON, exported{kept, c.To})
}

// exported says what was written.
type exported struct {
	api.Kept
	To string `json:"to"`
}

func (e exported) Table(out io.Writer) error {
	_, err := fmt.Fprintf(out, "wrote the model of round %d, after %d tokens, to %s\n", e.Height, e.Tokens, e.To)
	return err
}
