package eval

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

func noEmit(float64) {}

// The log-likelihood of a sequence's end is what the loss lacks without it, whatever stands in the same batch.
func TestLogLikelihoods(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		one := open(t, backend, 1)
		var tokens [][]int32
		var scored []int
		var want []float64
		sum := func(sequence []int32) float64 {
			if len(sequence) < 2 {
				return 0
			}
			return loss(t, one, sequence) * float64(len(sequence)-1)
		}
		for _, n := range []int{2, 9, 5, 3, 9, 8, 7} {
			for _, m := range []int{1, n / 2, n - 1} {
				sequence := text(20)[20-n:]
				tokens, scored = append(tokens, sequence), append(scored, m)
				want = append(want, sum(sequence[:n-m])-sum(sequence))
			}
		}
		wide := tiny // reads these in narrower windows
		wide.SeqLen = 100
		shortened, err := New(backend, wide, nil, 21)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(shortened.Close)
		for _, e := range []*Evaluator{open(t, backend, 4), shortened} {
			var got []float64
			if err := e.LogLikelihoods(t.Context(), weights(), tokens, scored, func(l float64) { got = append(got, l) }); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("batch %d: %d log-likelihoods, want %d", e.batch, len(got), len(want))
			}
			for i := range want {
				if !(math.Abs(got[i]-want[i]) < 1e-4) {
					t.Errorf("batch %d, sequence %d: %.7f, want %.7f", e.batch, i, got[i], want[i])
				}
			}
		}
	})
}

func TestLogLikelihoodsStops(t *testing.T) {
	e := open(t, backendtest.Open(t, backendtest.Go), 1)
	ctx, cancel := context.WithCancel(t.Context())
	count := 0
	err := e.LogLikelihoods(ctx, weights(), [][]int32{text(3), text(4), text(5)}, []int{1, 1, 1}, func(float64) { count++; cancel() })
	if !errors.Is(err, context.Canceled) || count != 1 {
		t.Errorf("%d log-likelihoods and %v after a cancel, want 1 and context.Canceled", count, err)
	}
}

func TestLogLikelihoodsRefuses(t *testing.T) {
	e := open(t, backendtest.Open(t, backendtest.Go), 2)
	diverged := weights()
	diverged[0] = float32(math.NaN()) // of token 0, which text begins with
	for name, test := range map[string]struct {
		theta  []float32
		tokens [][]int32
		scored []int
	}{
		"too long":            {weights(), [][]int32{text(3), text(10)}, []int{1, 1}},
		"nothing before it":   {weights(), [][]int32{text(3)}, []int{3}},
		"nothing scored":      {weights(), [][]int32{text(3)}, []int{0}},
		"empty":               {weights(), [][]int32{nil}, []int{1}},
		"no counts":           {weights(), [][]int32{text(3)}, nil},
		"strange token":       {weights(), [][]int32{{1, 32}}, []int{1}},
		"short vector":        {weights()[1:], [][]int32{text(3)}, []int{1}},
		"diverged parameters": {diverged, [][]int32{text(3)}, []int{1}},
	} {
		if err := e.LogLikelihoods(t.Context(), test.theta, test.tokens, test.scored, noEmit); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
