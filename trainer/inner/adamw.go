package inner

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/murmurnet/murmur/trainer/inner/adam"
)

// clipEps keeps the clip factor finite at a zero gradient; torch.nn.utils.clip_grad_norm_ uses the same.
const clipEps = 1e-6

// clip is what gradients, sums of which share is the mean, are multiplied by for a global L2 norm of at most bound.
func clip(sums []*graph.Node, share, bound float64) *graph.Node {
	var squares *graph.Node
	for _, g := range sums {
		s := graph.ReduceAllSum(graph.Square(wide(g)))
		if squares == nil {
			squares = s
		} else {
			squares = graph.Add(squares, s)
		}
	}
	norm := graph.AddScalar(graph.MulScalar(graph.Sqrt(squares), share), clipEps)
	return graph.MinScalar(graph.Div(graph.ConstAs(norm, bound), norm), 1)
}

// adamw builds one tensor's step from its gradient: new parameter and moments. rate, decay and correction are the
// scalars of adam.Factors; decay nil leaves the weight undecayed. adam.AdamW.Apply does the same operations on the host.
func adamw(a adam.AdamW, p, grad, m, v, rate, decay, correction *graph.Node) (newP, newM, newV *graph.Node) {
	newM = graph.Add(m, graph.MulScalar(graph.Sub(grad, m), 1-a.Beta1))
	newV = graph.Add(graph.MulScalar(v, a.Beta2), graph.MulScalar(graph.Square(grad), 1-a.Beta2))
	step := graph.Div(newM, graph.AddScalar(graph.Div(graph.Sqrt(newV), correction), a.Eps))
	if decay != nil {
		p = graph.Mul(p, decay)
	}
	return graph.Sub(p, graph.Mul(step, rate)), newM, newV
}
