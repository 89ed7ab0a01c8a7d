// Package inner is the inner optimizer: one compiled training step (forward, backward, clipping, AdamW) whose
// parameters and moments stay on the device from step to step.
//
// A step costs what a bare GoMLX loop costs: only tokens go in and one loss comes out. Parameters cross to the host
// only in Load, Read and Add. The package knows nothing of rounds, peers, data sets or files.
package inner

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// AdamW sets the optimizer of Loshchilov and Hutter (2019) as torch.optim.AdamW computes it: decay decoupled from the
// gradient, eps outside the square root.
type AdamW struct {
	Beta1       float64 `json:"beta1" toml:"beta1"`
	Beta2       float64 `json:"beta2" toml:"beta2"`
	Eps         float64 `json:"eps" toml:"eps"`
	WeightDecay float64 `json:"weight_decay" toml:"weight_decay"` // a step's share is rate·WeightDecay
	ClipNorm    float64 `json:"clip_norm" toml:"clip_norm"`       // bound on the global L2 norm of the gradient; 0 = off
	DecayAll    bool    `json:"decay_all" toml:"decay_all"`       // decay one-dimensional tensors (norms) too
}

// Validate reports the first field out of its range.
func (a AdamW) Validate() error {
	switch {
	case !(a.Beta1 >= 0 && a.Beta1 < 1):
		return fmt.Errorf("inner: beta1 is %g, want 0 or more and less than 1", a.Beta1)
	case !(a.Beta2 >= 0 && a.Beta2 < 1):
		return fmt.Errorf("inner: beta2 is %g, want 0 or more and less than 1", a.Beta2)
	case !(a.Eps > 0) || math.IsInf(a.Eps, 0):
		return fmt.Errorf("inner: eps is %g, want a number above 0", a.Eps)
	case !(a.WeightDecay >= 0) || math.IsInf(a.WeightDecay, 0):
		return fmt.Errorf("inner: weight_decay is %g, want 0 or more", a.WeightDecay)
	case !(a.ClipNorm >= 0) || math.IsInf(a.ClipNorm, 0):
		return fmt.Errorf("inner: clip_norm is %g, want 0 (off) or more", a.ClipNorm)
	}
	return nil
}

// clipEps keeps the clip factor finite at a zero gradient; torch.nn.utils.clip_grad_norm_ uses the same.
const clipEps = 1e-6

// factors are what changes from step to step. They enter the graph as inputs, so no step is compiled twice; they are
// computed in float64 and rounded once.
type factors struct {
	rate, decay, correction float32
}

// factors of step t (from 1): the rate over 1−β1^t, the share of a weight that decay leaves, and sqrt(1−β2^t).
func (a AdamW) factors(rate float64, t int64) factors {
	return factors{
		rate:       float32(rate / (1 - math.Pow(a.Beta1, float64(t)))),
		decay:      float32(1 - rate*a.WeightDecay),
		correction: float32(math.Sqrt(1 - math.Pow(a.Beta2, float64(t)))),
	}
}

// clip scales the gradients to a global L2 norm of at most ClipNorm.
func (a AdamW) clip(grads []*graph.Node) []*graph.Node {
	if a.ClipNorm == 0 {
		return grads
	}
	var sum *graph.Node
	for _, g := range grads {
		s := graph.ReduceAllSum(graph.Square(g))
		if sum == nil {
			sum = s
		} else {
			sum = graph.Add(sum, s)
		}
	}
	norm := graph.AddScalar(graph.Sqrt(sum), clipEps)
	scale := graph.MinScalar(graph.Div(graph.ConstAs(norm, a.ClipNorm), norm), 1)
	clipped := make([]*graph.Node, len(grads))
	for i, g := range grads {
		clipped[i] = graph.Mul(g, scale)
	}
	return clipped
}

// update builds one tensor's step from its gradient: new parameter and moments. rate, decay and correction are the
// scalars of factors; decay nil leaves the weight undecayed.
func (a AdamW) update(p, grad, m, v, rate, decay, correction *graph.Node) (newP, newM, newV *graph.Node) {
	newM = graph.Add(m, graph.MulScalar(graph.Sub(grad, m), 1-a.Beta1))
	newV = graph.Add(graph.MulScalar(v, a.Beta2), graph.MulScalar(graph.Square(grad), 1-a.Beta2))
	step := graph.Div(newM, graph.AddScalar(graph.Div(graph.Sqrt(newV), correction), a.Eps))
	if decay != nil {
		p = graph.Mul(p, decay)
	}
	return graph.Sub(p, graph.Mul(step, rate)), newM, newV
}
