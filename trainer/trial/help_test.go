package trial

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the device

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// tiny is a model of three blocks, as many as streaming has fragments: 20,000 parameters.
func tiny() worker.Spec {
	return worker.Spec{
		Model: model.Config{
			Vocab: 256, Dim: 16, Layers: 3, Heads: 2, KVHeads: 2, HeadDim: 8, FFN: 32, SeqLen: 16,
			RopeTheta: 10000, NormEps: 1e-5, Tied: true,
		},
		Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1}, Momentum: .95},
		Schedule:  schedule.Schedule{LRFloor: .1},
		Batch:     2,
	}
}

func set(t *testing.T) *data.Dataset {
	t.Helper()
	d, err := data.New(data.Params{Tokens: data.Bytes(data.Opticks()[:20_000]), SeqLen: tiny().Model.SeqLen})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// real is a bench with real trainers on the pure-Go backend.
func real(t *testing.T) *Bench {
	t.Helper()
	backend, err := compute.NewWithConfig("go:parallelism=-1") // the bench closes it
	if err != nil {
		t.Fatal(err)
	}
	e := worker.GoMLX(func(string) (worker.Device, error) { return worker.Device{Backend: backend, Config: "go"}, nil })
	return bench(t, e)
}

func bench(t *testing.T, e worker.Engine) *Bench {
	t.Helper()
	b, err := New(Params{Engine: e, Spec: tiny(), Data: set(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// cell is a short trial of a method, or of no method, with AdamW.
func cell(method string, change func(*Cell)) Cell {
	c := Cell{Line: "test", Optimizer: optimizer.AdamW, Rate: 4e-3, H: 2, Peers: 2, Batch: 2, Steps: 4, Heldout: 65, Seed: 1}
	if method != "" {
		s := defaults(method)
		c.Method = &s
	}
	if change != nil {
		change(&c)
	}
	c.Total = c.Steps
	return c
}

func run(t *testing.T, b *Bench, c Cell) Result {
	t.Helper()
	r, err := b.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Diverged || len(r.Points) == 0 || r.Points[len(r.Points)-1].Steps != c.Steps {
		t.Fatalf("%s: diverged %v, points %+v", c.key(), r.Diverged, r.Points)
	}
	return r
}

// near tells whether two trials went the same way within rounding.
func near(t *testing.T, a, b Result, within float64) {
	t.Helper()
	if len(a.Points) != len(b.Points) {
		t.Fatalf("%d and %d points", len(a.Points), len(b.Points))
	}
	for i, p := range a.Points {
		if q := b.Points[i]; p.Steps != q.Steps || math.Abs(p.Loss-q.Loss) > within {
			t.Errorf("after %d steps the loss is %.6f, after %d of the other %.6f", p.Steps, p.Loss, q.Steps, q.Loss)
		}
	}
}

// fake learns without a model: each step moves all parameters down by the rate. The loss is their mean.
type fake struct {
	theta []float32
	steps int64
	fails int64 // the step whose loss is no number; 0: none
	rates *[]float64
	seen  *[]int32 // first tokens of batches
}

func (f *fake) Load(theta, _, _ []float32, step int64) error {
	f.theta, f.steps = append(f.theta[:0], theta...), step
	return nil
}

func (f *fake) Step(tokens []int32, rate float64) (float32, error) {
	*f.rates, *f.seen = append(*f.rates, rate), append(*f.seen, tokens...)
	f.steps++
	for i := range f.theta {
		f.theta[i] -= float32(rate)
	}
	if f.steps == f.fails {
		return float32(math.NaN()), nil
	}
	return f.theta[0], nil
}

func (f *fake) Read(theta, _, _ []float32) (int64, error) {
	copy(theta, f.theta)
	return f.steps, nil
}

func (f *fake) Add(delta []float32) error {
	for i, d := range delta {
		f.theta[i] += d
	}
	return nil
}

func (f *fake) Loss(theta []float32, _ []int32) (float64, error) {
	var sum float64
	for _, x := range theta {
		sum += float64(x)
	}
	return sum / float64(len(theta)), nil
}

func (f *fake) Generate(context.Context, []float32, []int32, int, eval.Sampling, func(int32) bool) error {
	return nil
}

func (f *fake) Close() {}

func (f *fake) engine() worker.Engine {
	f.rates, f.seen = new([]float64), new([]int32)
	return worker.Engine{
		Open:    func(string) (worker.Device, error) { return worker.Device{Config: "fake"}, nil },
		Learner: func(worker.Device, worker.Spec) (worker.Learner, error) { return f, nil },
		Judge:   func(worker.Device, worker.Spec) (worker.Judge, error) { return f, nil },
	}
}

// payload is how many bytes a method sends of a tiny model's zero difference.
func payload(t *testing.T, b *Bench, s outer.Settings) uint64 {
	t.Helper()
	m, err := b.method(s, b.rates(cell(s.Name, nil)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Encode(nil, outer.Round{Height: 1}, slices.Repeat([]float32{0}, b.params), nil)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(len(p))
}
