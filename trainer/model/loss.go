package model

import "github.com/gomlx/gomlx/core/graph"

// MaxLogits bounds the logits that a training step holds at once, in values: 16 MiB, a few times over. All of them, of 1,024 tokens
// by 151,936 ids, would take 0.6 GB, and their softmax and gradient as much again each.
const MaxLogits = 1 << 22

// Gradients builds the mean cross-entropy in nats of tokens int32 [samples, seq+1], each of which predicts its next, and its
// gradients for params. Some positions after the other go through the head, forward and back, so that logits never exist whole
// (Cut Cross-Entropy, arXiv 2411.09009, has kernels for it): loss and gradients are those of Loss, but for the order of sums.
func Gradients(c Config, how Compute, params []*graph.Node, tokens *graph.Node) (loss *graph.Node, grads []*graph.Node) {
	return gradients(c, how, params, tokens, max(1, MaxLogits/c.Vocab))
}

// gradients is Gradients with so many positions at a time.
func gradients(c Config, how Compute, params []*graph.Node, tokens *graph.Node, rows int) (loss *graph.Node, grads []*graph.Node) {
	seq := tokens.Shape().Dim(1) - 1
	inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, seq))
	targets := graph.Reshape(graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, seq+1)), -1)
	last, head := c.outside()
	first := embedded(params[0], inputs)
	x := rmsNorm(hiddenOf(c, how, params, first, inputs.Shape().Dim(0)), params[last], c.NormEps)
	loss, dx, dHead := how.crossEntropy(x, params[head], targets, rows)
	// The gradient of x·dx, where dx stands still, is the chain rule's for all that lies before x.
	before := graph.Gradient(graph.ReduceAllSum(graph.Mul(x, graph.StopGradient(dx))), append([]*graph.Node{first}, params[1:last+1]...)...)
	// That of the embedding is summed where the head's is, for a tied one is both: it may be the largest tensor, and is not held twice.
	sums := dHead
	if !c.Tied {
		sums = graph.ZerosLike(params[0])
	}
	before[0] = graph.ScatterSum(sums, graph.Reshape(inputs, -1, 1), before[0], false, false)
	if c.Tied {
		return loss, before
	}
	return loss, append(before, dHead)
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
