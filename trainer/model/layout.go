package model

import "fmt"

// Tensor is one parameter tensor's place in the flat vector.
type Tensor struct {
	Name   string // as Hugging Face names it
	Block  int    // of the decoder's blocks, from 0; −1 for what is in none
	Shape  []int  // [out, in] for matrices, [n] for norms; row-major
	Offset int    // of its first element
	Size   int    // elements
}

// Decays reports whether weight decay applies by default: to matrices, not to the one-dimensional norm weights.
func (t Tensor) Decays() bool { return len(t.Shape) > 1 }

// Layout lists a model's tensors in flat order, without gaps.
type Layout []Tensor

// Params is the length of the flat vector.
func (l Layout) Params() int {
	if len(l) == 0 {
		return 0
	}
	last := l[len(l)-1]
	return last.Offset + last.Size
}

// Sizes lists the tensors' sizes in flat order.
func (l Layout) Sizes() []int {
	sizes := make([]int, len(l))
	for i, t := range l {
		sizes[i] = t.Size
	}
	return sizes
}

// role is what a tensor of a decoder block is for; behind a linear layer's weight comes its bias.
type role int

const (
	queryWeight role = iota
	queryBias
	keyWeight
	keyBias
	valueWeight
	valueBias
	qkvWeight // those of q, k and v, one behind the other
	qkvBias
	outWeight
	outBias
	queryNorm
	keyNorm
	gateWeight
	gateBias
	upWeight
	upBias
	gateUpWeight // those of gate and up
	gateUpBias
	downWeight
	downBias
	beforeAttention
	afterAttention
	beforeFFN
	afterFFN
	roles
)

// blockTensor is a tensor that each decoder block has.
type blockTensor struct {
	role  role
	name  string // behind that of the block
	shape []int
}

func (t blockTensor) size() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// blockTensors are the trained tensors of a decoder block, in the layout's order.
func (c Config) blockTensors() []blockTensor {
	if c.Adapter != nil {
		return c.adapterTensors(c.Adapter.Train == TrainBoth, true)
	}
	return c.baseTensors()
}

// baseTensors are those of a decoder block without its adapter.
func (c Config) baseTensors() (ts []blockTensor) {
	f, q, kv := c.family(), c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	add := func(r role, name string, shape ...int) { ts = append(ts, blockTensor{r, name, shape}) }
	linear := func(weight role, name string, out, in int, bias bool) {
		add(weight, name+".weight", out, in)
		if bias {
			add(weight+1, name+".bias", out)
		}
	}
	if f.fusedQKV {
		linear(qkvWeight, "self_attn.qkv_proj", q+2*kv, c.Dim, false)
	} else {
		linear(queryWeight, "self_attn.q_proj", q, c.Dim, c.AttentionBias)
		linear(keyWeight, "self_attn.k_proj", kv, c.Dim, c.AttentionBias)
		linear(valueWeight, "self_attn.v_proj", kv, c.Dim, c.AttentionBias)
	}
	linear(outWeight, "self_attn.o_proj", c.Dim, q, c.AttentionBias && !f.noOutBias)
	switch {
	case f.headNorms:
		add(queryNorm, "self_attn.q_norm.weight", c.HeadDim)
		add(keyNorm, "self_attn.k_norm.weight", c.HeadDim)
	case f.widthNorms:
		add(queryNorm, "self_attn.q_norm.weight", q)
		add(keyNorm, "self_attn.k_norm.weight", kv)
	}
	if f.fusedGateUp {
		linear(gateUpWeight, "mlp.gate_up_proj", 2*c.FFN, c.Dim, false)
	} else {
		linear(gateWeight, "mlp.gate_proj", c.FFN, c.Dim, c.FFNBias)
		linear(upWeight, "mlp.up_proj", c.FFN, c.Dim, c.FFNBias)
	}
	linear(downWeight, "mlp.down_proj", c.Dim, c.FFN, c.FFNBias)
	for i, name := range []string{f.norms.beforeAttention, f.norms.afterAttention, f.norms.beforeFFN, f.norms.afterFFN} {
		if name != "" {
			add(beforeAttention+role(i), name+".weight", c.Dim)
		}
	}
	return ts
}

// Layout is the order of the parameters: embedding, blocks, final norm, and the head if it is untied. Of a model with an adapter it is that of
// the adapter's, which alone are trained.
func (c Config) Layout() Layout {
	if c.Adapter != nil {
		return c.ofBlocks(c.blockTensors())
	}
	ts := c.baseTensors()
	l := append(make(Layout, 0, 3+c.Layers*len(ts)), Tensor{Name: "model.embed_tokens.weight", Block: -1, Shape: []int{c.Vocab, c.Dim}})
	l = append(c.appendBlocks(l, ts), Tensor{Name: "model.norm.weight", Block: -1, Shape: []int{c.Dim}})
	if !c.Tied {
		l = append(l, Tensor{Name: "lm_head.weight", Block: -1, Shape: []int{c.Vocab, c.Dim}})
	}
	return l.placed()
}

// ofBlocks lists tensors that each decoder block has.
func (c Config) ofBlocks(ts []blockTensor) Layout {
	return c.appendBlocks(make(Layout, 0, c.Layers*len(ts)), ts).placed()
}

func (c Config) appendBlocks(l Layout, ts []blockTensor) Layout {
	for i := range c.Layers {
		for _, t := range ts {
			l = append(l, Tensor{Name: blockName(i) + t.name, Block: i, Shape: t.shape})
		}
	}
	return l
}

func blockName(i int) string { return fmt.Sprintf("model.layers.%d.", i) }

// placed gives the tensors their sizes and offsets.
func (l Layout) placed() Layout {
	offset := 0
	for i := range l {
		l[i].Offset, l[i].Size = offset, blockTensor{shape: l[i].Shape}.size()
		offset += l[i].Size
	}
	return l
}

// Block gives the numbers of a decoder block's tensors in the layout, from and up to.
func (c Config) Block(i int) (from, to int) {
	n := len(c.blockTensors())
	if c.Adapter != nil {
		return i * n, (i + 1) * n
	}
	return 1 + i*n, 1 + (i+1)*n
}

// Outside gives the numbers of the final norm and of the output projection, which is the embedding where they are tied, in a layout without an adapter.
func (c Config) Outside() (norm, head int) {
	_, norm = c.Block(c.Layers - 1)
	if c.Tied {
		return norm, 0
	}
	return norm, norm + 1
}
