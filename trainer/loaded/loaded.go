// Package loaded is a model in this process, outside any swarm: it answers benchmarks and continues texts. It knows nothing
// of networks or of training.
package loaded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/choice"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/token"
	"github.com/murmurnet/murmur/trainer/worker"
	"github.com/murmurnet/murmur/trainer/writer"
)

const (
	// batch is how many sequences are read at once.
	batch = 8
	// longest is how many tokens are read at most, whatever the model was made for: attention's memory grows with its square.
	longest = 2048
)

// Params say what to load.
type Params struct {
	Config    model.Config
	Theta     []float32
	Tokenizer *token.Tokenizer
	Open      func(want string) (worker.Device, error)
	Backend   string // wanted; empty: the best there is
}

// FromCheckpoint takes a folder in Hugging Face's layout, such as murmur export writes.
func FromCheckpoint(dir string) (p Params, err error) {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return p, err
	}
	origin, err := c.Origin()
	if err != nil {
		return p, err
	}
	p.Config = c.Config
	if p.Tokenizer, err = origin.Tokenizer(c.Config.Vocab); err != nil {
		return p, fmt.Errorf("%s: %w", dir, err)
	}
	p.Theta, err = c.Theta()
	return p, err
}

// FromExport takes a state of a swarm.
func FromExport(e checkpoint.Export) (p Params, err error) {
	p = Params{Config: e.Config, Theta: e.Theta}
	if p.Tokenizer, err = e.Origin.Tokenizer(e.Config.Vocab); err != nil {
		return p, err
	}
	p.Tokenizer.SetEnds(e.Ends)
	return p, nil
}

// Model is ready to be asked. One goroutine uses it at a time.
type Model struct {
	p      Params
	device worker.Device
}

// New opens the device.
func New(p Params) (*Model, error) {
	if p.Open == nil {
		return nil, errors.New("loaded: no way to open a device")
	}
	if got, want := len(p.Theta), p.Config.Layout().Params(); got != want {
		return nil, fmt.Errorf("loaded: %d parameters for a model of %d", got, want)
	}
	if p.Tokenizer == nil {
		return nil, errors.New("loaded: no tokenizer")
	}
	m := &Model{p: p}
	m.p.Config.SeqLen = min(p.Config.SeqLen, longest)
	var err error
	m.device, err = p.Open(p.Backend)
	return m, err
}

// Close closes the device.
func (m *Model) Close() {
	if m.device.Backend != nil {
		m.device.Backend.Finalize()
	}
}

// Write continues a prompt, telling each piece as it comes.
func (m *Model) Write(ctx context.Context, r writer.Request, say func(piece string) bool) error {
	e, err := eval.New(m.device.Backend, m.p.Config, nil, 1)
	if err != nil {
		return err
	}
	defer e.Close()
	return writer.Write(ctx, e, m.p.Tokenizer, m.p.Theta, r, say)
}

// Choose answers the first items of a benchmark's file; most 0 is all.
func (m *Model) Choose(ctx context.Context, task choice.Task, path string, most int, progress func(done, total int)) (choice.Report, error) {
	items, err := read(task, path)
	if err != nil {
		return choice.Report{}, err
	}
	if most > 0 {
		items = items[:min(most, len(items))]
	}
	e, err := eval.New(m.device.Backend, m.p.Config, nil, batch)
	if err != nil {
		return choice.Report{}, err
	}
	defer e.Close()
	return choice.Run(ctx, choice.Params{
		Tokenizer: m.p.Tokenizer, SeqLen: m.p.Config.SeqLen, Progress: progress,
		Score: func(ctx context.Context, tokens [][]int32, scored []int, emit func(float64)) error {
			return e.LogLikelihoods(ctx, m.p.Theta, tokens, scored, emit)
		},
	}, task, items)
}

func read(task choice.Task, path string) (items []choice.Item, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func(c io.Closer) { err = errors.Join(err, c.Close()) }(f)
	return choice.Read(f, path, task)
}
