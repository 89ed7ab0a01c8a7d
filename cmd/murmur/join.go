package main

import (
	"fmt"

	"github.com/murmurnet/murmur/p2p"
)

// JoinCmd prepares this machine for a swarm.
type JoinCmd struct {
	DirFlag
	Link string `arg:"" help:"The link that murmur init or murmur status prints."`
}

// Run notes the swarm and the addresses in the link.
func (c *JoinCmd) Run() error {
	link, err := p2p.ParseLink(c.Link)
	if err != nil {
		return usageError{err}
	}
	dir, err := c.forSwarm(link.Swarm)
	if err != nil {
		return err
	}
	if err := dir.Join(link.Swarm, link.Addrs); err != nil {
		return err
	}
	fmt.Printf("This machine is prepared for swarm %s in %s.\nStart its node with: murmur up\n", link.Swarm.Short(), dir)
	return nil
}
