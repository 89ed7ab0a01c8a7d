package main

import (
	"context"

	"github.com/murmurnet/murmur/node"
)

// SeedCmd runs a node that is there for others.
type SeedCmd struct {
	DirFlag
	NetFlags
	DataQuota uint64 `help:"GiB of the swarm's token shards to keep for others; 0: all." default:"20" placeholder:"N" env:"MURMUR_DATA_QUOTA"`
}

// Run works until the process is told to stop.
func (c *SeedCmd) Run(ctx context.Context, root *cli) error {
	p, err := c.params(c.DirFlag)
	if err != nil {
		return err
	}
	p.Version, p.Seed, p.DataQuota, p.Log = version, true, c.DataQuota<<30, root.log()
	return node.Run(ctx, p)
}
