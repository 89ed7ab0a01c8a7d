package main

import (
	"context"
	"errors"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/p2p"
)

// LinkCmd prints the swarm's link.
type LinkCmd struct {
	DirFlag
	Checkpoint bool `help:"Have the link name a round of this node's: who joins by it takes no branch without that round."`
	JSON       bool `help:"Print one JSON object."`
}

// linkShown is what LinkCmd prints.
type linkShown struct {
	Link       string          `json:"link"`
	Checkpoint *api.Checkpoint `json:"checkpoint,omitempty"`
}

// Run asks the node.
func (c *LinkCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, _ home.Dir) error {
		s, err := client.State(ctx)
		if err != nil {
			return err
		}
		link, err := p2p.ParseLink(s.Link)
		if err != nil {
			return err
		}
		shown := linkShown{}
		if c.Checkpoint {
			if shown.Checkpoint = s.Head.Checkpoint; shown.Checkpoint == nil {
				return errors.New("this swarm has no snapshot height that lies deep enough yet: try again some rounds later, or print the link without --checkpoint")
			}
			link.Checkpoint, link.CheckpointHeight = shown.Checkpoint.Commit, shown.Checkpoint.Height
		}
		shown.Link = link.String()
		return printed(c.JSON, line{shown.Link, shown})
	})
}
