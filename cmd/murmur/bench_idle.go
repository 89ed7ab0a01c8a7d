package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/murmurnet/murmur/node/lab"
)

// BenchIdleCmd measures a node that is paused.
type BenchIdleCmd struct {
	For  time.Duration `help:"How long, with the page closed and again with it open." default:"2m"`
	JSON bool          `help:"Print one JSON object."`
}

// Run tells of the parts on stderr and of the whole on stdout.
func (c *BenchIdleCmd) Run(ctx context.Context) error {
	exe, err := program()
	if err != nil {
		return err
	}
	p := lab.IdleParams{Exe: exe, For: c.For, Out: os.Stderr}
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	report, err := lab.Idle(ctx, p)
	if report.Seconds == 0 {
		return err
	}
	if err == nil && !report.Holds() {
		err = errors.New("a paused node takes more than it may")
	}
	return errors.Join(err, printed(c.JSON, report))
}
