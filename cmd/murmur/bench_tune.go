package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/trial"
	"github.com/murmurnet/murmur/trainer/worker"
)

// BenchTuneCmd compares the ways to train an adapter together.
type BenchTuneCmd struct {
	Quick   bool     `help:"Learning rates as they come, one seed, a small held-out part."`
	Choices []string `help:"Kinds of adapter: what is trained, b or ab, and the rank." default:"b-16,ab-16" placeholder:"TRAIN-RANK"`
	Lines   []string `help:"Lines by name (default: all)." placeholder:"NAME"`
	Before  int      `help:"Steps of the base, on the first half of the text." default:"600" placeholder:"N"`
	Steps   int      `help:"Inner steps of a peer, on the second half." default:"300" placeholder:"N"`
	Tune    int      `help:"Steps of the trials that choose each line's learning rate; 0 takes it as it comes." default:"100"`
	Seeds   uint64   `help:"Seeds of the lines that a claim rests on; the others have one." default:"3"`
	Backend string   `help:"Train on this backend (default: the best one here)." placeholder:"NAME"`
	Cells   string   `help:"Keep finished trials in this folder and skip those that it has; remove it after a change of the code." type:"path" placeholder:"DIR"`
	JSON    bool     `help:"Print one JSON object."`
}

// Run trains a small model on one half of the embedded text, and adapters of it on the other.
func (c *BenchTuneCmd) Run(ctx context.Context) error {
	spec := node.Spec(manifest.Default(), c.Backend, "")
	adapters, err := c.adapters(spec)
	if err != nil {
		return usageError{err}
	}
	lines, err := trial.SelectFrom(trial.TuneLines(), c.Lines)
	if err != nil {
		return usageError{err}
	}
	text := data.Bytes(data.Opticks())
	set, err := data.New(data.Params{Tokens: text[len(text)/2:], SeqLen: spec.Model.SeqLen})
	if err != nil {
		return err
	}
	if c.Quick {
		set.Heldout = set.Heldout[:quickHeldout]
		c.Tune, c.Seeds = 0, 1
	}
	p := trial.TableParams{Lines: lines, Steps: c.Steps, Batch: spec.Batch, Heldout: len(set.Heldout), Seeds: c.Seeds, Tune: min(c.Tune, c.Steps)}
	if err := errors.Join(p.Validate(), checkBackend(c.Backend)); err != nil {
		return usageError{err}
	}
	dir := c.Cells
	if dir == "" {
		if dir, err = os.MkdirTemp("", "murmur-tune-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // of the system's temporary files
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := c.base(ctx, spec, text[:len(text)/2], filepath.Join(dir, "base"))
	if err != nil {
		return err
	}
	t := trial.Tuning{Base: spec.Model.Layout().Params(), Steps: c.Steps, Batch: spec.Batch, SeqLen: set.SeqLen, Heldout: len(set.Heldout)}
	spec.Base, spec.Draws = files, [32]byte{1}
	for i, a := range adapters {
		spec.Model.Adapter = a
		if err := c.choice(ctx, spec, set, p, filepath.Join(dir, c.Choices[i]+".json"), &t); err != nil {
			return fmt.Errorf("%s: %w", c.Choices[i], err)
		}
	}
	return printed(c.JSON, t)
}

// adapters reads the choices.
func (c *BenchTuneCmd) adapters(spec worker.Spec) (as []*model.Adapter, err error) {
	for _, choice := range c.Choices {
		train, rank, _ := strings.Cut(choice, "-")
		n, err := strconv.Atoi(rank)
		if err != nil {
			return nil, fmt.Errorf("the choice %q is not b or ab and a rank, such as b-16", choice)
		}
		a := &model.Adapter{Rank: n, Alpha: 2 * float64(n), Train: train, Base: model.BaseBF16}
		spec.Model.Adapter = a
		if err := spec.Model.Validate(); err != nil {
			return nil, err
		}
		as = append(as, a)
	}
	return as, nil
}

// base trains the model that adapters are for, unless it is there, and gives its files.
func (c *BenchTuneCmd) base(ctx context.Context, spec worker.Spec, text []int32, dir string) ([]string, error) {
	if folder, err := checkpoint.Open(dir); err == nil {
		return folder.Files(), nil
	}
	set, err := data.New(data.Params{Tokens: text, SeqLen: spec.Model.SeqLen})
	if err != nil {
		return nil, err
	}
	if c.Quick {
		set.Heldout = set.Heldout[:quickHeldout]
	}
	bench, err := trial.New(trial.Params{Engine: worker.GoMLX(openDevice), Spec: spec, Data: set})
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	r, theta, err := bench.Learn(ctx, trial.Cell{
		Line: "base", Optimizer: optimizer.Muon, Rate: 4e-3, Peers: 1, Batch: spec.Batch, Steps: c.Before, Total: c.Before, Heldout: len(set.Heldout), Seed: 1,
	})
	if err != nil {
		return nil, err
	}
	told(r)
	if err := checkpoint.Write(dir, checkpoint.Export{Config: spec.Model, Theta: theta, Card: checkpoint.Card{Name: "base"}}); err != nil {
		return nil, err
	}
	folder, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	return folder.Files(), nil
}

// choice trains one kind of adapter by all lines.
func (c *BenchTuneCmd) choice(ctx context.Context, spec worker.Spec, set *data.Dataset, p trial.TableParams, cells string, t *trial.Tuning) (err error) {
	store, err := trial.OpenStore(cells)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	bench, err := trial.New(trial.Params{Engine: worker.GoMLX(openDevice), Spec: spec, Data: set})
	if err != nil {
		return err
	}
	defer bench.Close()
	if t.Untuned, err = bench.Untrained(p.Heldout); err != nil {
		return err
	}
	t.Backend = bench.Device().Config
	rows, err := trial.Make(ctx, p, store, telling(bench))
	a := spec.Model.Adapter
	t.Choices = append(t.Choices, trial.Choice{Rank: a.Rank, Train: a.Train, Params: bench.Parameters(), Rows: rows})
	return err
}
