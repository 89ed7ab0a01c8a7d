package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/membership"
)

// JoinCmd prepares this machine for a swarm.
type JoinCmd struct {
	DirFlag
	Link string `arg:"" optional:"" help:"The link that murmur init, invite or status prints; without it, it is read from the terminal, and stands in no list of processes."`
}

// Run notes the swarm and the addresses in the link.
func (c *JoinCmd) Run() error {
	if c.Link == "" {
		fmt.Fprint(os.Stderr, "Paste the link: ")
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, 64<<10)).ReadString('\n')
		if err != nil && line == "" {
			return usageError{errors.New("there is no link: give it as murmur join 'LINK', or paste it")}
		}
		c.Link = line
	}
	link, err := p2p.ParseLink(strings.Trim(strings.TrimSpace(c.Link), "'\"")) // as it stands between quotes in what others print
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
	if link.CheckpointHeight > 0 {
		if err := dir.SetCheckpoint(api.Checkpoint{Height: link.CheckpointHeight, Commit: link.Checkpoint}); err != nil {
			return err
		}
	}
	if link.Invite != "" {
		invite, err := membership.ParseInvite(link.Invite)
		if err != nil {
			return usageError{err}
		}
		if err := founding.Enter(dir, invite); err != nil {
			return err
		}
	}
	fmt.Printf("This machine is prepared for swarm %s in %s.\nStart its node with: %s\n", link.Swarm.Short(), dir, c.upOf(dir))
	return nil
}
