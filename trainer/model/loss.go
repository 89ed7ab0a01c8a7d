package model

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// maxLogits bounds the logits that a training step holds at once, in values: 16 MiB, a few times over. All of them, of 1,024 tokens
// by 151,936 ids, would take 0.6 GB, and their softmax and gradient as much again each.
const maxLogits = 1 << 22

// Gradients builds the mean cross-entropy in nats of tokens int32 [samples, seq+1], each of which predicts its next, and its
// gradients for params. Some positions after the other go through the head, forward and back, so that logits never exist whole
// (Cut Cross-Entropy, arXiv 2411.09009, has kernels for it): loss and gradients are those of Loss, but for the order of sums.
func Gradients(c Config, how Compute, params []*graph.Node, tokens *graph.Node) (loss *graph.Node, grads []*graph.Node) {
	return gradients(c, how, params, tokens, max(1, maxLogits/c.Vocab))
}

// gradients is Gradients with so many positions at a time.
func gradients(c Config, how Compute, params []*graph.Node, tokens *graph.Node, rows int) (loss *graph.Node, grads []*graph.Node) {
	seq := tokens.Shape().Dim(1) - 1
	inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, seq))
	targets := graph.Reshape(graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, seq+1)), -1)
	last, head := c.outside()
	x := rmsNorm(Hidden(c, how, params, inputs), params[last], c.NormEps)
	loss, dx, dHead := how.crossEntropy(x, params[head], targets, rows)
	// The gradient of x·dx, where dx stands still, is the chain rule's for all that lies before x.
	before := graph.Gradient(graph.ReduceAllSum(graph.Mul(x, graph.StopGradient(dx))), params[:last+1]...)
	if c.Tied {
		before[0] = graph.Add(before[0], dHead)
		return loss, before
	}
	return loss, append(slices.Clip(before), dHead)
}

// outside are the numbers of the tensors of the final norm and of the output projection.
func (c Config) outside() (norm, head int) {
	norm = 1 + c.Layers*tensorsPerLayer
	if c.Tied {
		return norm, 0
	}
	return norm, norm + 1
}

// crossEntropy builds the mean cross-entropy of x·headᵀ, x float32 [n, dim], head float32 [vocab, dim], for targets int32 [n], and its gradients
// for x and head. So many rows of x are taken at a time.
func (how Compute) crossEntropy(x, head, targets *graph.Node, rows int) (loss, dx, dHead *graph.Node) {
	n, vocab := x.Shape().Dim(0), head.Shape().Dim(0)
	narrow := how.narrow(head)
	var dxs []*graph.Node
	sum := func(total, more *graph.Node) *graph.Node {
		if total == nil {
			return more
		}
		return graph.Add(total, more)
	}
	for at := 0; at < n; at += rows {
		these := graph.AxisRange(at, min(at+rows, n))
		part := how.narrow(graph.Slice(x, these))
		logits := widened(graph.Dot(part, narrow).General([]int{1}, nil, []int{1}, nil))
		logits = graph.Sub(logits, graph.ReduceAndKeep(logits, graph.ReduceMax, -1))
		exps := graph.Exp(logits)
		mass := graph.ReduceAndKeep(exps, graph.ReduceSum, -1)
		chosen := graph.OneHot(graph.Slice(targets, these), vocab, logits.DType())
		loss = sum(loss, graph.Sub(graph.ReduceAllSum(graph.Log(mass)), graph.ReduceAllSum(graph.Mul(logits, chosen))))
		d := how.narrow(graph.MulScalar(graph.Sub(graph.Div(exps, mass), chosen), 1/float64(n)))
		dxs = append(dxs, widened(graph.Dot(d, narrow).General([]int{1}, nil, []int{0}, nil)))
		dHead = sum(dHead, widened(graph.Dot(d, part).General([]int{0}, nil, []int{0}, nil)))
	}
	return graph.MulScalar(loss, 1/float64(n)), graph.Concatenate(dxs, 0), dHead
}
