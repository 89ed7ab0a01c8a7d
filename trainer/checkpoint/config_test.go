package checkpoint

import (
	"os"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/model"
)

func TestParseConfig(t *testing.T) {
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
		c.RopeScaling = model.RopeScaling{Factor: 32, Low: 1, High: 4, Original: 8192}
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
		{name: "scaled by a line", old: rope, new: `"rope_scaling": {"type": "linear", "factor": 2}`, err: `"linear"`},
		{name: "partial", old: `"rope_type": "default"`, new: `"partial_rotary_factor": 0.5`, err: "partial_rotary_factor 0.5"},
		{name: "other architecture", old: "LlamaForCausalLM", new: "GemmaForCausalLM", err: "GemmaForCausalLM"},
		{name: "other type", old: `"llama"`, new: `"qwen2"`, err: `"qwen2"`},
		{name: "biases", old: `"attention_bias": false`, new: `"attention_bias": true`, err: "attention_bias"},
		{name: "mlp biases", old: `"mlp_bias": false`, new: `"mlp_bias": true`, err: "mlp_bias"},
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
			got, err := ParseConfig([]byte(strings.Replace(string(raw), test.old, test.new, 1)))
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
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
