package main

import (
	"context"
	"time"

	"github.com/murmurnet/murmur/node/lab/overlap"
)

// BenchOverlapCmd simulates a swarm on home links.
type BenchOverlapCmd struct {
	Time time.Duration `help:"Virtual time." default:"2h"`
	Seed uint64        `help:"What chance follows from." default:"1"`
	JSON bool          `help:"Print one JSON object."`
}

// Run simulates, in about a second for ten virtual minutes.
func (c *BenchOverlapCmd) Run(ctx context.Context) error {
	p := overlap.Home()
	p.Time, p.Seed = c.Time, c.Seed
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	r, err := overlap.Run(ctx, p)
	if err != nil {
		return err
	}
	return printed(c.JSON, r)
}
