package checkpoint

import (
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/model"
)

func TestDescribe(t *testing.T) {
	raw, err := os.ReadFile("testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	want := model.Config{
		Vocab: 256, Dim: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 160, SeqLen: 64,
		RopeTheta: 10000, NormEps: 1e-5,
	}
	const rope = `"rope_parameters": {
    "rope_theta": 10000.0,
    "rope_type": "default"
  }`
	const llama3 = `"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192`
	scaled := func(c *model.Config) {
		c.RopeScaling = model.RopeScaling{Type: model.RopeLlama3, Factor: 32, Low: 1, High: 4, Original: 8192}
	}
	for _, test := range []struct {
		name, old, new string
		change         func(*model.Config)
		err            string // part of the refusal
	}{
		{name: "transformers 5"},
		{name: "theta at the top", old: rope, new: `"rope_theta": 10000.0, "rope_scaling": null`},
		{name: "another theta", old: rope, new: `"rope_theta": 5e5`, change: func(c *model.Config) { c.RopeTheta = 5e5 }},
		{name: "both agree", old: rope, new: rope + `, "rope_theta": 1e4`},
		{name: "both differ", old: rope, new: rope + `, "rope_theta": 5e5`}, // transformers 5.24 takes the inner one
		{name: "no theta", old: rope, new: `"x": 0`},
		{name: "no head_dim", old: `"head_dim": 16,`},
		{name: "no kv heads", old: `"num_key_value_heads": 2,`, change: func(c *model.Config) { c.KVHeads = 4 }},
		{name: "tied", old: `"tie_word_embeddings": false`, new: `"tie_word_embeddings": true`, change: func(c *model.Config) { c.Tied = true }},
		{name: "scaled", old: `"rope_type": "default"`, new: llama3, change: scaled},
		{name: "scaled, old spelling", old: rope, new: `"rope_theta": 10000.0, "rope_scaling": {` + llama3 + `}`, change: scaled},
		{name: "scaled in both", old: rope, new: rope[:len(rope)-1] + `, ` + llama3 + `}, "rope_scaling": {` + llama3 + `}`, change: scaled},
		{name: "scaled otherwise in both", old: rope, new: rope[:len(rope)-1] + `, ` + llama3 + `}, "rope_scaling": {` + strings.Replace(llama3, "8192", "4096", 1) + `}`, change: func(c *model.Config) { scaled(c); c.RopeScaling.Original = 4096 }},
		{name: "scaled without the original length", old: `"rope_type": "default"`, new: strings.Replace(llama3, `, "original_max_position_embeddings": 8192`, "", 1), change: func(c *model.Config) { scaled(c); c.RopeScaling.Original = 64 }},
		{name: "stretched by 1", old: `"rope_type": "default"`, new: `"rope_type": "linear", "factor": 1.0`},
		{name: "whole numbers as others", old: `"hidden_size": 64`, new: `"hidden_size": 64.0`},
		{name: "no whole number", old: `"hidden_size": 64`, new: `"hidden_size": 64.5`, err: "hidden_size is 64.5, want a whole number"},
		{name: "no number", old: `"hidden_size": 64`, new: `"hidden_size": "64"`, err: `hidden_size is "64", want a number`},
		{name: "swish", old: `"silu"`, new: `"swish"`},
		{name: "no positions", old: `"max_position_embeddings": 64,`, change: func(c *model.Config) { c.SeqLen = 2048 }},
		{name: "no epsilon", old: `"rms_norm_eps": 1e-05,`, change: func(c *model.Config) { c.NormEps = 1e-6 }},
		{name: "heads that do not divide", old: `"num_key_value_heads": 2`, new: `"num_key_value_heads": 3`, err: "num_attention_heads is 4, which num_key_value_heads, 3, does not divide"},
		{name: "scaled by nothing", old: `"rope_type": "default"`, new: `"rope_type": "llama3"`, err: "without its factor"},
		{name: "scaled by nonsense", old: `"rope_type": "default"`, new: strings.Replace(llama3, "4.0", "0.5", 1), err: "low_freq_factor = 1 is out of range: above 0, below high_freq_factor"},
		{name: "scaled by a line", old: rope, new: `"rope_scaling": {"type": "linear", "factor": 2}`, change: func(c *model.Config) { c.RopeScaling = model.RopeScaling{Type: "linear", Factor: 2} }},
		{name: "scaled by the length", old: rope, new: `"rope_scaling": {"type": "dynamic", "factor": 2}`, err: `"dynamic"`},
		{name: "original length beside", old: rope, new: `"original_max_position_embeddings": 100, "rope_scaling": {` + llama3 + `}`, change: func(c *model.Config) { scaled(c); c.RopeScaling.Original = 100 }},
		{name: "a key of other positions", old: `"rope_type": "default"`, new: `"rope_type": "default", "mrope_section": [1, 1, 2]`, err: "mrope_section"},
		{name: "padding", old: `"pad_token_id": null`, new: `"pad_token_id": -1`, change: func(c *model.Config) { c.Padding = 256 }},
		{name: "padding beyond", old: `"pad_token_id": null`, new: `"pad_token_id": 256`, err: "pad_token_id is 256"},
		{name: "experts", old: `"pretraining_tp": 1`, new: `"num_local_experts": 8`, err: "a mixture of experts"},
		{name: "partial", old: `"rope_type": "default"`, new: `"partial_rotary_factor": 0.5`, err: "partial_rotary_factor 0.5"},
		{name: "other architecture", old: "LlamaForCausalLM", new: "GemmaForCausalLM", err: "GemmaForCausalLM"},
		{name: "other type", old: `"llama"`, new: `"mamba2"`, err: `model_type "mamba2" is not supported: it is a state space model`},
		{name: "unknown type", old: `"llama"`, new: `"bert"`, err: `model_type "bert" is not supported, want one of gemma2,`},
		{name: "biases", old: `"attention_bias": false`, new: `"attention_bias": true`, change: func(c *model.Config) { c.AttentionBias = true }},
		{name: "mlp biases", old: `"mlp_bias": false`, new: `"mlp_bias": true`, change: func(c *model.Config) { c.FFNBias = true }},
		{name: "dropout", old: `"attention_dropout": 0.0`, new: `"attention_dropout": 0.1`, err: "attention_dropout 0.1"},
		{name: "activation", old: `"silu"`, new: `"gelu"`, err: `"gelu"`},
		{name: "quantised", old: `"pretraining_tp": 1`, new: `"quantization_config": {"bits": 4}`, err: "quantization_config"},
		{name: "no layers", old: `"num_hidden_layers": 2`, new: `"num_hidden_layers": 0`, err: "num_hidden_layers is 0"},
		{name: "no heads", old: `"num_attention_heads": 4`, new: `"num_attention_heads": 0`, err: "num_attention_heads is 0"},
		{name: "not JSON", old: "{", new: "", err: "invalid character"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(string(raw), test.old) {
				t.Fatalf("config.json holds no %s", test.old)
			}
			got, err := describe([]byte(strings.Replace(string(raw), test.old, test.new, 1)))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error is %v, want one that names %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := want
			if test.change != nil {
				test.change(&want)
			}
			if !reflect.DeepEqual(got.model, want) {
				t.Errorf("got %+v, want %+v", got.model, want)
			}
		})
	}
}

// TestFamilies: what an absent key is taken for, and which keys are refused where they are not at their default.
func TestFamilies(t *testing.T) {
	const sizes = `"hidden_size": 64, "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96, "vocab_size": 256, "pad_token_id": null`
	for _, test := range []struct {
		family, keys string
		has          func(model.Config) bool
		err          string
	}{
		{family: "mistral", has: func(c model.Config) bool { return c.Window == 4096 && c.Windowed == "y" && c.SeqLen == 131072 }},
		{family: "mistral", keys: `"sliding_window": null`, has: func(c model.Config) bool { return c.Window == 0 && c.Windowed == "" }},
		{family: "mistral", keys: `"layer_types": ["sliding_attention","full_attention","sliding_attention","full_attention","sliding_attention","full_attention","sliding_attention","full_attention"]`, err: "layer_types of a mistral"},
		{family: "qwen2", has: func(c model.Config) bool { return c.AttentionBias && c.Windowed == "" && c.RopeTheta == 10000 }},
		{family: "qwen2", keys: `"use_sliding_window": true, "max_window_layers": 6`, has: func(c model.Config) bool { return c.Window == 4096 && c.Windowed == "nnnnnnyy" }},
		{family: "qwen3", keys: `"layer_types": ["full_attention","full_attention","full_attention","full_attention","full_attention","full_attention","full_attention","sliding_attention"]`, err: "layers have a window, and sliding_window is 0"},
		{family: "qwen3", keys: `"layer_types": ["full_attention"]`, err: "layer_types has 1 entries for 8 layers"},
		{family: "qwen3", keys: `"layer_types": ["linear_attention","full_attention","full_attention","full_attention","full_attention","full_attention","full_attention","full_attention"]`, err: `layer type "linear_attention"`},
		{family: "qwen3", keys: `"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}`, has: func(c model.Config) bool {
			return c.RopeScaling.BetaFast == 32 && c.RopeScaling.BetaSlow == 1 && math.Abs(c.RopeScaling.AttentionFactor-1.1386294361) < 1e-9
		}},
		{family: "qwen3", keys: `"rope_scaling": {"rope_type": "yarn", "factor": 40, "mscale": 1, "mscale_all_dim": 1, "truncate": false}`, has: func(c model.Config) bool {
			return c.RopeScaling.AttentionFactor == 1 && c.RopeScaling.Untruncated && c.RopeScaling.Original == 32768
		}},
		{family: "smollm3", has: func(c model.Config) bool { return c.Unrotated == "nnny" && c.Tied && c.RopeTheta == 2e6 }},
		{family: "smollm3", keys: `"use_sliding_window": true, "sliding_window": 9`, has: func(c model.Config) bool { return c.Window == 9 && c.Windowed == "nnny" }},
		{family: "smollm3", keys: `"no_rope_layers": [1, 0]`, err: "no_rope_layers has 2 entries for 8 layers"},
		{family: "granite", has: func(c model.Config) bool { return c.AttentionScale == 1 && c.LogitScale == 1 }},
		{family: "granite", keys: `"logits_scaling": 0`, err: "logits_scaling is 0, want a number above 0"},
		{family: "phi3", keys: `"partial_rotary_factor": 0.75`, has: func(c model.Config) bool { return c.RopeDim == 12 && c.RopeScaling.IsZero() }},
		{family: "phi3", keys: `"partial_rotary_factor": 0.2`, err: "turns 3 of 16 dimensions"},
		{family: "phi3", keys: `"resid_pdrop": 0.1`, err: "resid_pdrop 0.1"},
		{family: "phi3", keys: `"max_position_embeddings": 131072, "rope_scaling": {"type": "su", "short_factor": [1,1,1,1,1,1,1,1], "long_factor": [2,2,2,2,2,2,2,2]}`, has: func(c model.Config) bool {
			return c.RopeScaling.Type == "longrope" && c.RopeScaling.Original == 4096 && math.Abs(c.RopeScaling.AttentionFactor-1.19023807) < 1e-6
		}},
		{family: "phi3", keys: `"rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [2]}`, err: "rope_scaling has 1 factors for 8 waves"},
		{family: "phi3", keys: `"rope_scaling": {"type": "linear", "factor": 2}`, err: `rope type "linear" is not supported here`},
		{family: "llama", keys: `"partial_rotary_factor": 0.5`, err: "partial_rotary_factor 0.5 of a llama"},
		{family: "olmo2", has: func(c model.Config) bool { return c.NormEps == 1e-5 && c.Windowed == "" }},
		{family: "olmo3", keys: `"rope_theta": 1e4`, has: func(c model.Config) bool { return c.Windowed == "yyyn" && c.RopeTheta == 1e4 && c.WindowTheta == 5e5 }},
		{family: "olmo3", keys: `"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}`, err: "rope_parameters has rope_"},
		{family: "glm4", has: func(c model.Config) bool { return c.RopeDim == 8 && c.AttentionBias && c.NormEps == 1.5625e-7 }},
		{family: "gemma2", has: func(c model.Config) bool {
			return c.AttentionCap == 50 && c.LogitCap == 30 && c.AttentionScale == 1./16 && c.EmbeddingScale == 8 && c.Windowed == "yn" && c.Tied
		}},
		{family: "gemma2", keys: `"attn_logit_softcapping": null, "final_logit_softcapping": null`, has: func(c model.Config) bool { return c.AttentionCap == 0 && c.LogitCap == 0 }},
		{family: "gemma2", keys: `"hidden_activation": "gelu"`, err: `hidden_activation "gelu"`},
		{family: "gemma3_text", has: func(c model.Config) bool { return c.Windowed == "yyyyyn" && c.RopeTheta == 1e6 && c.WindowTheta == 1e4 }},
		{family: "gemma3_text", keys: `"rope_scaling": {"type": "linear", "factor": 8}`, err: "with type linear and no rope_type is not supported"},
		{family: "olmo3", keys: `"rope_scaling": {"rope_type": "linear", "factor": 8}`, has: func(c model.Config) bool { return c.RopeScaling.Factor == 8 }},
		{family: "olmo3", keys: `"rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 8, "truncate": null}}`, err: "truncate is not supported for some layers"},
		{family: "qwen3", keys: `"is_causal": null`, err: "is_causal null is not supported, want true"},
		{family: "phi3", keys: `"is_causal": true`, has: func(model.Config) bool { return true }},
		{family: "llama", keys: `"transformers_weights": "other.safetensors"`, err: "transformers_weights is not supported"},
		{family: "llama", keys: `"configuration_files": ["config.4.0.0.json"]`, err: "configuration_files is not supported"},
		{family: "gemma3_text", keys: `"sliding_window_pattern": -2`, err: "sliding_window_pattern is -2, want 1 at least"},
		{family: "smollm3", keys: `"no_rope_layer_interval": -2`, err: "no_rope_layer_interval is -2, want 1 at least"},
		{family: "smollm3", keys: `"no_rope_layer_interval": 0, "no_rope_layers": [1,1,1,1,1,1,1,0]`, has: func(c model.Config) bool { return c.Unrotated == "nnnnnnny" }},
		{family: "gemma2", keys: `"final_logit_softcapping": 0.0`, err: "final_logit_softcapping is 0.0, want a number above 0"},
		{family: "gemma3_text", keys: `"use_bidirectional_attention": true`, err: "use_bidirectional_attention true"},
		{family: "gemma3_text", keys: `"attention_dropout": 0.1`, err: "attention_dropout 0.1"},
		{family: "gemma3_text", keys: `"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2}}`, err: "of sliding_attention layers is not supported"},
	} {
		keys := test.keys
		if keys != "" {
			keys = ", " + keys
		}
		got, err := describe([]byte(`{"model_type": "` + test.family + `", ` + sizes + keys + `}`))
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s with %s: error is %v, want one that names %s", test.family, test.keys, err, test.err)
			}
		case err != nil || !test.has(got.model):
			t.Errorf("%s with %s: %v, %+v", test.family, test.keys, err, got.model)
		}
	}
}

// TestUnread: keys that nobody asks for are named.
func TestUnread(t *testing.T) {
	got := must(describe([]byte(`{"model_type": "qwen3", "pad_token_id": null, "use_cache": true, "sliding_window": null, "brand": "x"}`)))(t)
	if want := []string{"brand", "use_cache"}; !slices.Equal(got.unread, want) {
		t.Errorf("unread are %q, want %q", got.unread, want)
	}
}

// TestParts: what a model that also sees says of its part for text, and who decides whether the head is the embedding.
func TestParts(t *testing.T) {
	for _, test := range []struct {
		whole, text string
		tied        bool
		err         string
	}{
		{whole: `"model_type": "gemma3"`, text: `"model_type": "gemma3_text"`, tied: true},
		{whole: `"model_type": "gemma3"`, text: `"model_type": "gemma3_text", "tie_word_embeddings": false`, tied: true},
		{whole: `"model_type": "gemma3", "tie_word_embeddings": false`, text: `"model_type": "gemma3_text"`},
		{whole: `"model_type": "mistral3"`, text: `"model_type": "mistral", "tie_word_embeddings": false`, tied: true},
		{whole: `"model_type": "llava"`, text: `"model_type": "llama"`},
		{whole: `"model_type": "llava"`, text: `"model_type": "llama", "tie_word_embeddings": true`, tied: true},
		{whole: `"model_type": "llava_next"`, text: `"model_type": "llama", "tie_word_embeddings": true`},
		{whole: `"model_type": "llava", "pad_token_id": 4`, text: `"model_type": "llama"`},
		{whole: `"model_type": "gemma3"`, text: `"model_type": "gemma3_text", "final_logit_softcapping": 30`, err: "not supported in a text_config"},
		{whole: `"model_type": "llava"`, text: `"model_type": "granite", "logits_scaling": 8`, err: "not supported in a text_config"},
		{whole: `"model_type": "llava"`, text: `"model_type": "mamba"`, err: "a state space model"},
		{whole: `"model_type": "gemma3", "transformers_weights": "x"`, text: `"model_type": "gemma3_text"`, err: "transformers_weights"},
	} {
		got, err := describe([]byte("{" + test.whole + `, "text_config": {` + test.text + `}}`))
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s with %s: error is %v, want one that names %s", test.whole, test.text, err, test.err)
			}
		case err != nil || got.model.Tied != test.tied || got.model.Family == "" && got.model.Padding != 0:
			t.Errorf("%s with %s: %v, tied %v, padding %d", test.whole, test.text, err, got.model.Tied, got.model.Padding)
		}
	}
}
