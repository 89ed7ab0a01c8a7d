package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/murmurnet/murmur/node/lab"
)

// BenchKillCmd breaks nodes in the middle of exchanges.
type BenchKillCmd struct {
	Runs  int           `help:"Faults of each kind." default:"20"`
	Kind  []string      `help:"These kinds only: kill, stop, and each with closer or two, as in 'kill closer'." placeholder:"KIND"`
	Model string        `help:"Parameters that are exchanged: 25M, 2.4M or tiny." default:"25M"`
	Seed  uint64        `help:"Victims and moments follow from it." default:"1"`
	Step  time.Duration `help:"How long an inner step takes; 20 make a round." default:"100ms"`
	JSON  bool          `help:"Print one JSON object."`
}

// Run tells of each fault on stderr and of all on stdout.
func (c *BenchKillCmd) Run(ctx context.Context) error {
	exe, err := program()
	if err != nil {
		return err
	}
	p := lab.KillParams{
		Exe: exe, Model: c.Model, Kinds: c.Kind, Runs: c.Runs, Seed: c.Seed, StepTime: c.Step, Out: os.Stderr,
	}
	if len(p.Kinds) == 0 {
		p.Kinds = lab.KillKinds()
	}
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	report, err := lab.Kill(ctx, p)
	if err == nil && !report.Holds() {
		err = errors.New("survivors differ, or a healthy node was lost")
	}
	if len(report.Runs) == 0 {
		return err
	}
	return errors.Join(err, printed(c.JSON, report))
}
