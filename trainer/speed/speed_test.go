// The pure-Go backend of compute v0.1.6 moves a pointer past the end of its slice (matmul/nosimd_small_transposed.go:108),
// which the checks that come with -race refuse.
//go:build !race

package speed

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the device of both sides
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

// childEnv makes the test binary a trainer child.
const childEnv = "MURMUR_SPEED_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := worker.Main(context.Background(), worker.GoMLX(open)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(want string) (worker.Device, error) {
	b, err := compute.NewWithConfig("go:parallelism=-1")
	return worker.Device{Backend: b, Config: want, Name: "a processor"}, err
}

func tiny() Model {
	return Model{"tiny", model.Config{
		Vocab: 256, Dim: 32, Layers: 1, Heads: 2, KVHeads: 2, HeadDim: 16, FFN: 64, SeqLen: 16, RopeTheta: 10000, NormEps: 1e-5,
	}, 2}
}

func params(t *testing.T) Params {
	t.Setenv(childEnv, "1")
	return Params{
		Backends: []string{"go"}, Models: []Model{tiny()}, Rounds: 2, Steps: 3, Open: open, Command: []string{os.Args[0]},
		Exchange: filepath.Join(t.TempDir(), "exchange"), Told: func(Turn) {}, Log: slog.New(slog.DiscardHandler),
	}
}

func TestRunMeasuresBothSides(t *testing.T) {
	p := params(t)
	var told []Turn
	p.Told = func(turn Turn) { told = append(told, turn) }
	results, err := Run(t.Context(), p)
	if err != nil || len(results) != 1 {
		t.Fatal(results, err)
	}
	r := results[0]
	if r.Backend != "go" || r.Model != "tiny" || r.Batch != 2 || r.SeqLen != 16 || r.Steps != 3 || len(r.Workers) != 2 || len(r.Bares) != 2 {
		t.Errorf("result %+v", r)
	}
	if !(r.Worker > 0 && r.Bare > 0) || math.IsInf(r.Ratio, 0) || !(r.Ratio > 0) {
		t.Errorf("rates %v and %v, ratio %v", r.Worker, r.Bare, r.Ratio)
	}
	if !(r.Peak > 1e6) || !(r.Utilisation > 0) || r.Waited < 0 || r.Waited > 1 || len(r.Memory) != 3 || runtime.GOOS == "linux" && r.Memory[0] < 1<<20 {
		t.Errorf("utilisation %g of %g, waited %g, memory %d", r.Utilisation, r.Peak, r.Waited, r.Memory)
	}
	var order string
	for _, turn := range told {
		order += turn.Side + " "
	}
	if order != "worker bare bare worker " {
		t.Errorf("turns were %s", order)
	}
}

// Both sides are to do the same: from the same weights on the same batches they come to the same loss.
func TestBareStepIsTheWorkersStep(t *testing.T) {
	m := tiny()
	s := spec("go", m)
	theta := model.Init(m.Config, [32]byte{3})
	d, err := open("go")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Backend.Finalize()
	b, err := newBare(d.Backend, s, theta)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	trainer, err := inner.New(inner.Params{Backend: d.Backend, Model: s.Model, Optimizer: s.Optimizer, Batch: s.Batch})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Load(theta, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		bare, err := b.once()
		if err != nil {
			t.Fatal(err)
		}
		var loss float32
		err = tensors.ConstFlatData(b.inputs[i], func(tokens []int32) { loss, _ = trainer.Step(tokens, s.Schedule.LR) })
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(loss-bare)) > 1e-4 {
			t.Errorf("step %d: loss %v, bare %v", i, loss, bare)
		}
	}
}

// GPT-2 small takes 6 floating-point operations a parameter and token, and 14 million for attention over 128 positions.
func TestFlops(t *testing.T) {
	for i, want := range []float64{5.01e6 + 0.79e6, 64e6 + 3.5e6, 741e6 + 14e6} {
		if m := Models()[i]; math.Abs(flops(m.Config)/want-1) > 0.03 {
			t.Errorf("%s takes %.3g operations a token, want about %.3g", m.Name, flops(m.Config), want)
		}
	}
}

func TestParamsAreChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Params){
		"no model":   func(p *Params) { p.Models = nil },
		"no backend": func(p *Params) { p.Backends = nil },
		"no rounds":  func(p *Params) { p.Rounds = 0 },
		"steps":      func(p *Params) { p.Steps = -1 },
		"no command": func(p *Params) { p.Command = nil },
	} {
		p := params(t)
		spoil(&p)
		if _, err := Run(t.Context(), p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestModelsHaveTheSizesOfTheirNames(t *testing.T) {
	for i, want := range []int{869_504, 10_818_432} {
		m := Models()[i]
		if err := m.Config.Validate(); err != nil {
			t.Error(err)
		}
		if got := m.Config.Layout().Params(); got != want {
			t.Errorf("%s has %d parameters, want %d", m.Name, got, want)
		}
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{5, 1, 3}); m != 3 {
		t.Error(m)
	}
	if m := median([]float64{4, 1, 2, 3}); m != 2.5 {
		t.Error(m)
	}
}
