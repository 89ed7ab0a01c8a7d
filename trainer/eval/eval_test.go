package eval

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

var tiny = model.Config{
	Vocab: 32, Dim: 16, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 4, FFN: 24, SeqLen: 8,
	RopeTheta: 1e4, NormEps: 1e-5, Tied: true,
}

// weights are initial weights made ten times larger, so that predictions differ between contexts.
func weights() []float32 {
	theta := model.Init(tiny, [32]byte{3})
	for i := range theta {
		theta[i] *= 10
	}
	return theta
}

func text(n int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32((i*i*5 + i) % tiny.Vocab)
	}
	return tokens
}

func open(t *testing.T, backend compute.Backend, batch int) *Evaluator {
	t.Helper()
	e, err := New(backend, tiny, nil, batch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func loss(t *testing.T, e *Evaluator, tokens []int32) float64 {
	t.Helper()
	got, err := e.Loss(weights(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestLossEqualsTraining: on one batch of windows the evaluator and the training step measure the same, but for the order of float32 sums.
func TestLossEqualsTraining(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		const batch = 3
		tokens := text(batch*tiny.SeqLen + 1)
		var samples []int32 // the same windows, each with its last target
		for i := range batch {
			samples = append(samples, tokens[i*tiny.SeqLen:][:tiny.SeqLen+1]...)
		}
		trainer, err := inner.New(inner.Params{
			Backend: backend, Model: tiny, Batch: batch, Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(trainer.Close)
		if err := trainer.Load(weights(), nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		want, err := trainer.Step(samples, 1e-3)
		if err != nil {
			t.Fatal(err)
		}
		if got := loss(t, open(t, backend, batch), tokens); math.Abs(got-float64(want)) > 1e-6*got {
			t.Errorf("loss %.8f, want the training step's %.8f", got, want)
		}
	})
}

// Batches and padding do not change the loss of a text whose end fills no window.
func TestLossOfPartialWindows(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		batches := []*Evaluator{open(t, backend, 1), open(t, backend, 2), open(t, backend, 5)}
		for _, n := range []int{2, 8, 9, 10, 17, 39} {
			tokens := text(n)
			var sum float64 // window by window
			for at := 0; at < n-1; at += tiny.SeqLen {
				end := min(at+tiny.SeqLen+1, n)
				sum += loss(t, batches[0], tokens[at:end]) * float64(end-at-1)
			}
			want := sum / float64(n-1)
			for _, e := range batches {
				if got := loss(t, e, tokens); math.Abs(got-want) > 1e-6 {
					t.Errorf("%d tokens, batch %d: loss %.8f, want %.8f", n, e.batch, got, want)
				}
			}
		}
	})
}

func TestGenerate(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		e := open(t, backend, 1)
		write := func(prompt []int32, s Sampling) (out []int32) {
			t.Helper()
			err := e.Generate(t.Context(), weights(), prompt, 20, s, func(token int32) bool {
				out = append(out, token)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		warm := Sampling{Temperature: 1, TopK: 10, Seed: 7}
		first := write(text(3), warm)
		if len(first) != 20 {
			t.Fatalf("%d tokens, want 20", len(first))
		}
		if again := write(text(3), warm); !slices.Equal(first, again) {
			t.Errorf("one seed wrote %v, then %v", first, again)
		}
		if other := write(text(3), Sampling{Temperature: 1, TopK: 10, Seed: 8}); slices.Equal(first, other) {
			t.Error("two seeds wrote the same")
		}
		greedy := write(text(3), Sampling{})
		if top := write(text(3), Sampling{Temperature: 5, TopK: 1, Seed: 1}); !slices.Equal(greedy, top) {
			t.Errorf("top-1 wrote %v, want the greedy %v", top, greedy)
		}
		// Only the last SeqLen tokens of a prompt count.
		long := text(30)
		if a, b := write(long, Sampling{}), write(long[30-tiny.SeqLen:], Sampling{}); !slices.Equal(a, b) {
			t.Errorf("the window's prompt wrote %v, the whole one %v", b, a)
		}
		// The first greedy token is the one that the loss finds likeliest.
		best, at := math.Inf(1), int32(-1)
		for token := range int32(tiny.Vocab) {
			prompt := text(3)
			whole, before := loss(t, e, append(prompt, token))*3, loss(t, e, prompt)*2
			if whole-before < best {
				best, at = whole-before, token
			}
		}
		if greedy[0] != at {
			t.Errorf("greedy begins with %d, the loss prefers %d", greedy[0], at)
		}
	})
}

func TestGenerateStops(t *testing.T) {
	e := open(t, backendtest.Open(t, backendtest.Go), 1)
	count := 0
	err := e.Generate(t.Context(), weights(), text(2), 50, Sampling{}, func(int32) bool { count++; return count < 4 })
	if err != nil || count != 4 {
		t.Errorf("%d tokens and %v, want 4 and no error", count, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	count = 0
	err = e.Generate(ctx, weights(), text(2), 50, Sampling{}, func(int32) bool { count++; cancel(); return true })
	if !errors.Is(err, context.Canceled) || count != 1 {
		t.Errorf("%d tokens and %v after a cancel, want 1 and context.Canceled", count, err)
	}
}

func TestRefuses(t *testing.T) {
	backend := backendtest.Open(t, backendtest.Go)
	e := open(t, backend, 1)
	emit := func(int32) bool { return true }
	generate := func(theta []float32, prompt []int32, s Sampling) error {
		return e.Generate(t.Context(), theta, prompt, 1, s, emit)
	}
	lossOf := func(theta []float32, tokens []int32) error {
		_, err := e.Loss(theta, tokens)
		return err
	}
	_, noBackend := New(nil, tiny, nil, 1)
	_, noBatch := New(backend, tiny, nil, 0)
	_, noModel := New(backend, model.Config{}, nil, 1)
	for name, err := range map[string]error{
		"no backend":              noBackend,
		"no batch":                noBatch,
		"no model":                noModel,
		"one token":               lossOf(weights(), text(1)),
		"loss of a strange token": lossOf(weights(), []int32{1, 32}),
		"loss of a short vector":  lossOf(weights()[1:], text(9)),
		"empty prompt":            generate(weights(), nil, Sampling{}),
		"strange prompt":          generate(weights(), []int32{-1}, Sampling{}),
		"short vector":            generate(weights()[1:], text(2), Sampling{}),
		"temperature":             generate(weights(), text(2), Sampling{Temperature: math.NaN()}),
		"top-k":                   generate(weights(), text(2), Sampling{TopK: -1}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestShortTextsOfLongrope: what follows a short text does not depend on how long a text the model may read.
func TestShortTextsOfLongrope(t *testing.T) {
	backend := backendtest.Open(t, backendtest.Go)
	next := func(seqLen, tokens int) (out []int32) {
		c := tiny
		c.RopeScaling = model.RopeScaling{Type: model.RopeLongrope, Short: []float64{1, 1}, Long: []float64{8, 9}, AttentionFactor: 2, Original: 5}
		c.SeqLen = seqLen
		e, err := New(backend, c, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Generate(t.Context(), weights(), text(tokens), 1, Sampling{Temperature: 9, Seed: 5}, func(token int32) bool {
			out = append(out, token)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		err = e.LogLikelihoods(t.Context(), weights(), [][]int32{text(tokens)}, []int{1}, func(l float64) { out = append(out, int32(l*1e4)) })
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if short, long := next(5, 4), next(8, 4); !slices.Equal(short, long) {
		t.Errorf("four tokens go on with %v in a window of 5 and with %v in one of 8", short, long)
	}
	if short, long := next(6, 6), next(8, 6); !slices.Equal(short, long) {
		t.Errorf("six tokens go on with %v in a window of 6 and with %v in one of 8", short, long)
	}
}
