package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/murmurnet/murmur/node/lab"
)

// BenchRoundCmd measures exchanges.
type BenchRoundCmd struct {
	Nodes  []int         `help:"Swarms of these sizes, with --model (default: 4, 8 and 16 nodes with 2.4M, 4 and 8 with 25M)." placeholder:"N"`
	Model  []string      `help:"Parameters that are exchanged, with --nodes: 25M, 2.4M, tiny." placeholder:"NAME"`
	Method []string      `help:"How updates are encoded." default:"bitloco,fedavg"`
	Rounds int           `help:"Rounds that are measured of each." default:"10"`
	Step   time.Duration `help:"How long an inner step takes; 20 make a round." default:"100ms"`
	JSON   bool          `help:"Print one JSON object."`
}

// Run tells of each swarm on stderr and of all on stdout.
func (c *BenchRoundCmd) Run(ctx context.Context) error {
	if (len(c.Nodes) == 0) != (len(c.Model) == 0) {
		return usageError{errors.New("give --nodes and --model together")}
	}
	exe, err := program()
	if err != nil {
		return err
	}
	p := lab.RoundParams{Exe: exe, Cases: c.cases(), Rounds: c.Rounds, StepTime: c.Step, Out: os.Stderr}
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	report, err := lab.Rounds(ctx, p)
	if len(report.Cases) == 0 {
		return err
	}
	return errors.Join(err, printed(c.JSON, report))
}

// cases are the usual ones, or all sizes of all models.
func (c *BenchRoundCmd) cases() (cases []lab.RoundCase) {
	for _, method := range c.Method {
		if len(c.Nodes) == 0 && len(c.Model) == 0 {
			cases = append(cases, lab.RoundCases(method)...)
		}
		for _, model := range c.Model {
			for _, n := range c.Nodes {
				cases = append(cases, lab.RoundCase{Nodes: n, Model: model, Method: method})
			}
		}
	}
	return cases
}
