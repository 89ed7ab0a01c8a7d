package model

import (
	"cmp"
	"maps"
	"slices"
)

// Llama is the family of configurations that name none.
const Llama = "llama"

// family are the flags in which decoder families differ whatever a model's size. The zero value is no family: each names its norms.
type family struct {
	norms       norms
	headNorms   bool // q and k go through an RMSNorm of each head, before they are turned
	widthNorms  bool // q and k go through an RMSNorm over all their heads
	onePlus     bool // norms multiply by 1 + w, where others do by w
	gelu        bool // the gate goes through GELU, by tanh, where others have SiLU
	interleaved bool // rotary positions turn neighbours, where others turn an element of a head's first half with one of its second
	fusedQKV    bool // one matrix has the rows of q, k and v
	fusedGateUp bool // one matrix has the rows of gate and up
	noOutBias   bool // attention_bias is of q, k and v alone
}

// norms are the names of a block's RMSNorms, "" for one that it lacks.
type norms struct{ beforeAttention, afterAttention, beforeFFN, afterFFN string }

// Norms by their places: before attention and feed-forward layer; there and after both; after both alone.
var (
	preNorms      = norms{beforeAttention: "input_layernorm", beforeFFN: "post_attention_layernorm"}
	sandwichNorms = norms{"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"}
	glmNorms      = norms{"input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm"}
	postNorms     = norms{afterAttention: "post_attention_layernorm", afterFFN: "post_feedforward_layernorm"}
)

// families by Hugging Face's model_type, as transformers 5.24 computes them.
var families = map[string]family{
	"":            {norms: preNorms},
	Llama:         {norms: preNorms},
	"mistral":     {norms: preNorms},
	"smollm3":     {norms: preNorms},
	"granite":     {norms: preNorms},
	"qwen2":       {norms: preNorms, noOutBias: true},
	"qwen3":       {norms: preNorms, headNorms: true},
	"phi3":        {norms: preNorms, fusedQKV: true, fusedGateUp: true},
	"olmo2":       {norms: postNorms, widthNorms: true},
	"olmo3":       {norms: postNorms, widthNorms: true},
	"glm4":        {norms: glmNorms, interleaved: true, fusedGateUp: true, noOutBias: true},
	"gemma2":      {norms: sandwichNorms, onePlus: true, gelu: true},
	"gemma3_text": {norms: sandwichNorms, onePlus: true, gelu: true, headNorms: true},
}

// Families lists the families' names.
func Families() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(families)), func(name string) bool { return name == "" })
}

// FamilyName is the family's name.
func (c Config) FamilyName() string { return cmp.Or(c.Family, Llama) }

func (c Config) family() family { return families[c.Family] }
