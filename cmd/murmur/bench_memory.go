package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/lab"
	"github.com/murmurnet/murmur/trainer/speed"
)

// BenchMemoryCmd measures memory.
type BenchMemoryCmd struct {
	Backend   []string `help:"Measure on these backends (default: all that work here)." placeholder:"NAME"`
	Model     []string `help:"Measure these models: 0.87M, 25M, 124M." default:"0.87M,25M,124M" placeholder:"NAME"`
	Precision []string `help:"Of parameters and moments on the device." default:"float32,bf16" placeholder:"NAME"`
	Method    []string `help:"Measure the daemons of swarms of three nodes with these methods too, which learn a toy problem; none: no daemons." default:"bitloco,fedavg" placeholder:"NAME"`
	JAX       string   `name:"jax" type:"existingfile" help:"Measure docs/bench/train_jax.py as well, by this Python." placeholder:"PYTHON"`
	JSON      bool     `help:"Print one JSON object."`
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
	r := memoryReport{}
	if r.Trainers, err = speed.Memory(ctx, p, c.Precision); err != nil {
		return err
	}
	exe, err := program()
	if err != nil {
		return err
	}
	if cases := c.daemons(models); len(cases) > 0 {
		var rounds lab.RoundReport
		rounds, err = lab.Rounds(ctx, lab.RoundParams{Exe: exe, Cases: cases, Rounds: 10, StepTime: longStep, Out: os.Stderr})
		r.Daemons = rounds.Cases
	}
	return errors.Join(err, printed(c.JSON, r))
}

// longStep makes rounds of 10 s: of 124M parameters all three nodes' payloads come in time.
const longStep = 500 * time.Millisecond

// daemons are the swarms whose daemons are measured.
func (c *BenchMemoryCmd) daemons(models []speed.Model) (cases []lab.RoundCase) {
	for _, m := range models {
		for _, method := range c.Method {
			if method != "none" {
				cases = append(cases, lab.RoundCase{Nodes: 3, Model: m.Name, Method: method})
			}
		}
	}
	return cases
}

type memoryReport struct {
	Trainers []speed.Footprint `json:"trainers"`
	Daemons  []lab.RoundResult `json:"daemons"`
}

// Table has a line for each trainer, and one for the daemons of each swarm.
func (r memoryReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BACKEND\tMODEL\tPRECISION\tPEAK, MIB\tBYTES A PARAMETER\tAT REST\tPLANNED\tEXCHANGE FILE\tJAX, MIB\tBYTES A PARAMETER")
	for _, f := range r.Trainers {
		n := float64(f.Params)
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t", f.Backend, f.Model, f.Precision, f.Peak>>20, f.PerParam, float64(f.Resident)/n, float64(f.Planned)/n, float64(f.Exchange)/n)
		if f.Rival > 0 {
			fmt.Fprintf(w, "%d\t%.1f\n", f.Rival>>20, float64(f.Rival)/n)
		} else {
			fmt.Fprintln(w, "–\t–")
		}
	}
	if len(r.Daemons) > 0 {
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w, "\nDAEMON\tMODEL\tANONYMOUS, MIB\tBYTES A PARAMETER\tGO'S HEAP, MIB\tIN MEMORY, MIB\tBYTES A PARAMETER")
	}
	for _, d := range r.Daemons {
		n := float64(d.Params)
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%d\t%d\t%.1f\n", d.Method, d.Model, d.Anonymous>>20, float64(d.Anonymous)/n, d.Heap>>20, d.Memory>>20, float64(d.Memory)/n)
	}
	return w.Flush()
}
