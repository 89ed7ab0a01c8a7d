package speed

import (
	"fmt"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

const (
	peakSide  = 1024 // of the square matrices whose product is timed
	peakTimes = 9
)

// peak is how many floating-point operations a second a device does in the product of two large float32 matrices: what a
// training step is held against.
func peak(backend compute.Backend) (perSec float64, err error) {
	exec, err := graph.NewExec(backend, func(a, b *graph.Node) *graph.Node { return graph.ReduceAllSum(graph.Dot(a, b).MatMul()) })
	if err != nil {
		return 0, fmt.Errorf("timing a matrix product: %w", err)
	}
	defer exec.Finalize()
	square := func() *tensors.Tensor {
		v := make([]float32, peakSide*peakSide)
		for i := range v {
			v[i] = float32(i%7) / 7
		}
		return tensors.FromFlatDataAndDimensions(v, peakSide, peakSide)
	}
	a, b := square(), square()
	var took []float64
	for i := range peakTimes + 1 {
		began := time.Now()
		out, err := exec.Call(a, b)
		if err != nil {
			return 0, fmt.Errorf("timing a matrix product: %w", err)
		}
		_ = tensors.ToScalar[float32](out[0]) // wait for it
		if i > 0 {                            // the first compiles
			took = append(took, time.Since(began).Seconds())
		}
		if err := model.Free(out); err != nil {
			return 0, err
		}
	}
	return 2 * peakSide * peakSide * peakSide / slices.Min(took), model.Free([]*tensors.Tensor{a, b})
}

// flops are the floating-point operations that training on one token takes: two for each weight that is multiplied, twice
// that again on the way back, and as much for attention over the whole sequence (PaLM, arXiv 2204.02311, appendix B).
func flops(c model.Config) float64 {
	weights := 0
	for _, t := range c.Layout() {
		if len(t.Shape) == 2 && (t.Block >= 0 || t.Offset > 0 || c.Tied) { // an untied embedding is only looked up
			weights += t.Size
		}
	}
	return 6*float64(weights) + 12*float64(c.Layers*c.Heads*c.HeadDim*c.SeqLen)
}
