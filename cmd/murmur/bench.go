package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/murmurnet/murmur/trainer/speed"
	"github.com/murmurnet/murmur/xla"
)

// BenchCmd measures murmur on this machine.
type BenchCmd struct {
	Train   TrainCmd        `cmd:"" help:"Measure training steps through the trainer process against a bare GoMLX loop."`
	Memory  BenchMemoryCmd  `cmd:"" help:"Measure what training takes of the memory."`
	Kill    BenchKillCmd    `cmd:"" help:"Break nodes in the middle of exchanges and see what becomes of the others."`
	Round   BenchRoundCmd   `cmd:"" help:"Measure how long rounds take to be exchanged, and what they cost."`
	Soak    BenchSoakCmd    `cmd:"" help:"Run a small swarm for long and watch what it takes."`
	Idle    BenchIdleCmd    `cmd:"" help:"Measure what a paused node takes of its machine."`
	Overlap BenchOverlapCmd `cmd:"" help:"Simulate home links and say how busy the devices are with training."`
	Tune    BenchTuneCmd    `cmd:"" help:"Train adapters of a small model by several methods and compare what they learn and send."`
	Methods BenchMethodsCmd `cmd:"" help:"Train a small model by each method and compare what it learns and sends."`
}

// TrainCmd measures training speed.
type TrainCmd struct {
	Backend []string `help:"Measure on these backends (default: all that work here)." placeholder:"NAME"`
	Model   []string `help:"Measure these models: 0.87M, 10.8M, 124M." default:"0.87M,10.8M" placeholder:"NAME"`
	JAX     string   `name:"jax" type:"existingfile" help:"Measure docs/bench/train_jax.py as well, by this Python." placeholder:"PYTHON"`
	Rounds  int      `help:"How often the two sides take turns." default:"5"`
	Steps   int      `help:"Steps of a turn; 0 takes as many as fill five seconds." default:"0"`
	JSON    bool     `help:"Print one JSON array."`
}

// Run measures, telling of each turn on stderr and of the results on stdout.
func (c *TrainCmd) Run(ctx context.Context, root *cli) error {
	models, err := chosen(speed.Models(), c.Model)
	if err != nil {
		return err
	}
	p, done, err := speedParams(ctx, root, c.Backend, c.JAX)
	if err != nil {
		return err
	}
	defer done()
	p.Models, p.Rounds, p.Steps = models, c.Rounds, c.Steps
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	results, err := speed.Run(ctx, p)
	if err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(results)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BACKEND\tMODEL\tWORKER TOKENS/S\tBARE TOKENS/S\tRATIO\tUTILISATION\tWAITED\tMEMORY, MIB\tBYTES A PARAMETER\tJAX TOKENS/S\tRATIO")
	for _, r := range results {
		last := r.Memory[len(r.Memory)-1]
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%.3f\t%.0f %% of %.0f GFLOP/s\t%.2f %%\t%d to %d\t%.1f\t", r.Backend, r.Model, r.Worker, r.Bare, r.Ratio,
			100*r.Utilisation, r.Peak/1e9, 100*r.Waited, r.Memory[0]>>20, last>>20, float64(last)/float64(r.Params))
		if r.Rival > 0 {
			fmt.Fprintf(w, "%.0f\t%.3f\n", r.Rival, r.AgainstRival)
		} else {
			fmt.Fprintln(w, "–\t–")
		}
	}
	return w.Flush()
}

// chosen are the models of these names, in their own order.
func chosen(all []speed.Model, names []string) (models []speed.Model, err error) {
	var known []string
	for _, m := range all {
		known = append(known, m.Name)
		if slices.Contains(names, m.Name) {
			models = append(models, m)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usageError{fmt.Errorf("model %q is not one of %s", name, strings.Join(known, ", "))}
		}
	}
	return models, nil
}

// speedParams are for measuring on backends, all that work here unless some are named, and for a Python that has JAX, where one is. The
// caller calls done in the end.
func speedParams(ctx context.Context, root *cli, backends []string, jax string) (p speed.Params, done func(), err error) {
	if len(backends) == 0 {
		all, err := xla.Survey(ctx, xla.Params{Probe: xla.SelfProbe()})
		if err != nil {
			return p, nil, err
		}
		for _, s := range all {
			if s.Usable {
				backends = append(backends, s.Config)
			}
		}
	}
	p = speed.Params{
		Backends: backends, Rounds: 1, Open: openDevice, Log: root.log(),
		Told: func(t speed.Turn) {
			fmt.Fprintf(os.Stderr, "%s  %s  round %d  %-6s  %8.0f tokens/s\n", t.Backend, t.Model, t.Round, t.Side, t.TokensPerSec)
		},
	}
	if jax != "" {
		p.Rival = []string{jax, filepath.Join("docs", "bench", "train_jax.py")}
		if _, err := os.Stat(p.Rival[1]); err != nil {
			return p, nil, usageError{fmt.Errorf("--jax needs %s of murmur's repository: run it there", p.Rival[1])}
		}
	}
	if p.Command, err = trainerCommand(); err != nil {
		return p, nil, err
	}
	dir, err := os.MkdirTemp("", "murmur-bench-")
	if err != nil {
		return p, nil, err
	}
	p.Exchange = filepath.Join(dir, "exchange")
	return p, func() { _ = os.RemoveAll(dir) }, nil // the system clears what is left
}
