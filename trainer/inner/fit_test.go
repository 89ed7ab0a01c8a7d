package inner

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// gpt is as large as GPT-2 small: 124 million parameters.
func gpt(backend compute.Backend) Params {
	return Params{
		Backend: backend, Batch: 8,
		Model: model.Config{
			Vocab: 50304, Dim: 768, Layers: 12, Heads: 12, KVHeads: 12, HeadDim: 64, FFN: 2048, SeqLen: 1024,
			RopeTheta: 1e4, NormEps: 1e-5, Tied: true,
		},
		Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8}},
	}
}

func TestFit(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		for _, test := range []struct {
			gib   float64
			micro int
			remat bool
		}{{80, 8, false}, {24, 4, false}, {14, 2, false}, {9, 1, false}, {5.5, 4, true}, {4, 1, true}} {
			p, err := Fit(gpt(backend), uint64(test.gib*(1<<30)))
			if err != nil || p.atOnce() != test.micro || p.Remat != test.remat {
				t.Errorf("in %g GiB: %d at once, %+v, %v", test.gib, p.atOnce(), p.Compute, err)
			}
			if p.Memory() > uint64(test.gib*(1<<30)) {
				t.Errorf("in %g GiB it takes %.1f", test.gib, gib(p.Memory()))
			}
		}
		if _, err := Fit(gpt(backend), 1<<30); !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "there are 1.0 GiB") {
			t.Errorf("in 1 GiB: %v", err)
		}
		if p, err := Fit(gpt(backend), 0); err != nil || p.atOnce() != 8 {
			t.Errorf("without a bound: %d at once, %v", p.atOnce(), err)
		}
	})
}

// narrow is a trainer on a device that has memory for some samples at once only.
type narrow struct{ steps, closed *int }

func (n narrow) Load(_, _, _ []float32, _ int64) error      { return nil }
func (n narrow) Step(_ []int32, _ float64) (float32, error) { *n.steps++; return 0, nil }
func (n narrow) Close()                                     { *n.closed++ }

func TestNewFitting(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		p := tiny
		p.Backend, p.Batch = backend, 12
		for _, test := range []struct {
			room  int // samples
			remat bool
			tried string
		}{
			{12, false, "12"}, {5, false, "12 6 3"}, {1, false, "12 6 3 1"}, {0, true, "12 6 3 1 1r"},
		} {
			var steps, closed int
			var tried []string
			_, err := NewFitting(p, func(p Params) (narrow, error) {
				name := fmt.Sprint(p.atOnce())
				if p.Remat {
					name += "r"
				}
				if tried = append(tried, name); p.atOnce() > test.room && p.Remat == test.remat || p.Remat != test.remat {
					return narrow{}, errors.New("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1.2GiB")
				}
				return narrow{&steps, &closed}, nil
			})
			if test.room == 0 {
				if !errors.Is(err, ErrMemory) {
					t.Errorf("without room: %v", err)
				}
			} else if err != nil || steps != 1 || closed != 0 {
				t.Errorf("with room for %d: %v, %d steps", test.room, err, steps)
			}
			if got := strings.Join(tried, " "); got != test.tried {
				t.Errorf("with room for %d it tried %s, want %s", test.room, got, test.tried)
			}
		}
		_, err := NewFitting(p, func(Params) (narrow, error) { return narrow{}, errors.New("the plugin is broken") })
		if err == nil || errors.Is(err, ErrMemory) {
			t.Errorf("another error became %v", err)
		}
	})
}

// TestLess lays out smaller steps from a batch of six until there is none: half of the samples at once, or the next number that divides the batch, then each
// block computed twice.
func TestLess(t *testing.T) {
	p, seen := Params{Batch: 6}, ""
	for less := true; less; p, less = p.Less() {
		seen += fmt.Sprintf("%d %v, ", p.atOnce(), p.Remat)
	}
	if want := "6 false, 3 false, 1 false, 1 true, "; seen != want {
		t.Errorf("laid out as %s, want %s", seen, want)
	}
}
