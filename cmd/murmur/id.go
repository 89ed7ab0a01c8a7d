package main

import (
	"fmt"
	"io"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/proto"
)

// IDCmd shows a peer id before there is a swarm that lists it.
type IDCmd struct {
	Dir  string `help:"The directory that is to be a swarm's." type:"path" required:"" placeholder:"DIR" env:"MURMUR_DIR"`
	JSON bool   `help:"Print one JSON object."`
}

// Run draws the node's key where there is none.
func (c *IDCmd) Run() error {
	peer, err := node.Dir(c.Dir).Peer()
	if err != nil {
		return err
	}
	return printed(c.JSON, ownID{peer})
}

// ownID is a machine's peer id in a directory.
type ownID struct {
	ID proto.PeerID `json:"id"`
}

// Table is the id alone.
func (i ownID) Table(out io.Writer) error {
	_, err := fmt.Fprintln(out, i.ID)
	return err
}
