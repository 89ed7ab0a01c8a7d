package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/trial"
	"github.com/murmurnet/murmur/trainer/worker"
)

// BenchMethodsCmd compares the methods.
type BenchMethodsCmd struct {
	Quick   bool     `help:"Each method once, 50 steps, learning rates as they come; writes files only with --out."`
	Lines   []string `help:"Lines of the table, or attacks by name (default: all of the table)." placeholder:"NAME"`
	Steps   int      `help:"Inner steps of a peer (default: 600)." placeholder:"N"`
	Tune    int      `help:"Steps of the trials that choose each line's learning rate; 0 takes it as it comes." default:"150"`
	Seeds   uint64   `help:"Seeds of the lines that a claim rests on; the others have one." default:"3"`
	Backend string   `help:"Train on this backend (default: the best one here)." placeholder:"NAME"`
	Out     string   `help:"Write the page and its plots into this folder (default: docs)." type:"path" placeholder:"DIR"`
	Cells   string   `help:"Keep finished trials in this file and skip those that it has; remove it after a change of the code (default: methods-bench.json in the folder)." type:"path" placeholder:"FILE"`
	JSON    bool     `help:"Print one JSON object."`
}

const (
	quickSteps, quickHeldout = 50, 4097
	fullSteps                = 600
)

// Run tells of each trial on stderr and of all on stdout.
func (c *BenchMethodsCmd) Run(ctx context.Context) (err error) {
	c.fill()
	lines, err := trial.Select(c.Lines)
	if err != nil {
		return usageError{err}
	}
	spec := c.spec()
	set, err := data.New(data.Params{Tokens: data.Bytes(data.Opticks()), SeqLen: spec.Model.SeqLen})
	if err != nil {
		return err
	}
	p := trial.TableParams{
		Lines: lines, Steps: c.Steps, Batch: spec.Batch, Heldout: len(set.Heldout), Seeds: c.Seeds, Tune: min(c.Tune, c.Steps),
	}
	if c.Quick {
		p.Heldout, p.Seeds, p.Tune = quickHeldout, 1, 0
	}
	if err := errors.Join(p.Validate(), checkBackend(c.Backend)); err != nil {
		return usageError{err}
	}
	if c.Out != "" {
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return err
		}
	}
	store, err := trial.OpenStore(c.Cells)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	bench, err := trial.New(trial.Params{Engine: worker.GoMLX(openDevice), Spec: spec, Data: set})
	if err != nil {
		return err
	}
	defer bench.Close()
	rows, err := trial.Make(ctx, p, store, telling(bench))
	if err != nil {
		return err
	}
	report := trial.Report{
		Params: bench.Parameters(), Steps: p.Steps, Batch: p.Batch, SeqLen: set.SeqLen, Heldout: p.Heldout, Tune: p.Tune, Backend: bench.Device().Config,
		Rows: rows, Claims: trial.Claims(rows, bench.Parameters()),
	}
	return errors.Join(c.write(report), printed(c.JSON, report))
}

// fill sets what was not given.
func (c *BenchMethodsCmd) fill() {
	if c.Steps == 0 {
		if c.Steps = fullSteps; c.Quick {
			c.Steps = quickSteps
		}
	}
	if c.Quick && len(c.Lines) == 0 {
		c.Lines = trial.QuickNames()
	}
	if !c.Quick && c.Out == "" {
		c.Out = "docs"
	}
	if c.Cells == "" && c.Out != "" {
		c.Cells = filepath.Join(c.Out, trial.CellsFile)
	}
}

// spec is what the default swarm's trainers are told; trials choose kind and schedule of their own.
func (c *BenchMethodsCmd) spec() worker.Spec {
	return node.Spec(manifest.Default(), c.Backend, "")
}

// write puts the page and its plots into the folder.
func (c *BenchMethodsCmd) write(r trial.Report) error {
	if c.Out == "" {
		return nil
	}
	for name, draw := range map[string]func(io.Writer) error{
		trial.MarkdownFile: r.Markdown, trial.TokensPlotFile: r.TokensPlot, trial.BytesPlotFile: r.BytesPlot,
	} {
		var b bytes.Buffer
		if err := draw(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.Out, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// telling runs trials and tells of each.
func telling(b *trial.Bench) func(context.Context, trial.Cell) (trial.Result, error) {
	return func(ctx context.Context, cell trial.Cell) (trial.Result, error) {
		r, err := b.Run(ctx, cell)
		if err == nil {
			told(r)
		}
		return r, err
	}
}

func told(r trial.Result) {
	loss, ok := r.Loss()
	end := fmt.Sprintf("%.3f", loss)
	if !ok {
		end = "diverged"
	}
	fmt.Fprintf(os.Stderr, "%-18s  lr %-7.2g  %d steps  seed %d  held-out %s  %.0f s\n", r.Cell.Line, r.Cell.Rate, r.Cell.Steps, r.Cell.Seed, end, r.Seconds)
}
