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

// Tensors of one decoder block, in the layout's order (that of Hugging Face's state dict).
const (
	queryWeight = iota
	keyWeight
	valueWeight
	outWeight
	gateWeight
	upWeight
	downWeight
	inputNorm
	postNorm
	tensorsPerLayer
)

// Layout is the order of the parameters: embedding, blocks, final norm, and the head if it is untied.
func (c Config) Layout() Layout {
	l := make(Layout, 0, 3+c.Layers*tensorsPerLayer)
	offset, block := 0, -1
	add := func(name string, shape ...int) {
		size := 1
		for _, d := range shape {
			size *= d
		}
		l = append(l, Tensor{Name: name, Block: block, Shape: shape, Offset: offset, Size: size})
		offset += size
	}
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	add("model.embed_tokens.weight", c.Vocab, c.Dim)
	for i := range c.Layers {
		block = i
		p := fmt.Sprintf("model.layers.%d.", i)
		add(p+"self_attn.q_proj.weight", q, c.Dim)
		add(p+"self_attn.k_proj.weight", kv, c.Dim)
		add(p+"self_attn.v_proj.weight", kv, c.Dim)
		add(p+"self_attn.o_proj.weight", c.Dim, q)
		add(p+"mlp.gate_proj.weight", c.FFN, c.Dim)
		add(p+"mlp.up_proj.weight", c.FFN, c.Dim)
		add(p+"mlp.down_proj.weight", c.Dim, c.FFN)
		add(p+"input_layernorm.weight", c.Dim)
		add(p+"post_attention_layernorm.weight", c.Dim)
	}
	block = -1
	add("model.norm.weight", c.Dim)
	if !c.Tied {
		add("lm_head.weight", c.Vocab, c.Dim)
	}
	return l
}

// Block gives the numbers of a decoder block's tensors in the layout, from and up to.
func (c Config) Block(i int) (from, to int) {
	return 1 + i*tensorsPerLayer, 1 + (i+1)*tensorsPerLayer
}

// Outside gives the numbers of the final norm and of the output projection, which is the embedding where they are tied.
func (c Config) Outside() (norm, head int) {
	_, norm = c.Block(c.Layers - 1)
	if c.Tied {
		return norm, 0
	}
	return norm, norm + 1
}
