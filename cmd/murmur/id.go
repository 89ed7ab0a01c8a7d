package main

import (
	"fmt"

	"github.com/murmurnet/murmur/node"
)

// IDCmd shows a peer id before there is a swarm that lists it.
type IDCmd struct {
	Dir string `help:"The directory that is to be a swarm's." type:"path" required:"" placeholder:"DIR" env:"MURMUR_DIR"`
}

// Run draws the node's key where there is none.
func (c *IDCmd) Run() error {
	peer, err := node.Dir(c.Dir).Peer()
	if err != nil {
		return err
	}
	fmt.Println(peer)
	return nil
}
