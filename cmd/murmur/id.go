package main

import (
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/proto"
)

// IDCmd shows a peer id before there is a swarm that lists it.
type IDCmd struct {
	Dir  string `help:"The directory that is to be a swarm's." type:"path" required:"" placeholder:"DIR" env:"MURMUR_DIR"`
	JSON bool   `help:"Print one JSON object."`
}

// Run draws the node's key where there is none.
func (c *IDCmd) Run() error {
	peer, err := home.Dir(c.Dir).Peer()
	if err != nil {
		return err
	}
	return printed(c.JSON, line{peer.String(), map[string]proto.PeerID{"id": peer}})
}
