package main

import (
	"context"
	"errors"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
)

// PageCmd prints the link that opens the node's page.
type PageCmd struct {
	DirFlag
	JSON bool `help:"Print one JSON object."`
}

// Run asks the daemon where the page is; the token lies in the swarm's directory.
func (c *PageCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, dir home.Dir) error {
		s, err := client.State(ctx)
		if err != nil {
			return err
		}
		if s.Page == "" {
			return errors.New("this node serves no page; start it with murmur up --page 127.0.0.1:4102")
		}
		token, err := api.PageToken(string(dir))
		if err != nil {
			return err
		}
		link := s.Page + "#" + token
		return printed(c.JSON, line{link, map[string]string{"link": link}})
	})
}
