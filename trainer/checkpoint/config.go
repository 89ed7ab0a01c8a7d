package checkpoint

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/murmurnet/murmur/trainer/model"
)

// Rope types of Hugging Face that package model has.
const (
	ropeDefault = "default"
	ropeLlama3  = "llama3"
	ropeLinear  = "linear"
)

// ParseConfig reads a Hugging Face config.json of a Llama as transformers 5.24 does: what it leaves out has that library's defaults,
// and rope_scaling, its older spelling, goes before rope_parameters. Whole numbers may be spelled 4096.0, which older files do. What
// package model does not have is refused by its name.
func ParseConfig(configJSON []byte) (model.Config, error) {
	f := fields{}
	if err := json.Unmarshal(configJSON, &f.values); err != nil {
		return model.Config{}, err
	}
	unsupported(&f)
	c := model.Config{
		Vocab: f.whole("vocab_size", 32000), Dim: f.whole("hidden_size", 4096), Layers: f.whole("num_hidden_layers", 32),
		Heads: f.whole("num_attention_heads", 32), FFN: f.whole("intermediate_size", 11008), SeqLen: f.whole("max_position_embeddings", 2048),
		NormEps: f.number("rms_norm_eps", 1e-6), Tied: f.flag("tie_word_embeddings"),
	}
	c.KVHeads = f.whole("num_key_value_heads", c.Heads)
	c.HeadDim = f.whole("head_dim", c.Dim/max(c.Heads, 1))
	c.RopeTheta = f.number("rope_theta", 10000)
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		if rope := f.object(key); rope != nil {
			c.RopeTheta = rope.number("rope_theta", c.RopeTheta)
			c.RopeScaling = rope.scaling(c.SeqLen)
			f.keep(rope.err)
			break
		}
	}
	for _, key := range []string{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings"} {
		if n := f.whole(key, 1); n < 1 {
			f.keep(fmt.Errorf("%s is %d, want 1 at least", key, n))
		}
	}
	if f.err == nil && c.Heads%c.KVHeads != 0 {
		f.keep(fmt.Errorf("num_attention_heads is %d, which num_key_value_heads, %d, does not divide", c.Heads, c.KVHeads))
	}
	if f.err == nil {
		f.err = c.Validate()
	}
	return c, f.err
}

// unsupported refuses the first thing that the model's graph lacks.
func unsupported(f *fields) {
	if t := f.text("model_type", ""); t != "llama" {
		f.keep(fmt.Errorf("model_type %q is not supported, want llama", t))
	}
	var architectures []string
	f.read("architectures", &architectures, "a list of names")
	for _, a := range architectures {
		if a != "LlamaForCausalLM" {
			f.keep(fmt.Errorf("architecture %s is not supported, want LlamaForCausalLM", a))
		}
	}
	if a := f.text("hidden_act", "silu"); a != "silu" && a != "swish" { // two names of one function
		f.keep(fmt.Errorf("hidden_act %q is not supported, want silu", a))
	}
	for _, key := range []string{"attention_bias", "mlp_bias"} {
		if f.flag(key) {
			f.keep(fmt.Errorf("%s is not supported", key))
		}
	}
	if p := f.number("attention_dropout", 0); p != 0 {
		f.keep(fmt.Errorf("attention_dropout %g is not supported", p))
	}
	if f.has("quantization_config") {
		f.keep(fmt.Errorf("quantization_config is not supported"))
	}
}

// scaling reads the stretch of the rotary frequencies of a model that was made for so many positions.
func (f *fields) scaling(positions int) (s model.RopeScaling) {
	kind := f.text("rope_type", f.text("type", ropeDefault))
	if p := f.number("partial_rotary_factor", 1); p != 1 {
		f.keep(fmt.Errorf("partial_rotary_factor %g is not supported, want 1", p))
	}
	switch {
	case kind == ropeDefault || kind == ropeLinear && f.number("factor", 0) == 1: // by which nothing is stretched
	case kind == ropeLlama3:
		for _, key := range []string{"factor", "low_freq_factor", "high_freq_factor"} {
			if !f.has(key) {
				f.keep(fmt.Errorf("rope type %s without its %s", ropeLlama3, key))
			}
		}
		s = model.RopeScaling{
			Factor: f.number("factor", 0), Low: f.number("low_freq_factor", 0), High: f.number("high_freq_factor", 0),
			Original: f.whole("original_max_position_embeddings", positions),
		}
		if f.err == nil {
			f.keep(s.Validate())
		}
	default:
		f.keep(fmt.Errorf("rope type %q is not supported, want %s or %s", kind, ropeDefault, ropeLlama3))
	}
	return s
}

// fields reads a JSON object's values by their keys; null is as if a key were not there. The first error stays.
type fields struct {
	values map[string]json.RawMessage
	err    error
}

func (f *fields) keep(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) has(key string) bool {
	raw, ok := f.values[key]
	return ok && string(raw) != "null"
}

// read decodes a value, and says in the file's own words what it should be where it is not.
func (f *fields) read(key string, to any, want string) bool {
	if !f.has(key) {
		return false
	}
	if err := json.Unmarshal(f.values[key], to); err != nil {
		f.keep(fmt.Errorf("%s is %.40s, want %s", key, f.values[key], want))
		return false
	}
	return true
}

func (f *fields) number(key string, otherwise float64) float64 {
	var v float64
	if !f.read(key, &v, "a number") {
		return otherwise
	}
	return v
}

func (f *fields) whole(key string, otherwise int) int {
	v := f.number(key, float64(otherwise))
	if v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
		f.keep(fmt.Errorf("%s is %.40s, want a whole number", key, f.values[key]))
		return otherwise
	}
	return int(v)
}

func (f *fields) flag(key string) (v bool) {
	f.read(key, &v, "true or false")
	return v
}

func (f *fields) text(key, otherwise string) string {
	var v string
	if !f.read(key, &v, "a text") {
		return otherwise
	}
	return v
}

// object returns the fields of an object, or nil where there is none.
func (f *fields) object(key string) *fields {
	o := &fields{}
	if !f.read(key, &o.values, "an object") || len(o.values) == 0 {
		return nil
	}
	return o
}
