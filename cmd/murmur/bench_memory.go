package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/murmurnet/murmur/trainer/speed"
)

// BenchMemoryCmd measures memory.
type BenchMemoryCmd struct {
	Backend []string `help:"Measure on these backends (default: all that work here)." placeholder:"NAME"`
	Model   []string `help:"Measure these models: 0.87M, 25M, 124M." default:"0.87M,25M,124M" placeholder:"NAME"`
	JAX     string   `name:"jax" type:"existingfile" help:"Measure docs/bench/train_jax.py as well, by this Python." placeholder:"PYTHON"`
	JSON    bool     `help:"Print one JSON object."`
}

// Run measures one model after the other.
func (c *BenchMemoryCmd) Run(ctx context.Context, root *cli) error {
	models, err := chosen(speed.MemoryModels(), c.Model)
	if err != nil {
		return err
	}
	p, done, err := speedParams(ctx, root, c.Backend, c.JAX)
	if err != nil {
		return err
	}
	defer done()
	p.Models = models
	trainers, err := speed.Memory(ctx, p)
	if err != nil {
		return err
	}
	return printed(c.JSON, memoryReport{trainers})
}

type memoryReport struct {
	Trainers []speed.Footprint `json:"trainers"`
}

// Table has a line for each trainer.
func (r memoryReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BACKEND\tMODEL\tPEAK, MIB\tBYTES A PARAMETER\tAT REST\tPLANNED\tEXCHANGE FILE\tJAX, MIB\tBYTES A PARAMETER")
	for _, f := range r.Trainers {
		n := float64(f.Params)
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t", f.Backend, f.Model, f.Peak>>20, f.PerParam, float64(f.Resident)/n, float64(f.Planned)/n, float64(f.Exchange)/n)
		if f.Rival > 0 {
			fmt.Fprintf(w, "%d\t%.1f\n", f.Rival>>20, float64(f.Rival)/n)
		} else {
			fmt.Fprintln(w, "–\t–")
		}
	}
	return w.Flush()
}
