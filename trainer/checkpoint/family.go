package checkpoint

import (
	"fmt"
	"math"

	"github.com/murmurnet/murmur/trainer/model"
)

// family is how transformers 5.24 reads the config.json of a model_type.
type family struct {
	class    string // the architecture with a language model's head
	defaults string // JSON of what an absent key is taken for; null, where a file says it, stays null
	fixed    []fixed
	flags    func(*fields, *model.Config)
	rope     rope
}

// rope is in what families differ in how they tell positions.
type rope struct {
	partial     bool    // partial_rotary_factor is heeded
	byLayer     bool    // windowed layers have an object of their own
	windowTheta float64 // their base where the file does not say it
	windowKey   string  // what says it in the older spelling; "" for nothing
	longrope    bool    // no other stretching is known, and it has older names
}

// fixed is a key that the class computes by and package model does not, with its default, at which it changes nothing.
type fixed struct {
	key  string
	at   string // JSON
	also string // JSON of another spelling of it
}

var (
	noDropout = fixed{"attention_dropout", "0", ""}
	silu      = fixed{"hidden_act", `"silu"`, `"swish"`} // two names of one function
	gelu      = fixed{"hidden_activation", `"gelu_pytorch_tanh"`, ""}
	causal    = fixed{"use_bidirectional_attention", "false", ""}
)

// shared are the defaults of keys that all families have, where a family has no other.
const shared = `{"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": null,
	"head_dim": null, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "rope_theta": 10000, "pad_token_id": null}`

// families by model_type.
var families = map[string]family{
	model.Llama: {
		class:    "LlamaForCausalLM",
		defaults: `{"vocab_size": 32000}`,
		fixed:    []fixed{silu, noDropout},
		flags:    biases,
	},
	"mistral": {
		class: "MistralForCausalLM",
		defaults: `{"vocab_size": 32000, "intermediate_size": 14336, "num_key_value_heads": 8, "max_position_embeddings": 131072,
			"sliding_window": 4096}`,
		fixed: []fixed{silu, noDropout},
		flags: windowEverywhere,
	},
	"qwen2": {
		class: "Qwen2ForCausalLM",
		defaults: `{"vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32, "max_position_embeddings": 32768,
			"sliding_window": 4096, "max_window_layers": 28}`,
		fixed: []fixed{silu, noDropout},
		flags: func(f *fields, c *model.Config) {
			c.AttentionBias = true
			lastWindows(f, c)
		},
	},
	"qwen3": {
		class: "Qwen3ForCausalLM",
		defaults: `{"vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32, "head_dim": 128, "max_position_embeddings": 32768,
			"sliding_window": 4096, "max_window_layers": 28}`,
		fixed: []fixed{silu, noDropout},
		flags: func(f *fields, c *model.Config) {
			c.AttentionBias = f.flag("attention_bias")
			lastWindows(f, c)
		},
	},
	"smollm3": {
		class: "SmolLM3ForCausalLM",
		defaults: `{"vocab_size": 128256, "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 4,
			"max_position_embeddings": 32768, "tie_word_embeddings": true, "pad_token_id": 128004, "rope_theta": 2000000, "no_rope_layer_interval": 4}`,
		fixed: []fixed{silu, noDropout},
		flags: smollm3,
	},
	"granite": {
		class: "GraniteForCausalLM",
		defaults: `{"vocab_size": 32000, "embedding_multiplier": 1, "residual_multiplier": 1, "attention_multiplier": 1,
			"logits_scaling": 1}`,
		fixed: []fixed{silu, noDropout},
		flags: func(f *fields, c *model.Config) {
			biases(f, c)
			c.EmbeddingScale, c.ResidualScale = f.factor("embedding_multiplier"), f.factor("residual_multiplier")
			c.AttentionScale, c.LogitScale = f.factor("attention_multiplier"), 1/f.factor("logits_scaling")
		},
	},
	"phi3": {
		class: "Phi3ForCausalLM",
		defaults: `{"vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
			"original_max_position_embeddings": 4096, "pad_token_id": 32000, "partial_rotary_factor": 1}`,
		fixed: []fixed{silu, noDropout, {"resid_pdrop", "0", ""}, {"embd_pdrop", "0", ""}},
		flags: windowEverywhere,
		rope:  rope{partial: true, longrope: true},
	},
	"olmo2": {
		class:    "Olmo2ForCausalLM",
		defaults: `{"vocab_size": 50304, "rms_norm_eps": 1e-5, "pad_token_id": 1}`,
		fixed:    []fixed{silu, noDropout},
		flags:    func(f *fields, c *model.Config) { c.AttentionBias = f.flag("attention_bias") },
	},
	"olmo3": {
		class:    "Olmo3ForCausalLM",
		defaults: `{"vocab_size": 50304, "rms_norm_eps": 1e-5, "pad_token_id": 1, "sliding_window": 4096, "rope_theta": 500000}`,
		fixed:    []fixed{silu, noDropout},
		flags: func(f *fields, c *model.Config) {
			c.AttentionBias = f.flag("attention_bias")
			f.windows(c, func(i int) bool { return (i+1)%4 != 0 })
		},
		rope: rope{byLayer: true, windowTheta: 500000},
	},
	"glm4": {
		class: "Glm4ForCausalLM",
		defaults: `{"vocab_size": 151552, "intermediate_size": 13696, "num_hidden_layers": 40, "num_key_value_heads": 2, "head_dim": 128,
			"max_position_embeddings": 131072, "rms_norm_eps": 1.5625e-7, "pad_token_id": 151329, "attention_bias": true, "partial_rotary_factor": 0.5}`,
		fixed: []fixed{silu, noDropout},
		flags: func(f *fields, c *model.Config) { c.AttentionBias = f.flag("attention_bias") },
		rope:  rope{partial: true},
	},
	"gemma2": {
		class: "Gemma2ForCausalLM",
		defaults: `{"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
			"num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192, "tie_word_embeddings": true, "pad_token_id": 0,
			"query_pre_attn_scalar": 256, "sliding_window": 4096, "attn_logit_softcapping": 50, "final_logit_softcapping": 30}`,
		fixed: []fixed{gelu, noDropout, causal},
		flags: func(f *fields, c *model.Config) {
			gemma(f, c)
			c.AttentionCap = f.bound("attn_logit_softcapping")
			f.windows(c, func(i int) bool { return i%2 == 0 })
		},
	},
	"gemma3_text": {
		class: "Gemma3ForCausalLM",
		defaults: `{"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
			"num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072, "tie_word_embeddings": true, "pad_token_id": 0,
			"query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6, "rope_theta": 1000000}`,
		fixed: []fixed{gelu, noDropout, causal},
		flags: func(f *fields, c *model.Config) {
			gemma(f, c)
			every := f.every("sliding_window_pattern")
			f.windows(c, func(i int) bool { return (i+1)%every != 0 })
		},
		rope: rope{byLayer: true, windowTheta: 10000, windowKey: "rope_local_base_freq"},
	},
}

func biases(f *fields, c *model.Config) {
	c.AttentionBias, c.FFNBias = f.flag("attention_bias"), f.flag("mlp_bias")
}

// windowEverywhere reads the window of families whose blocks all have it, or none.
func windowEverywhere(f *fields, c *model.Config) {
	windowed := f.has("sliding_window")
	f.windows(c, func(int) bool { return windowed })
	for i := range c.Layers {
		if f.err == nil && c.Windowed.Has(i) != windowed { // transformers takes such a mistral for a ministral, and passes over them in a phi3
			f.keep(fmt.Errorf("layer_types of a %s are not supported, but where they are all alike and as sliding_window says", c.Family))
		}
	}
}

// lastWindows reads the windows of qwen2 and qwen3.
func lastWindows(f *fields, c *model.Config) {
	used, first := f.flag("use_sliding_window"), f.whole("max_window_layers", 0)
	if !used {
		f.forget("sliding_window")
	}
	windowed := f.has("sliding_window")
	f.windows(c, func(i int) bool { return windowed && i >= first })
}

func smollm3(f *fields, c *model.Config) {
	biases(f, c)
	turned, every := f.ints("no_rope_layers"), 1
	if turned == nil {
		every = f.every("no_rope_layer_interval")
	}
	f.seen["no_rope_layer_interval"] = true
	if turned != nil && len(turned) != c.Layers {
		f.keep(fmt.Errorf("no_rope_layers has %d entries for %d layers", len(turned), c.Layers))
		return
	}
	still := make([]bool, c.Layers)
	for i := range still {
		still[i] = (i+1)%every == 0
		if turned != nil {
			still[i] = turned[i] == 0 // 1 turns, in spite of the key's name
		}
	}
	c.Unrotated = model.PatternOf(still)
	if !f.flag("use_sliding_window") {
		f.forget("sliding_window")
	}
	windowed := f.has("sliding_window")
	f.windows(c, func(i int) bool { return windowed && still[i] })
}

// gemma reads what both Gemmas have.
func gemma(f *fields, c *model.Config) {
	c.AttentionBias = f.flag("attention_bias")
	c.AttentionScale = 1 / math.Sqrt(f.factor("query_pre_attn_scalar"))
	c.EmbeddingScale = math.Sqrt(float64(c.Dim))
	c.LogitCap = f.bound("final_logit_softcapping")
}

// bound reads a number above 0, where null says that there is none.
func (f *fields) bound(key string) float64 {
	if !f.has(key) {
		return 0
	}
	return f.factor(key)
}

// windows reads sliding_window, and which blocks have it: layer_types says, or the family's own rule.
func (f *fields) windows(c *model.Config, rule func(block int) bool) {
	var types []string
	named := f.read("layer_types", &types, "a list of names")
	if named && len(types) != c.Layers {
		f.keep(fmt.Errorf("layer_types has %d entries for %d layers", len(types), c.Layers))
		return
	}
	windowed := make([]bool, c.Layers)
	for i := range windowed {
		if windowed[i] = rule(i); named {
			windowed[i] = types[i] == sliding
			if types[i] != sliding && types[i] != full {
				f.keep(fmt.Errorf("layer type %q is not supported, want %s or %s", types[i], full, sliding))
			}
		}
	}
	if c.Windowed = model.PatternOf(windowed); c.Windowed == "" {
		return
	}
	if c.Window = f.whole("sliding_window", 0); c.Window < 1 {
		f.keep(fmt.Errorf("layers have a window, and sliding_window is %d", c.Window))
	}
}

// wrappers are the model_types whose text_config is a language model that nothing else is done to, with what it is called in them.
var wrappers = []string{"gemma3", "mistral3", "llava", "llava_next", "internvl"}

// foreign says what decoders are that package model does not have.
var foreign = []struct{ part, what string }{
	{"moe", "a mixture of experts"},
	{"mixtral", "a mixture of experts"},
	{"deepseek", "a mixture of experts"},
	{"llama4", "a mixture of experts"},
	{"gpt_oss", "a mixture of experts with attention sinks"},
	{"minimax", "a mixture of experts"},
	{"kimi", "a mixture of experts"},
	{"qwen3_next", "a model with linear attention"},
	{"qwen3_5", "a model with linear attention"},
	{"lfm2", "a model with convolutions"},
	{"mamba", "a state space model"},
	{"jamba", "a state space model"},
	{"rwkv", "a recurrent model"},
	{"hybrid", "a model with linear attention"},
}

// experts are keys by which a config.json of any type is a mixture of experts.
var experts = []string{"num_experts", "num_local_experts", "n_routed_experts"}

// ties tells whether the head is the embedding where a file does not say it.
func (fam family) ties() bool {
	f, err := parse([]byte(fam.defaults))
	return err == nil && f.flag("tie_word_embeddings")
}

// every reads how many layers a pattern has.
func (f *fields) every(key string) int {
	n := f.whole(key, 1)
	if n < 1 {
		f.keep(fmt.Errorf("%s is %d, want 1 at least", key, n))
	}
	return max(n, 1)
}
