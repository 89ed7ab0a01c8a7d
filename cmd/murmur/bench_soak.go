package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/murmurnet/murmur/node/lab"
)

// BenchSoakCmd runs a small swarm for long.
type BenchSoakCmd struct {
	For  time.Duration `help:"How long." default:"20m"`
	Step time.Duration `help:"How long an inner step takes; 20 make a round." default:"35ms"`
	JSON bool          `help:"Print one JSON object."`
}

// Run tells of each minute on stderr and of the whole on stdout.
func (c *BenchSoakCmd) Run(ctx context.Context) error {
	exe, err := program()
	if err != nil {
		return err
	}
	p := lab.SoakParams{Exe: exe, For: c.For, Step: c.Step, Out: os.Stderr}
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	report, err := lab.Soak(ctx, p)
	if report.Samples == 0 {
		return err
	}
	if err == nil && !report.Holds() {
		err = errors.New("the daemons grow, or hold different states")
	}
	return errors.Join(err, printed(c.JSON, report))
}
