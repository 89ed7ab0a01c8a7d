package inner

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// learned does three steps and returns the last loss and the parameters.
func learned(t *testing.T, trainer *Trainer) (loss float32, theta []float32) {
	t.Helper()
	for range 3 {
		var err error
		if loss, err = trainer.Step(text(trainer.params), 1e-2); err != nil {
			t.Fatal(err)
		}
	}
	theta = make([]float32, trainer.layout.Params())
	if _, err := trainer.Read(theta, nil, nil); err != nil {
		t.Fatal(err)
	}
	return loss, theta
}

// However a batch goes through, it is learned from alike.
func TestBatchesInParts(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		for _, kind := range []string{optimizer.AdamW, optimizer.Muon} {
			p := tiny
			p.Batch, p.Optimizer.Kind, p.Optimizer.Momentum, p.Optimizer.ClipNorm = 4, kind, .9, .5
			loss, theta := learned(t, open(t, backend, p))
			for _, way := range []struct {
				micro       int
				remat, tied bool
			}{{2, false, true}, {4, true, true}, {1, true, true}, {4, false, false}, {2, true, false}} {
				if kind == optimizer.Muon && !way.tied {
					continue // compiling takes seconds
				}
				if way.tied != p.Model.Tied {
					p.Micro, p.Remat, p.Model.Tied = 0, false, way.tied
					loss, theta = learned(t, open(t, backend, p))
				}
				p.Micro, p.Remat = way.micro, way.remat
				gotLoss, got := learned(t, open(t, backend, p))
				if off := apart(got, theta); off > 2e-4 || math.Abs(float64(gotLoss-loss)) > 1e-4 {
					t.Errorf("%s, %+v: parameters are %.2g off, the loss is %.6f and not %.6f", kind, way, off, gotLoss, loss)
				}
			}
		}
	})
}

// Matrices in bfloat16 learn nearly what those in float32 do.
func TestHalf(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		p := tiny
		loss, theta := learned(t, open(t, backend, p))
		p.Compute.Half = true
		got, half := learned(t, open(t, backend, p))
		if math.Abs(float64(got-loss)) > 0.02*float64(loss) || slices.Equal(half, theta) {
			t.Errorf("the loss is %.4f, in float32 %.4f", got, loss)
		}
	})
}

func TestGradientsInParts(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		take := func(micro int) []float32 {
			p := tiny
			p.Batch, p.Micro, p.Optimizer.Kind, p.Optimizer.ClipNorm = 4, micro, optimizer.None, .5
			p.Backend = backend
			g, err := NewGradient(p)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if err := g.Load(model.Init(p.Model, [32]byte{1}), nil, nil, 0); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := g.Step(text(p), 0); err != nil {
					t.Fatal(err)
				}
			}
			dst := make([]float32, len(g.sum))
			if n, err := g.Take(dst); n != 2 || err != nil {
				t.Fatalf("%d steps, %v", n, err)
			}
			return dst
		}
		if off := apart(take(0), take(2)); off > 1e-6 {
			t.Errorf("gradients are %.2g off", off)
		}
	})
}

// A part with a token that there is not ends the step, and nothing of it is left in the next one.
func TestPartsAfterARefusal(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		p := tiny
		p.Batch, p.Micro = 4, 2
		want, _ := learned(t, open(t, backend, p))
		trainer := open(t, backend, p)
		bad := text(p)
		bad[len(bad)-1] = int32(p.Model.Vocab)
		if _, err := trainer.Step(bad, 1e-2); err == nil || !strings.Contains(err.Error(), "outside the vocabulary") {
			t.Errorf("error is %v", err)
		}
		if got, _ := learned(t, trainer); got != want {
			t.Errorf("the loss is %g afterwards, want %g", got, want)
		}
	})
}

func TestMicroRefusals(t *testing.T) {
	p := tiny
	p.Batch = 4
	for _, micro := range []int{-1, 3, 8} {
		p.Micro = micro
		if err := p.Validate(); err == nil {
			t.Errorf("%d samples of 4 at once were accepted", micro)
		}
	}
}
