package model

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers/attention"
)

// Compute says how a graph is computed; the zero value is the plainest.
type Compute struct {
	// Half multiplies matrices, and attends, in bfloat16; norms, the residual stream and the loss stay float32.
	Half bool `json:"half,omitempty"`
}

// Logits builds the forward pass: params as the layout lists them, float32 or bfloat16, tokens int32 [batch, seq] with seq ≤ SeqLen;
// the result is float32 [batch, seq, vocab]. Like all graph code it panics on wrong shapes; graph.Exec recovers.
func Logits(c Config, how Compute, params []*graph.Node, tokens *graph.Node) *graph.Node {
	b, s := tokens.Shape().Dim(0), tokens.Shape().Dim(1)
	return graph.Reshape(Head(c, how, params, Hidden(c, how, params, tokens)), b, s, c.Vocab)
}

// Hidden builds the forward pass up to the last decoder block, before the final norm: float32 [batch·seq, dim].
func Hidden(c Config, how Compute, params []*graph.Node, tokens *graph.Node) *graph.Node {
	if want := len(c.Layout()); len(params) != want {
		panic(fmt.Errorf("model: %d parameter nodes, want %d", len(params), want))
	}
	x, b := Embed(params[0], tokens), tokens.Shape().Dim(0)
	for i := range c.Layers {
		x = Block(c, how, c.block(params, i), x, b)
	}
	return x
}

// block are the parameters of block i.
func (c Config) block(params []*graph.Node, i int) []*graph.Node {
	from, to := c.Block(i)
	return params[from:to]
}

// Embed looks tokens [batch, seq] up: float32 [batch·seq, dim]. Matrices are kept two-dimensional: both backends multiply those fastest.
func Embed(embedding, tokens *graph.Node) *graph.Node {
	return widened(graph.Gather(embedding, graph.Reshape(tokens, -1, 1)))
}

// Block builds a decoder block, whose tensors are params in the layout's order: x and the result float32 [b·seq, dim].
func Block(c Config, how Compute, params []*graph.Node, x *graph.Node, b int) *graph.Node {
	s := x.Shape().Dim(0) / b
	cos, sin := c.rotary(x.Graph(), s)
	linear := how.linear

	h := how.narrow(rmsNorm(x, params[inputNorm], c.NormEps))
	q := graph.Reshape(linear(h, params[queryWeight]), b, s, c.Heads, c.HeadDim)
	k := graph.Reshape(linear(h, params[keyWeight]), b, s, c.KVHeads, c.HeadDim)
	v := graph.Reshape(linear(h, params[valueWeight]), b, s, c.KVHeads, c.HeadDim)
	a := how.attend(rotate(q, cos, sin), rotate(k, cos, sin), v)
	x = graph.Add(x, widened(linear(graph.Reshape(a, b*s, c.Heads*c.HeadDim), params[outWeight])))

	h = how.narrow(rmsNorm(x, params[postNorm], c.NormEps))
	gate := linear(h, params[gateWeight])
	h = graph.Mul(graph.Mul(gate, graph.Sigmoid(gate)), linear(h, params[upWeight]))
	return graph.Add(x, widened(linear(h, params[downWeight])))
}

// Head applies the final norm and the output projection to hidden states [n, dim]: float32 [n, vocab].
func Head(c Config, how Compute, params []*graph.Node, hidden *graph.Node) *graph.Node {
	norm, head := c.Outside()
	return widened(how.linear(how.narrow(rmsNorm(hidden, params[norm], c.NormEps)), params[head]))
}

// TokenLosses is each position's cross-entropy in nats: logits float32 [.., vocab], targets int32 [..]; float32 [..].
// The softmax is shifted by the row's maximum, so it does not overflow.
func TokenLosses(logits, targets *graph.Node) *graph.Node {
	vocab := logits.Shape().Dim(-1)
	shift := graph.StopGradient(graph.ReduceAndKeep(logits, graph.ReduceMax, -1))
	logits = graph.Sub(logits, shift)
	chosen := graph.Mul(logits, graph.OneHot(targets, vocab, logits.DType()))
	return graph.Sub(graph.Log(graph.ReduceSum(graph.Exp(logits), -1)), graph.ReduceSum(chosen, -1))
}

// Loss is the mean of TokenLosses: a float32 scalar.
func Loss(logits, targets *graph.Node) *graph.Node {
	return graph.ReduceAllMean(TokenLosses(logits, targets))
}

// linear is x·wᵀ: x [n, in], w [out, in] as Hugging Face stores it.
func (how Compute) linear(x, w *graph.Node) *graph.Node {
	return graph.Dot(x, how.matrix(w)).General([]int{1}, nil, []int{1}, nil)
}

// attend is causal attention, scores scaled by 1/sqrt(HeadDim), Core's default: q, k, v [batch, seq, heads, HeadDim].
func (how Compute) attend(q, k, v *graph.Node) *graph.Node {
	if how.Half { // graphics cards have kernels for this, which must be told that the mask is causal
		a, _ := attention.Core(q, k, v, attention.LayoutBSHD, attention.CoreOptions{UseCausalMask: true})
		return a
	}
	// Scores [batch, heads, seq, seq] are as their products leave them, and a mask that is added costs one pass where
	// Core's own causal one costs four: XLA's step for the CPU is a tenth faster so.
	g, s := q.Graph(), q.Shape().Dim(1)
	mask := graph.Where(graph.LowerTriangular(g, s), graph.ScalarZero(g, q.DType()), graph.Infinity(g, q.DType(), -1))
	swap := func(x *graph.Node) *graph.Node { return graph.TransposeAllAxes(x, 0, 2, 1, 3) }
	a, _ := attention.Core(swap(q), swap(k), swap(v), attention.LayoutBHSD,
		attention.CoreOptions{AttentionMask: graph.Reshape(mask, 1, 1, s, s)})
	return swap(a)
}

// narrow is x as matrices are multiplied.
func (how Compute) narrow(x *graph.Node) *graph.Node {
	if how.Half {
		return graph.ConvertDType(x, dtypes.BFloat16)
	}
	return x
}

// matrix is a parameter as matrices are multiplied.
func (how Compute) matrix(w *graph.Node) *graph.Node {
	if how.Half {
		return how.narrow(w)
	}
	return widened(w)
}

// widened is x as sums are made.
func widened(x *graph.Node) *graph.Node {
	if x.DType() != dtypes.Float32 {
		return graph.ConvertDType(x, dtypes.Float32)
	}
	return x
}

// rmsNorm scales each row of x [n, dim] to a root mean square of 1, then by w [dim] (Zhang, Sennrich 2019).
// It divides by a square root because GoMLX has no gradient for Rsqrt.
func rmsNorm(x, w *graph.Node, eps float64) *graph.Node {
	square := graph.ReduceAndKeep(graph.Square(x), graph.ReduceMean, -1)
	x = graph.Div(x, graph.Sqrt(graph.AddScalar(square, eps)))
	return graph.Mul(x, graph.Reshape(widened(w), 1, w.Shape().Dim(0)))
}

// rotary gives the tables of the rotary positions (Su et al. 2021): cosines and sines of position times frequency,
// float32 [1, seq, 1, HeadDim/2]. Angles are rounded to float32 as Hugging Face does, or long positions would differ.
func (c Config) rotary(g *graph.Graph, seq int) (cos, sin *graph.Node) {
	half := c.HeadDim / 2
	cosines, sines := make([]float32, seq*half), make([]float32, seq*half)
	for i, freq := range c.frequencies() {
		for p := range seq {
			sine, cosine := math.Sincos(float64(float32(p) * freq))
			cosines[p*half+i], sines[p*half+i] = float32(cosine), float32(sine)
		}
	}
	return graph.ConstTensor(g, tensors.FromFlatDataAndDimensions(cosines, 1, seq, 1, half)),
		graph.ConstTensor(g, tensors.FromFlatDataAndDimensions(sines, 1, seq, 1, half))
}

// rotate turns x [batch, seq, heads, HeadDim] by its positions. Element i of a head pairs with element i+HeadDim/2
// (Hugging Face's "rotate half"), not with its neighbour.
func rotate(x, cos, sin *graph.Node) *graph.Node {
	halves := graph.Split(widened(x), -1, 2)
	lo, hi := halves[0], halves[1]
	turned := graph.Concatenate([]*graph.Node{
		graph.Sub(graph.Mul(lo, cos), graph.Mul(hi, sin)),
		graph.Add(graph.Mul(hi, cos), graph.Mul(lo, sin)),
	}, -1)
	if x.DType() != dtypes.Float32 {
		return graph.ConvertDType(turned, x.DType())
	}
	return turned
}
