package inner

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// TestNaNShows has one weight of each tensor be no number: the loss of a step and of an evaluation is none either. XLA for CPUs drops NaN in
// maxima by default (its xla_cpu_enable_fast_min_max), so a softmax could hide it.
func TestNaNShows(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		p := tiny
		p.Model.Tied = false
		p.Optimizer.Kind = optimizer.Muon
		trainer := open(t, backend, p)
		judge, err := eval.New(backend, p.Model, nil, p.Batch)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(judge.Close)
		sound := model.Init(p.Model, [32]byte{1})
		for _, tensor := range p.Model.Layout() {
			theta := slices.Clone(sound)
			theta[tensor.Offset] = float32(math.NaN()) // an embedding of token 0, which the text begins with
			if err := trainer.Load(theta, nil, nil, 0); err != nil {
				t.Fatal(err)
			}
			if loss, err := trainer.Step(text(p), 1e-3); err == nil && !math.IsNaN(float64(loss)) {
				t.Errorf("%s: a step's loss is %g", tensor.Name, loss)
			}
			if loss, err := judge.Loss(theta, text(p)); err == nil && !math.IsNaN(loss) {
				t.Errorf("%s: the evaluated loss is %g", tensor.Name, loss)
			}
		}
	})
}
