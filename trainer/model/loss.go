package model

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

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
	inputs, targets := Sides(tokens)
	norm, head := c.Outside()
	first := Embed(c, params[0], inputs)
	x := throughBlocks(c, how, params, first, inputs.Shape().Dim(0))
	loss, dx, dNorm, dHead := tail(c, how, params[norm], params[head], x, targets, rows)
	grads = pull(x, dx, append([]*graph.Node{first}, params[1:norm]...)...)
	grads = append(grads, dNorm)
	// The embedding's is summed where the head's is, for a tied one is both: it may be the largest tensor, and is not held twice.
	sums := dHead
	if !c.Tied {
		sums = graph.ZerosLike(params[0])
		grads = append(grads, dHead)
	}
	grads[0] = EmbedGradient(c, sums, inputs, grads[0])
	return loss, grads
}

// Sides are the tokens [b, seq] that go in, of samples [b, seq+1], and those that are to come out, [b·seq].
func Sides(tokens *graph.Node) (inputs, targets *graph.Node) {
	seq := tokens.Shape().Dim(1) - 1
	return graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, seq)),
		graph.Reshape(graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, seq+1)), -1)
}

// pull is the gradient of y·dy, where dy stands still: by the chain rule, that of all that y goes into, whose gradient for y is dy.
func pull(y, dy *graph.Node, of ...*graph.Node) []*graph.Node {
	return graph.Gradient(graph.ReduceAllSum(graph.Mul(y, graph.StopGradient(dy))), of...)
}

// BlockGradients builds the gradients of a Block for x and its parameters, from dy, that for its result.
func BlockGradients(c Config, how Compute, kind Kind, params, frozen []*graph.Node, x, dy *graph.Node, b int) (dx *graph.Node, grads []*graph.Node) {
	grads = pull(Block(c, how, kind, params, frozen, x, b), dy, append([]*graph.Node{x}, params...)...)
	return grads[0], grads[1:]
}

// Tail builds what lies behind the last block: the mean cross-entropy in nats of its result x for targets int32 [b·seq], and its gradients
// for x, the final norm and the head. Logits never exist whole; see Gradients.
func Tail(c Config, how Compute, norm, head, x, targets *graph.Node) (loss, dx, dNorm, dHead *graph.Node) {
	return tail(c, how, norm, head, x, targets, max(1, MaxLogits/c.Vocab))
}

func tail(c Config, how Compute, norm, head, x, targets *graph.Node, rows int) (loss, dx, dNorm, dHead *graph.Node) {
	normed := c.norm(x, norm)
	loss, d, dHead := crossEntropy(c, how, normed, head, targets, rows)
	ds := pull(normed, d, x, norm)
	return loss, ds[0], ds[1], dHead
}

// EmbedGradient adds the gradient for what was looked up, dx float32 [b·seq, dim], to that of the embedding. As with PyTorch's padding_idx the
// padding token's row has none from here.
func EmbedGradient(c Config, sums, tokens, dx *graph.Node) *graph.Node {
	dx, rows := scaled(dx, c.EmbeddingScale), graph.Reshape(tokens, -1, 1)
	if c.Padding > 0 {
		padding := graph.Equal(rows, graph.Scalar(tokens.Graph(), tokens.DType(), float64(c.Padding-1)))
		dx = graph.Where(graph.BroadcastToShape(padding, shapes.Make(dtypes.Bool, dx.Shape().Dimensions...)), graph.ZerosLike(dx), dx)
	}
	return graph.ScatterSum(sums, rows, graph.ConvertDType(dx, sums.DType()), false, false)
}

// crossEntropy builds the mean cross-entropy of the logits of x·headᵀ, x float32 [n, dim], head [vocab, dim], for targets int32 [n], and its gradients
// for x and head. So many rows of x are taken at a time.
func crossEntropy(c Config, how Compute, x, head, targets *graph.Node, rows int) (loss, dx, dHead *graph.Node) {
	n, vocab := x.Shape().Dim(0), head.Shape().Dim(0)
	narrow := how.matrix(head)
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
		given := c.bend(widened(graph.Dot(part, narrow).General([]int{1}, nil, []int{1}, nil)))
		logits := graph.Sub(given, graph.ReduceAndKeep(given, graph.ReduceMax, -1))
		exps := graph.Exp(logits)
		mass := graph.ReduceAndKeep(exps, graph.ReduceSum, -1)
		chosen := graph.OneHot(graph.Slice(targets, these), vocab, logits.DType())
		loss = sum(loss, graph.Sub(graph.ReduceAllSum(graph.Log(mass)), graph.ReduceAllSum(graph.Mul(logits, chosen))))
		d := how.narrow(c.unbend(graph.MulScalar(graph.Sub(graph.Div(exps, mass), chosen), 1/float64(n)), given))
		dxs = append(dxs, widened(graph.Dot(d, narrow).General([]int{1}, nil, []int{0}, nil)))
		dHead = sum(dHead, widened(graph.Dot(d, part).General([]int{0}, nil, []int{0}, nil)))
	}
	return graph.MulScalar(loss, 1/float64(n)), graph.Concatenate(dxs, 0), graph.ConvertDType(dHead, head.DType())
}
