package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/trainer/model"
)

// maxLayers bounds the lists that are made of a config.json.
const maxLayers = 1 << 10

// description is what a config.json says.
type description struct {
	model  model.Config
	text   []byte   // the config.json of the model that is read: the file, or that of its part for text
	part   bool     // it is of a part
	unread []string // keys that say nothing about what the model computes, as far as is known
}

// describe reads a Hugging Face config.json as transformers 5.24 does: what it leaves out has that library's defaults, and rope_scaling, its
// older spelling, goes before rope_parameters. Whole numbers may be spelled 4096.0, which older files do. What package model does not
// have is refused by its name.
func describe(configJSON []byte) (description, error) {
	d := description{text: configJSON}
	f, err := parse(configJSON)
	if err != nil {
		return d, err
	}
	f.otherFiles()
	if f.err != nil {
		return d, f.err
	}
	if t := f.text("model_type", ""); slices.Contains(wrappers, t) {
		if d.text, err = f.part(t); err == nil {
			f, err = parse(d.text)
		}
		if err != nil {
			return d, fmt.Errorf("text_config of a %s: %w", t, err)
		}
		d.part = true
	}
	name := f.text("model_type", "")
	fam, ok := families[name]
	if !ok {
		return d, unknown(f, name)
	}
	if err := f.defaults(shared, fam.defaults); err != nil {
		return d, err
	}
	f.otherFiles()
	f.supported(name, fam, d.part)
	d.model = f.config(name, fam)
	if d.part && (d.model.LogitScale != 0 && d.model.LogitScale != 1 || d.model.LogitCap != 0) { // the class with eyes leaves them out
		f.keep(errors.New("logits_scaling and final_logit_softcapping are not supported in a text_config"))
	}
	d.unread = f.unread()
	if f.err == nil {
		f.err = d.model.Validate()
	}
	return d, f.err
}

// otherFiles refuses keys by which transformers reads other files, layers or masks than murmur does.
func (f *fields) otherFiles() {
	for _, key := range []string{"transformers_weights", "configuration_files", "per_layer_config"} {
		if f.has(key) {
			f.keep(fmt.Errorf("%s is not supported", key))
		}
	}
	if f.seen["is_causal"] = true; f.own["is_causal"] && string(f.values["is_causal"]) != "true" { // null as well
		f.keep(fmt.Errorf("is_causal %.40s is not supported, want true", f.values["is_causal"]))
	}
}

// unknown refuses a model by what it is.
func unknown(f *fields, name string) error {
	for _, other := range foreign {
		if strings.Contains(name, other.part) {
			return fmt.Errorf("model_type %q is not supported: it is %s", name, other.what)
		}
	}
	return fmt.Errorf("model_type %q is not supported, want one of %s", name, strings.Join(model.Families(), ", "))
}

// supported refuses the first thing that the model's graph lacks.
func (f *fields) supported(name string, fam family, part bool) {
	var architectures []string
	f.read("architectures", &architectures, "a list of names")
	for _, a := range architectures {
		if a != fam.class && !part {
			f.keep(fmt.Errorf("architecture %s is not supported, want %s", a, fam.class))
		}
	}
	if f.has("quantization_config") {
		f.keep(errors.New("quantization_config is not supported: bring the weights as float32, bfloat16 or float16"))
	}
	for _, key := range experts {
		if f.has(key) && f.number(key, 0) > 0 {
			f.keep(fmt.Errorf("%s is not supported: it is a mixture of experts", key))
		}
	}
	for _, x := range fam.fixed {
		f.stands(x)
	}
}

// stands refuses a key that is not at its default.
func (f *fields) stands(x fixed) {
	if !f.has(x.key) {
		return
	}
	var v any
	f.read(x.key, &v, "a value")
	for _, at := range []string{x.at, x.also} {
		var want any
		if at != "" && json.Unmarshal([]byte(at), &want) == nil && v == want {
			return
		}
	}
	f.keep(fmt.Errorf("%s %.40s is not supported, want %s", x.key, f.values[x.key], x.at))
}

// config reads the model.
func (f *fields) config(name string, fam family) model.Config {
	c := model.Config{
		Family: name, Vocab: f.whole("vocab_size", 0), Dim: f.whole("hidden_size", 0), Layers: f.whole("num_hidden_layers", 0),
		Heads: f.whole("num_attention_heads", 0), FFN: f.whole("intermediate_size", 0), SeqLen: f.whole("max_position_embeddings", 0),
		NormEps: f.number("rms_norm_eps", 0), Tied: f.flag("tie_word_embeddings"),
	}
	if name == model.Llama {
		c.Family = "" // the one that needs no name
	}
	c.KVHeads = f.whole("num_key_value_heads", c.Heads)
	c.HeadDim = f.whole("head_dim", c.Dim/max(c.Heads, 1))
	for _, key := range []string{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings"} {
		if n := f.whole(key, 1); n < 1 {
			f.keep(fmt.Errorf("%s is %d, want 1 at least", key, n))
		}
	}
	if f.err == nil && c.Heads%c.KVHeads != 0 {
		f.keep(fmt.Errorf("num_attention_heads is %d, which num_key_value_heads, %d, does not divide", c.Heads, c.KVHeads))
	}
	if f.err != nil || c.Layers > maxLayers { // lists are made for each; Validate says the rest
		return c
	}
	f.padding(&c)
	fam.flags(f, &c)
	f.positions(&c, fam.rope)
	return c
}

// padding reads pad_token_id; below 0 it counts from the last id on, as in PyTorch.
func (f *fields) padding(c *model.Config) {
	if !f.has("pad_token_id") {
		return
	}
	id := f.whole("pad_token_id", 0)
	if id < -c.Vocab || id >= c.Vocab {
		f.keep(fmt.Errorf("pad_token_id is %d, which a vocabulary of %d does not have", id, c.Vocab))
		return
	}
	c.Padding = (id+c.Vocab)%c.Vocab + 1
}

// fields reads a JSON object's values by their keys; null is as if a key were not there. The first error stays.
type fields struct {
	values map[string]json.RawMessage
	seen   map[string]bool // keys that were asked for
	own    map[string]bool // keys of the file
	err    error
}

func parse(object []byte) (*fields, error) {
	f := &fields{seen: map[string]bool{}, own: map[string]bool{}}
	if err := json.Unmarshal(object, &f.values); err != nil {
		return nil, err
	}
	for key := range f.values {
		f.own[key] = true
	}
	return f, nil
}

// defaults sets absent keys, by the last object that has them.
func (f *fields) defaults(objects ...string) error {
	for _, object := range objects {
		var values map[string]json.RawMessage
		if err := json.Unmarshal([]byte(object), &values); err != nil {
			return err
		}
		for key, v := range values {
			if !f.own[key] {
				f.values[key] = v
			}
		}
	}
	return nil
}

// part is the config.json of the part for text, with what only the whole says: whether the head is the embedding is asked of the whole, and of a text
// part of llava's too. Class defaults are those of transformers 5.24.
func (f *fields) part(wrapper string) ([]byte, error) {
	text := f.object("text_config")
	if text == nil {
		return nil, errors.New("there is none")
	}
	for _, key := range []string{"quantization_config", "dtype", "torch_dtype", "bos_token_id", "eos_token_id"} {
		if v, ok := f.values[key]; ok && !text.has(key) {
			text.values[key] = v
		}
	}
	if fam, ok := families[text.text("model_type", "")]; ok {
		text.values["architectures"] = json.RawMessage(`["` + fam.class + `"]`)
	}
	tied := !slices.Contains([]string{"llava", "llava_next"}, wrapper)
	if f.has("tie_word_embeddings") {
		tied = f.flag("tie_word_embeddings")
	}
	if wrapper == "llava" && !tied {
		if tied = text.flag("tie_word_embeddings"); !text.has("tie_word_embeddings") {
			tied = families[text.text("model_type", "")].ties()
		}
	}
	text.values["tie_word_embeddings"] = json.RawMessage(fmt.Sprint(tied))
	b, err := json.MarshalIndent(text.values, "", "  ")
	return append(b, '\n'), errors.Join(err, text.err)
}

// elsewhere are keys that say which tokens end a text and how weights are stored: who reads these asks tokenizer and tensors too.
var elsewhere = []string{"bos_token_id", "eos_token_id", "dtype", "torch_dtype"}

// unread are the file's keys that nobody asks for.
func (f *fields) unread() (keys []string) {
	for key := range f.own {
		if !f.seen[key] && !slices.Contains(elsewhere, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// forget makes a key one that is not there.
func (f *fields) forget(key string) {
	f.seen[key] = true
	delete(f.values, key)
}

func (f *fields) keep(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) has(key string) bool {
	f.seen[key] = true
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

// factor reads a number above 0.
func (f *fields) factor(key string) float64 {
	v := f.number(key, 1)
	if !(v > 0) {
		f.keep(fmt.Errorf("%s is %.40s, want a number above 0", key, f.values[key]))
		return 1
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

func (f *fields) ints(key string) (v []int) {
	f.read(key, &v, "a list of whole numbers")
	return v
}

func (f *fields) numbers(key string) (v []float64) {
	f.read(key, &v, "a list of numbers")
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
	var raw json.RawMessage
	if !f.read(key, &raw, "an object") {
		return nil
	}
	o, err := parse(raw)
	if err != nil {
		f.keep(fmt.Errorf("%s is %.40s, want an object", key, raw))
		return nil
	}
	if len(o.values) == 0 {
		return nil
	}
	return o
}
