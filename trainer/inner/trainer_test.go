package inner

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/internal/golden"
	"github.com/murmurnet/murmur/trainer/model"
)

// tiny trains in milliseconds on every backend: two grouped query heads, a tied head.
var tiny = Params{
	Model: model.Config{
		Vocab: 32, Dim: 16, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 4, FFN: 24, SeqLen: 8,
		RopeTheta: 1e4, NormEps: 1e-5, Tied: true,
	},
	Optimizer: optimizer.Optimizer{
		Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1, ClipNorm: 1}, Momentum: .95,
	},
	Batch: 2,
}

// of is tiny with another optimizer.
func of(kind string) Params {
	p := tiny
	p.Optimizer.Kind = kind
	return p
}

// open makes a trainer with initial weights.
func open(t testing.TB, backend compute.Backend, p Params) *Trainer {
	t.Helper()
	p.Backend = backend
	trainer, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trainer.Close)
	if err := trainer.Load(model.Init(p.Model, [32]byte{1}), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	return trainer
}

// text is a batch that a model can learn by heart.
func text(p Params) []int32 {
	tokens := make([]int32, p.Batch*(p.Model.SeqLen+1))
	for i := range tokens {
		tokens[i] = int32(i * i * 7 % p.Model.Vocab)
	}
	return tokens
}

// TestTrainingMatchesTorch: twenty steps from Hugging Face's checkpoints against the same in PyTorch, of a Llama and of each other family.
func TestTrainingMatchesTorch(t *testing.T) {
	for _, dir := range append([]string{"../checkpoint/testdata"}, golden.Families(t, "../checkpoint/testdata/families")...) {
		for _, file := range golden.Expectations(t, dir) {
			name, _ := filepath.Rel(filepath.Dir(dir), file)
			t.Run(name, func(t *testing.T) { testTrainingMatchesTorch(t, dir, golden.Read(t, file)) })
		}
	}
}

func testTrainingMatchesTorch(t *testing.T, dir string, want golden.Expected) {
	from, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	theta, err := from.Theta()
	if err != nil {
		t.Fatal(err)
	}
	p := Params{
		Model: from.Config, Batch: len(want.Inputs),
		Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1, DecayAll: true}},
	}
	p.Model.SeqLen = len(want.Inputs[0])
	train := func(t *testing.T, backend compute.Backend, within float64) {
		trainer := open(t, backend, p)
		if err := trainer.Load(theta, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		var worst float64
		for i, w := range want.TrainLosses {
			loss, err := trainer.Step(want.Tokens(), 1e-3)
			if err != nil {
				t.Fatal(err)
			}
			off := math.Abs(float64(loss) - w)
			worst = max(worst, off)
			if !(off <= within) {
				t.Errorf("loss %d is %.6f, want %.6f within %g", i, loss, w, within)
			}
		}
		t.Logf("%d losses, largest difference %.2g", len(want.TrainLosses), worst)
	}
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) { train(t, backend, 5e-5) })
	if kinds := p.Model.Kind(0) != p.Model.Kind(p.Model.Layers-1); kinds || p.Model.Family == "glm4" {
		p.Remat = true // AdamW makes whole steps of gradients of 1e-7, whose signs follow the order of sums
		t.Run("block by block", func(t *testing.T) { train(t, backendtest.Open(t, backendtest.XLA), 1e-4) })
	}
}

// What is loaded is read back bit for bit, and a trainer that takes over mid-way goes on exactly as the first would.
func TestStateRoundTrip(t *testing.T) {
	for _, kind := range []string{optimizer.AdamW, optimizer.Muon} {
		t.Run(kind, func(t *testing.T) { testStateRoundTrip(t, of(kind)) })
	}
}

func testStateRoundTrip(t *testing.T, p Params) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		first := open(t, backend, p)
		n := tiny.Model.Layout().Params()
		steps := func(trainer *Trainer, count int) (loss float32) {
			t.Helper()
			for range count {
				var err error
				if loss, err = trainer.Step(text(tiny), 1e-2); err != nil {
					t.Fatal(err)
				}
			}
			return loss
		}
		start := steps(first, 1)
		steps(first, 4)
		theta, m, v := make([]float32, n), make([]float32, n), make([]float32, n)
		at, err := first.Read(theta, m, v)
		if err != nil {
			t.Fatal(err)
		}
		if at != 5 {
			t.Errorf("read step %d, want 5", at)
		}
		second := open(t, backend, p)
		if err := second.Load(theta, m, v, at); err != nil {
			t.Fatal(err)
		}
		theta2, m2, v2 := make([]float32, n), make([]float32, n), make([]float32, n)
		if _, err := second.Read(theta2, m2, v2); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(theta, theta2) || !slices.Equal(m, m2) || !slices.Equal(v, v2) {
			t.Error("state changed between Load and Read")
		}
		a, b := steps(first, 20), steps(second, 20)
		if a != b {
			t.Errorf("loss %v after a reload, want %v", b, a)
		}
		if !(a < start-.5) {
			t.Errorf("loss went from %v to %v: nothing was learned", start, a)
		}
	})
}

func TestAdd(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		trainer := open(t, backend, tiny)
		if _, err := trainer.Step(text(tiny), 1e-2); err != nil {
			t.Fatal(err)
		}
		n := tiny.Model.Layout().Params()
		before, m, after, m2 := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		if _, err := trainer.Read(before, m, nil); err != nil {
			t.Fatal(err)
		}
		delta := make([]float32, n)
		for i := range delta {
			delta[i] = float32(float32(i%13-6) * .001) // rounded before it is added
			before[i] += delta[i]
		}
		if err := trainer.Add(delta); err != nil {
			t.Fatal(err)
		}
		if _, err := trainer.Read(after, m2, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, after) {
			t.Error("parameters are not the sum")
		}
		if !slices.Equal(m, m2) {
			t.Error("moments changed")
		}
		if _, err := trainer.Step(text(tiny), 1e-2); err != nil {
			t.Errorf("step after Add: %v", err)
		}
	})
}

// Decay leaves norms alone unless told otherwise: with a zero gradient only decay moves a weight.
func TestDecayExclusion(t *testing.T) {
	backend := backendtest.Open(t, backendtest.Go)
	for _, all := range []bool{false, true} {
		p := tiny
		p.Optimizer.DecayAll = all
		p.Optimizer.ClipNorm = 1e-30 // the gradient, all but zero
		p.Optimizer.Eps = .5
		trainer := open(t, backend, p)
		layout := p.Model.Layout()
		before, after := make([]float32, layout.Params()), make([]float32, layout.Params())
		if _, err := trainer.Read(before, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := trainer.Step(text(p), .5); err != nil {
			t.Fatal(err)
		}
		if _, err := trainer.Read(after, nil, nil); err != nil {
			t.Fatal(err)
		}
		for _, tensor := range layout {
			want := before[tensor.Offset]
			if all || len(tensor.Shape) > 1 {
				want *= 1 - .5*.1
			}
			if got := after[tensor.Offset]; math.Abs(float64(got-want)) > 1e-7 {
				t.Errorf("decay all %v: %s went from %g to %g, want %g", all, tensor.Name, before[tensor.Offset], got, want)
			}
		}
	}
}

func TestStepRefusesBadArguments(t *testing.T) {
	trainer := open(t, backendtest.Open(t, backendtest.Go), tiny)
	for name, tokens := range map[string][]int32{
		"short":             text(tiny)[1:],
		"negative":          append([]int32{-1}, text(tiny)[1:]...),
		"out of vocabulary": append([]int32{32}, text(tiny)[1:]...),
	} {
		if _, err := trainer.Step(tokens, 1e-3); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := trainer.Load(make([]float32, 3), nil, nil, 0); err == nil {
		t.Error("loaded a vector of the wrong size")
	}
	if err := trainer.Load(model.Init(tiny.Model, [32]byte{}), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := trainer.Add(make([]float32, 3)); err == nil {
		t.Error("added a vector of the wrong size")
	}
	if _, err := trainer.Read(make([]float32, 3), nil, nil); err == nil {
		t.Error("read into a vector of the wrong size")
	}
	if _, err := trainer.Step(text(tiny), 1e-3); err != nil {
		t.Errorf("step after refused arguments: %v", err)
	}
}

// A step that fails in the backend loses the parameters; the trainer says so and lives on after Load.
func TestLostParameters(t *testing.T) {
	trainer := open(t, backendtest.Open(t, backendtest.Go), tiny)
	if err := trainer.state[0][0].FinalizeAll(); err != nil {
		t.Fatal(err)
	}
	if err := trainer.Add(make([]float32, trainer.layout.Params())); !errors.Is(err, ErrLost) {
		t.Fatalf("a failed run gives %v, want ErrLost", err)
	}
	if _, err := trainer.Step(text(tiny), 1e-3); !errors.Is(err, ErrLost) {
		t.Errorf("step gives %v, want ErrLost", err)
	}
	if _, err := trainer.Read(nil, nil, nil); !errors.Is(err, ErrLost) {
		t.Errorf("read gives %v, want ErrLost", err)
	}
	if err := trainer.Load(model.Init(tiny.Model, [32]byte{}), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := trainer.Step(text(tiny), 1e-3); err != nil {
		t.Errorf("step after a reload: %v", err)
	}
}
