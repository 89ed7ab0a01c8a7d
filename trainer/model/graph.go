package model

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/layers/attention"
	"github.com/gomlx/gomlx/ml/nn"
)

// Compute says how a graph is computed; the zero value is the plainest.
type Compute struct {
	// Half multiplies matrices, and attends, in bfloat16; norms, the residual stream and the loss stay float32.
	Half bool `json:"half,omitempty"`
}

// Logits builds the forward pass of a model without an adapter: params as the layout lists them, float32 or bfloat16, tokens int32 [batch, seq]
// with seq ≤ SeqLen; the result is float32 [batch, seq, vocab]. Like all graph code it panics on wrong shapes; graph.Exec recovers.
func Logits(c Config, how Compute, params []*graph.Node, tokens *graph.Node) *graph.Node {
	b, s := tokens.Shape().Dim(0), tokens.Shape().Dim(1)
	if want := len(c.Layout()); len(params) != want {
		panic(fmt.Errorf("model: %d parameter nodes, want %d", len(params), want))
	}
	norm, head := c.Outside()
	hidden := throughBlocks(c, how, params, Embed(c, params[0], tokens), b)
	return graph.Reshape(Head(c, how, params[norm], params[head], hidden), b, s, c.Vocab)
}

// throughBlocks sends what was looked up, of b samples, through all blocks.
func throughBlocks(c Config, how Compute, params []*graph.Node, x *graph.Node, b int) *graph.Node {
	for i := range c.Layers {
		from, to := c.Block(i)
		x = Block(c, how, c.Kind(i), params[from:to], nil, x, b)
	}
	return x
}

// Embed looks tokens [batch, seq] up: float32 [batch·seq, dim]. Matrices are kept two-dimensional: both backends multiply those fastest.
func Embed(c Config, embedding, tokens *graph.Node) *graph.Node {
	return scaled(widened(graph.Gather(embedding, graph.Reshape(tokens, -1, 1))), c.EmbeddingScale)
}

// Kind is in what decoder blocks of one model differ.
type Kind struct{ Windowed, Unrotated bool }

// Kind of block i.
func (c Config) Kind(i int) Kind { return Kind{c.Windowed.Has(i), c.Unrotated.Has(i)} }

// block are a decoder block's tensors by their roles, nil for those that it lacks: those of the model, and A and B of its adapter.
type block struct {
	base, a, b [roles]*graph.Node
	scale      float64
}

func (c Config) block(params, frozen []*graph.Node) (w block) {
	ts := c.baseTensors()
	if c.Adapter == nil {
		for i, t := range ts {
			w.base[t.role] = params[i]
		}
		return w
	}
	for _, t := range ts {
		w.base[t.role], frozen = c.form(t.shape, true).unpack(t.shape, frozen)
	}
	w.scale = c.Adapter.Scale()
	drawn := &frozen // what is left of it, where A is not trained
	if c.Adapter.Train == TrainBoth {
		drawn = &params
	}
	next := func(nodes *[]*graph.Node) (n *graph.Node) {
		n, *nodes = (*nodes)[0], (*nodes)[1:]
		return n
	}
	for _, t := range c.adapterTensors(true, false) {
		w.a[t.role] = next(drawn)
		w.b[t.role] = next(&params)
	}
	return w
}

// linear is what a linear layer makes of x [n, in]: x·Wᵀ, with what its bias and its adapter add.
func (w block) linear(how Compute, x *graph.Node, weight role) *graph.Node {
	y := how.linear(x, w.base[weight])
	if bias := w.base[weight+1]; bias != nil {
		y = graph.Add(y, graph.Reshape(how.matrix(bias), 1, bias.Shape().Dim(0)))
	}
	if w.b[weight] != nil {
		y = graph.Add(y, scaled(how.linear(how.linear(x, w.a[weight]), w.b[weight]), w.scale))
	}
	return y
}

// Block builds a decoder block, whose tensors are params in the layout's order, and those that an adapter's training leaves as they are, as Freeze
// uploads them: x and the result float32 [b·seq, dim].
func Block(c Config, how Compute, kind Kind, params, frozen []*graph.Node, x *graph.Node, b int) *graph.Node {
	w, f := c.block(params, frozen), c.family()
	norm := func(x, weight *graph.Node) *graph.Node {
		if weight == nil {
			return x
		}
		return c.norm(x, weight)
	}
	add := func(y, after *graph.Node) { x = graph.Add(x, scaled(norm(widened(y), after), c.ResidualScale)) }
	add(attend(c, how, kind, w, how.narrow(norm(x, w.base[beforeAttention])), b), w.base[afterAttention])

	h := how.narrow(norm(x, w.base[beforeFFN]))
	var gate, up *graph.Node
	if f.fusedGateUp {
		parts := columns(w.linear(how, h, gateUpWeight), c.FFN, c.FFN)
		gate, up = parts[0], parts[1]
	} else {
		gate, up = w.linear(how, h, gateWeight), w.linear(how, h, upWeight)
	}
	if f.gelu {
		gate = activation.GeluApproximate(gate)
	} else {
		gate = graph.Mul(gate, graph.Sigmoid(gate))
	}
	add(w.linear(how, graph.Mul(gate, up), downWeight), w.base[afterFFN])
	return x
}

// attend builds a block's attention, of normed x [b·seq, dim]: [b·seq, dim].
func attend(c Config, how Compute, kind Kind, w block, x *graph.Node, b int) *graph.Node {
	f, s := c.family(), x.Shape().Dim(0)/b
	wide, narrow := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	var q, k, v *graph.Node
	if f.fusedQKV {
		parts := columns(w.linear(how, x, qkvWeight), wide, narrow, narrow)
		q, k, v = parts[0], parts[1], parts[2]
	} else {
		q, k, v = w.linear(how, x, queryWeight), w.linear(how, x, keyWeight), w.linear(how, x, valueWeight)
	}
	if f.widthNorms {
		q, k = c.normAs(q, w.base[queryNorm]), c.normAs(k, w.base[keyNorm])
	}
	q, k, v = graph.Reshape(q, b, s, c.Heads, c.HeadDim), graph.Reshape(k, b, s, c.KVHeads, c.HeadDim), graph.Reshape(v, b, s, c.KVHeads, c.HeadDim)
	if f.headNorms {
		q, k = c.normAs(q, w.base[queryNorm]), c.normAs(k, w.base[keyNorm])
	}
	if !kind.Unrotated {
		r := c.rotary(x.Graph(), kind.Windowed, s)
		q, k = r.turn(q), r.turn(k)
	}
	window := s
	if kind.Windowed {
		window = min(c.Window, s)
	}
	a := how.scores(c, q, k, v, window)
	return w.linear(how, graph.Reshape(a, b*s, wide), outWeight)
}

// Head applies the final norm and the output projection to hidden states [n, dim]: float32 [n, vocab].
func Head(c Config, how Compute, norm, head, hidden *graph.Node) *graph.Node {
	return c.bend(widened(how.linear(how.narrow(c.norm(hidden, norm)), head)))
}

// bend makes logits of what the head gives.
func (c Config) bend(x *graph.Node) *graph.Node {
	x = scaled(x, c.LogitScale)
	if c.LogitCap > 0 {
		x = nn.SoftCap(x, c.LogitCap)
	}
	return x
}

// unbend is the gradient for what the head gives, of d, that for the logits z.
func (c Config) unbend(d, z *graph.Node) *graph.Node {
	if c.LogitCap > 0 {
		d = graph.Mul(d, graph.OneMinus(graph.Square(graph.DivScalar(z, c.LogitCap))))
	}
	return scaled(d, c.LogitScale)
}

// scaled is x times a factor, where 0 stands for 1.
func scaled(x *graph.Node, factor float64) *graph.Node {
	if factor == 0 || factor == 1 {
		return x
	}
	return graph.MulScalar(x, factor)
}

// columns cuts x [n, sum of widths] apart.
func columns(x *graph.Node, widths ...int) (parts []*graph.Node) {
	at := 0
	for _, w := range widths {
		parts = append(parts, graph.Slice(x, graph.AxisRange(), graph.AxisRange(at, at+w)))
		at += w
	}
	return parts
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

// scores is causal attention over the last window tokens: q, k, v [batch, seq, heads, HeadDim].
func (how Compute) scores(c Config, q, k, v *graph.Node, window int) *graph.Node {
	g, s := q.Graph(), q.Shape().Dim(1)
	options := attention.CoreOptions{Scale: c.AttentionScale, ScoreSoftCap: c.AttentionCap}
	if how.Half && window >= s { // graphics cards have kernels for this, which must be told that the mask is causal
		options.UseCausalMask = true
		a, _ := attention.Core(q, k, v, attention.LayoutBSHD, options)
		return a
	}
	// Scores [batch, heads, seq, seq] are as their products leave them, and a mask that is added costs one pass where
	// Core's own causal one costs four: XLA's step for the CPU is a tenth faster so.
	seen := graph.LowerTriangular(g, s)
	if window < s {
		seen = graph.LogicalAnd(seen, graph.LogicalNot(graph.ShapedLowerTriangular(g, s, s, -window)))
	}
	mask := graph.Where(seen, graph.ScalarZero(g, q.DType()), graph.Infinity(g, q.DType(), -1))
	options.AttentionMask = graph.Reshape(mask, 1, 1, s, s)
	swap := func(x *graph.Node) *graph.Node { return graph.TransposeAllAxes(x, 0, 2, 1, 3) }
	a, _ := attention.Core(swap(q), swap(k), swap(v), attention.LayoutBHSD, options)
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

// norm scales each row of x [.., dim] to a root mean square of 1, then by w [dim] or 1 + w (Zhang, Sennrich 2019).
// It divides by a square root because GoMLX has no gradient for Rsqrt.
func (c Config) norm(x, w *graph.Node) *graph.Node {
	square := graph.ReduceAndKeep(graph.Square(x), graph.ReduceMean, -1)
	x = graph.Div(x, graph.Sqrt(graph.AddScalar(square, c.NormEps)))
	if w = widened(w); c.family().onePlus {
		w = graph.OnePlus(w)
	}
	return graph.Mul(x, graph.ExpandLeftToRank(w, x.Rank()))
}

// normAs is norm in float32, with x's type.
func (c Config) normAs(x, w *graph.Node) *graph.Node {
	return graph.ConvertDType(c.norm(widened(x), w), x.DType())
}
