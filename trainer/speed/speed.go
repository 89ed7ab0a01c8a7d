package speed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

const (
	// turn is about how long one side runs at a time when Steps does not say: long against a step's jitter.
	turn = 5 * time.Second
	// leastSteps of a turn, however slow the backend.
	leastSteps = 2
	// MaxRounds bounds the turns of each side.
	MaxRounds = 1000
)

// Params say what to measure.
type Params struct {
	Backends []string // as worker.Spec wants them
	Models   []Model
	Rounds   int // turns of each side; the medians of 5 are steady
	Steps    int // of a turn; 0 takes as many as fill about 5 s
	// Open opens a backend in this process, for the bare loop.
	Open func(want string) (worker.Device, error)
	// Command starts a trainer child, Exchange is where its exchange file goes.
	Command  []string
	Exchange string
	// Rival is the program of another framework that takes turns too; empty: none.
	Rival []string
	// Told is called after every turn.
	Told func(Turn)
	Log  *slog.Logger
}

// Validate says what is wrong with p.
func (p Params) Validate() error {
	switch {
	case len(p.Backends) == 0 || len(p.Models) == 0:
		return errors.New("nothing to measure: name a backend and a model")
	case p.Rounds < 1 || p.Rounds > MaxRounds:
		return fmt.Errorf("%d rounds: 1 to %d can be measured", p.Rounds, MaxRounds)
	case p.Steps < 0:
		return fmt.Errorf("%d steps a turn: 0 (as many as fill %v) or more can be measured", p.Steps, turn)
	case p.Open == nil || len(p.Command) == 0 || p.Exchange == "" || p.Told == nil || p.Log == nil:
		return errors.New("measuring needs a way to open a backend, a trainer command, a path for its exchange file, a listener and a log")
	}
	return nil
}

// Model is a model to measure with.
type Model struct {
	Name   string
	Config model.Config
	Batch  int // samples a step
}

// Models are those that murmur's numbers are given for, on sequences of 128 bytes. The last is as large as GPT-2 small.
func Models() []Model {
	c := model.Config{Vocab: data.ByteVocab, SeqLen: 128, RopeTheta: 10000, NormEps: 1e-5}
	small, large, gpt := c, c, c
	small.Layers, small.Dim, small.Heads, small.KVHeads, small.HeadDim, small.FFN = 4, 128, 4, 4, 32, 352
	large.Layers, large.Dim, large.Heads, large.KVHeads, large.HeadDim, large.FFN = 6, 384, 6, 6, 64, 1024
	gpt.Layers, gpt.Dim, gpt.Heads, gpt.KVHeads, gpt.HeadDim, gpt.FFN, gpt.Vocab, gpt.Tied = 12, 768, 12, 12, 64, 2048, 50304, true
	return []Model{{"0.87M", small, 8}, {"10.8M", large, 8}, {"124M", gpt, 1}}
}

// Turn is one measurement of one side.
type Turn struct {
	Backend, Model, Side string // Side is worker, bare or rival
	Round                int    // from 1
	TokensPerSec         float64
}

// Result is what came of one model on one backend.
type Result struct {
	Backend string    `json:"backend"` // the configuration that opened
	Device  string    `json:"device"`
	Model   string    `json:"model"`
	Params  int       `json:"params"`
	Batch   int       `json:"batch"`
	SeqLen  int       `json:"seq_len"`
	Steps   int       `json:"steps"`               // of a turn
	Worker  float64   `json:"worker_tokens_per_s"` // median
	Bare    float64   `json:"bare_tokens_per_s"`   // median
	Ratio   float64   `json:"ratio"`               // median over rounds of worker by bare
	Workers []float64 `json:"worker_rounds"`
	Bares   []float64 `json:"bare_rounds"`
	// Utilisation is the worker's floating-point operations a second, by those of a large matrix product on the same device.
	Utilisation float64  `json:"utilisation"`
	Peak        float64  `json:"matmul_flops_per_s"`
	Waited      float64  `json:"waited"`        // the largest share of a turn in which the worker's steps waited for their batches
	Memory      []uint64 `json:"worker_memory"` // anonymous bytes, after warming up and after each turn of the worker's
	// Of a rival, where there was one.
	Rival        float64   `json:"rival_tokens_per_s,omitempty"` // median
	AgainstRival float64   `json:"ratio_to_rival,omitempty"`     // median over rounds of worker by rival
	Rivals       []float64 `json:"rival_rounds,omitempty"`
}

// Run measures every model on every backend.
func Run(ctx context.Context, p Params) ([]Result, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var results []Result
	for _, backend := range p.Backends {
		done, err := runBackend(ctx, p, backend)
		results = append(results, done...)
		if err != nil {
			return results, fmt.Errorf("measuring on %s: %w", backend, err)
		}
	}
	return results, nil
}

func runBackend(ctx context.Context, p Params, backend string) ([]Result, error) {
	d, err := p.Open(backend)
	if err != nil {
		return nil, err
	}
	defer d.Backend.Finalize()
	var results []Result
	for _, m := range p.Models {
		r, err := measure(ctx, p, d, backend, m)
		if err != nil {
			return results, fmt.Errorf("model %s: %w", m.Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// spec has both sides do the same: no clipping, which GoMLX's own AdamW lacks, and a constant rate.
func spec(backend string, m Model) worker.Spec {
	return worker.Spec{
		Backend: backend, Model: m.Config, Batch: m.Batch, Data: worker.DataOpticks,
		Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, DecayAll: true}},
		Schedule:  schedule.Schedule{Kind: schedule.Constant, LR: 1e-4, TotalTokens: 1 << 40, DecayFrom: .8},
	}
}

func measure(ctx context.Context, p Params, d worker.Device, backend string, m Model) (r Result, err error) {
	s := spec(backend, m)
	theta := model.Init(m.Config, [32]byte{})
	b, err := newBare(d.Backend, s, theta)
	if err != nil {
		return r, err
	}
	defer b.close()
	w, err := newThrough(ctx, p, s, theta)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	var other *rival
	if len(p.Rival) > 0 {
		if other, err = newRival(ctx, p.Rival, s); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, other.close()) }()
		if _, err := other.run(ctx, leastSteps); err != nil {
			return r, err
		}
	}
	r = Result{
		Backend: d.Config, Device: d.Name, Model: m.Name, Params: len(theta), Batch: m.Batch, SeqLen: m.Config.SeqLen, Steps: p.Steps,
	}
	// Both warm up: first steps compile, and find memory for the first time.
	if _, err := w.run(ctx, leastSteps); err != nil {
		return r, err
	}
	pace, err := b.run(ctx, leastSteps)
	if err != nil {
		return r, err
	}
	if r.Steps == 0 {
		r.Steps = max(leastSteps, int(math.Ceil(turn.Seconds()*pace/float64(m.Batch*m.Config.SeqLen))))
	}
	remember := func() error {
		bytes, err := anonymous(w.p.Pid())
		r.Memory = append(r.Memory, bytes)
		return err
	}
	if r.Peak, err = peak(d.Backend); err != nil {
		return r, err
	}
	if err := remember(); err != nil {
		return r, err
	}
	ratios, against := make([]float64, p.Rounds), make([]float64, p.Rounds)
	for i := range p.Rounds {
		sides := []side{{"worker", w.run, &r.Workers}, {"bare", b.run, &r.Bares}}
		if other != nil {
			sides = append(sides, side{"rival", other.run, &r.Rivals})
		}
		if i%2 == 1 { // who is first may matter to a clock or a cache
			slices.Reverse(sides)
		}
		for _, side := range sides {
			rate, err := side.run(ctx, r.Steps)
			if err != nil {
				return r, err
			}
			*side.rates = append(*side.rates, rate)
			r.Waited = max(r.Waited, w.waited)
			p.Told(Turn{d.Config, m.Name, side.name, i + 1, rate})
		}
		ratios[i] = r.Workers[i] / r.Bares[i]
		if err := remember(); err != nil {
			return r, err
		}
		if other != nil {
			against[i] = r.Workers[i] / r.Rivals[i]
		}
	}
	if other != nil {
		r.Rival, r.AgainstRival = median(r.Rivals), median(against)
	}
	r.Worker, r.Bare, r.Ratio = median(r.Workers), median(r.Bares), median(ratios)
	r.Utilisation = r.Worker * flops(m.Config) / r.Peak
	return r, nil
}

// side is one of those that take turns.
type side struct {
	name  string
	run   func(ctx context.Context, steps int) (tokensPerSec float64, err error)
	rates *[]float64
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
