package inner

import (
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/murmurnet/murmur/trainer/model"
)

const (
	muonScale = 0.2  // times √(longer side): a root mean square of the update like AdamW's (Liu et al. 2025)
	muonEps   = 1e-7 // added to a matrix's norm
	muonSteps = 5
	// maxStack bounds the parameters of a stack: 16 MiB, of which Newton–Schulz holds a few at a time. Large matrices
	// are iterated one by one.
	maxStack = 1 << 22
)

// muonPoly is Jordan's quintic a·s + b·s³ + c·s⁵: steep at 0; repeated, it brings singular values to 0.7 … 1.2.
var muonPoly = [3]float64{3.4445, -4.7750, 2.0315}

// hidden tells whether Muon is for a tensor: for the matrices of the decoder blocks.
func hidden(t model.Tensor) bool {
	return t.Block >= 0 && len(t.Shape) == 2
}

// muon builds the step of Jordan's Muon (2024) on hidden matrices as torch.optim.Muon computes it with nesterov and
// adjust_lr_fn "match_rms_adamw", but in float32: new parameters and momenta. rate is the learning rate itself, decay
// is that of adam.Factors.
//
//	m ← m + (g − m)·(1 − μ)
//	θ ← θ·decay − orthogonalise(g + (m − g)·μ) · rate·0.2·√max(rows, columns)
func muon(mu float64, params, grads, ms []*graph.Node, rate, decay *graph.Node) (newParams, newMs []*graph.Node) {
	newParams, newMs = make([]*graph.Node, len(params)), make([]*graph.Node, len(params))
	directions := make([]*graph.Node, len(params))
	for i, g := range grads {
		newMs[i] = graph.Add(ms[i], graph.MulScalar(graph.Sub(g, ms[i]), 1-mu))
		directions[i] = graph.Add(g, graph.MulScalar(graph.Sub(newMs[i], g), mu))
	}
	for i, d := range orthogonalise(directions) {
		rows, cols := sides(d)
		length := graph.MulScalar(rate, muonScale*math.Sqrt(float64(max(rows, cols))))
		newParams[i] = graph.Sub(graph.Mul(params[i], decay), graph.Mul(d, length))
	}
	return newParams, newMs
}

func sides(x *graph.Node) (rows, cols int) { return x.Shape().Dim(0), x.Shape().Dim(1) }

// orthogonalise brings the singular values of each matrix to about 1. Matrices of one shape, either way up, are
// stacked: that makes one batched product of many small ones.
func orthogonalise(matrices []*graph.Node) []*graph.Node {
	type shape struct{ rows, cols int }
	alike := map[shape][]int{}
	var shapes []shape // in order of appearance: a graph must not depend on the map's
	flat := make([]*graph.Node, len(matrices))
	for i, x := range matrices {
		rows, cols := sides(x)
		if rows > cols {
			rows, cols, x = cols, rows, graph.Transpose(x, 0, 1)
		}
		s := shape{rows, cols}
		if alike[s] == nil {
			shapes = append(shapes, s)
		}
		alike[s] = append(alike[s], i)
		flat[i] = graph.InsertAxes(x, 0)
	}
	out := make([]*graph.Node, len(matrices))
	for _, s := range shapes {
		for stack := range slices.Chunk(alike[s], max(1, maxStack/(s.rows*s.cols))) {
			members := make([]*graph.Node, len(stack))
			for k, i := range stack {
				members[k] = flat[i]
			}
			for k, o := range graph.Split(newtonSchulz(graph.Concatenate(members, 0)), 0, len(stack)) {
				i := stack[k]
				if out[i] = graph.Squeeze(o, 0); s.rows != matrices[i].Shape().Dim(0) {
					out[i] = graph.Transpose(out[i], 0, 1)
				}
			}
		}
	}
	return out
}

// newtonSchulz iterates the quintic on each matrix of x [matrices, rows, cols], rows ≤ cols, from a Frobenius norm of 1:
//
//	x ← a·x + (b·A + c·A²)·x with A = x·xᵀ
func newtonSchulz(x *graph.Node) *graph.Node {
	norm := graph.Sqrt(graph.ReduceAndKeep(graph.Square(x), graph.ReduceSum, -2, -1))
	x = graph.Div(x, graph.AddScalar(norm, muonEps))
	each := []int{0}
	for range muonSteps {
		a := graph.Dot(x, x).General([]int{2}, each, []int{2}, each)
		square := graph.Dot(a, a).General([]int{2}, each, []int{2}, each) // A is symmetric
		p := graph.Add(graph.MulScalar(a, muonPoly[1]), graph.MulScalar(square, muonPoly[2]))
		x = graph.Add(graph.MulScalar(x, muonPoly[0]), graph.Dot(p, x).General([]int{2}, each, []int{1}, each))
	}
	return x
}
