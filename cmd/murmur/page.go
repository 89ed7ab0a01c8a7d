package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/api"
)

// PageCmd prints the link that opens the node's page.
type PageCmd struct {
	DirFlag
	JSON bool `help:"Print one JSON object."`
}

// Run asks the daemon where the page is; the token lies in the swarm's directory.
func (c *PageCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, dir node.Dir) error {
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
		return printed(c.JSON, pageLink{s.Page + "#" + token})
	})
}

// pageLink opens a node's page.
type pageLink struct {
	Link string `json:"link"`
}

// Table is the link alone.
func (l pageLink) Table(out io.Writer) error {
	_, err := fmt.Fprintln(out, l.Link)
	return err
}
