package model

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

// TestGradientsInChunks: however many positions go through the head at a time, loss and gradients are those that the graph of Loss has,
// within 1e-6 of the largest.
func TestGradientsInChunks(t *testing.T) {
	c := Config{Vocab: 48, Dim: 16, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 4, FFN: 24, SeqLen: 9, RopeTheta: 1e4, NormEps: 1e-5}
	tokens := make([]int32, 3*(c.SeqLen+1))
	for i := range tokens {
		tokens[i] = int32(i * i * 7 % c.Vocab)
	}
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		for _, c.Tied = range []bool{false, true} {
			theta := Init(c, [32]byte{1})
			for i := range theta {
				theta[i] += float32(i%7-3) * .01 // norms other than 1
			}
			grads := func(build func(params []*graph.Node, tokens *graph.Node) (*graph.Node, []*graph.Node)) (out [][]float32) {
				t.Helper()
				exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
					n := len(in) - 1
					loss, grads := build(in[:n], in[n])
					return append([]*graph.Node{loss}, grads...)
				})
				if err != nil {
					t.Fatal(err)
				}
				params, err := c.Layout().Upload(backend, theta)
				if err != nil {
					t.Fatal(err)
				}
				args := []any{}
				for _, p := range append(params, tensors.FromFlatDataAndDimensions(tokens, 3, c.SeqLen+1)) {
					args = append(args, p)
				}
				results, err := exec.Call(args...)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					out = append(out, tensors.MustCopyFlatData[float32](r))
				}
				return out
			}
			want := grads(func(params []*graph.Node, tokens *graph.Node) (*graph.Node, []*graph.Node) {
				inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, c.SeqLen))
				targets := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, c.SeqLen+1))
				loss := Loss(Logits(c, Compute{}, params, inputs), targets)
				return loss, graph.Gradient(loss, params...)
			})
			for _, rows := range []int{1, 4, 27, 100} {
				got := grads(func(params []*graph.Node, tokens *graph.Node) (*graph.Node, []*graph.Node) {
					return gradients(c, Compute{}, params, tokens, rows)
				})
				if len(got) != len(want) {
					t.Fatalf("%d results, want %d", len(got), len(want))
				}
				for k := range want {
					var most, off float64
					for i, w := range want[k] {
						most, off = max(most, math.Abs(float64(w))), max(off, math.Abs(float64(w-got[k][i])))
					}
					if !(off <= 1e-6*max(most, 1)) {
						t.Errorf("tied %v, %d rows at a time: result %d is %.2g off, of %.2g at most", c.Tied, rows, k, off, most)
					}
				}
			}
		}
	})
}
