package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/trainer/model"
)

// Names of peft's files, and what it puts before a tensor's name.
const (
	adapterConfig  = "adapter_config.json"
	adapterWeights = "adapter_model.safetensors"
	peftPrefix     = "base_model.model."
)

// plain are keys of an adapter_config.json by which peft 0.21 computes, with what they must say: anything else is another kind of adapter.
var plain = []fixed{
	{"peft_type", `"LORA"`, ""},
	{"bias", `"none"`, ""},
	{"use_dora", "false", ""},
	{"use_qalora", "false", ""},
	{"use_bdlora", "false", "null"},
	{"lora_bias", "false", ""},
	{"fan_in_fan_out", "false", ""},
	{"lora_dropout", "0", ""},
}

// empty are keys of an adapter_config.json that must say nothing.
var empty = []string{
	"alora_invocation_tokens", "alpha_pattern", "arrow_config", "exclude_modules", "layer_replication", "layers_pattern", "layers_to_transform",
	"modules_to_save", "rank_pattern", "target_parameters", "trainable_token_indices",
}

// ReadAdapter reads an adapter as peft saves it, for a base: the model with that adapter, of which A and B are trained, and the adapter's values.
func ReadAdapter(dir string, base model.Config) (model.Config, []float32, error) {
	c := base
	raw, err := readSmall(filepath.Join(dir, adapterConfig))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, fmt.Errorf("%s has no %s: it must be a folder with an adapter as peft saves it", dir, adapterConfig)
	}
	if err != nil {
		return c, nil, err
	}
	path := filepath.Join(dir, adapterConfig)
	f, err := parse(raw)
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := f.defaults(`{"r": 8, "lora_alpha": 8}`); err != nil {
		return c, nil, err
	}
	for _, x := range plain {
		f.stands(x)
	}
	for _, key := range empty {
		if s := string(f.values[key]); f.has(key) && s != "{}" && s != "[]" {
			f.keep(fmt.Errorf("%s is not supported", key))
		}
	}
	c.Adapter = &model.Adapter{Rank: f.whole("r", 8), Alpha: f.number("lora_alpha", 8), RSLoRA: f.flag("use_rslora"), Train: model.TrainBoth, Base: model.BaseFloat32}
	if f.err == nil {
		f.err = c.Adapter.Targeting(c, f.targets())
	}
	if f.err == nil {
		f.err = c.Validate()
	}
	if f.err != nil {
		return c, nil, fmt.Errorf("%s: %w", path, f.err)
	}
	places, err := readHeader(filepath.Join(dir, adapterWeights))
	if err != nil {
		return c, nil, err
	}
	a := Checkpoint{Config: c, places: map[string]place{}}
	for name, p := range places {
		a.places[strings.TrimPrefix(name, peftPrefix)] = p
	}
	if err := a.fit(); err != nil {
		return c, nil, fmt.Errorf("%s: %w", dir, err)
	}
	theta, err := a.Theta()
	return c, theta, err
}

// targets reads target_modules: a list of names, short or whole, or the word for all.
func (f *fields) targets() (names []string) {
	var word string
	if json.Unmarshal(f.values["target_modules"], &word) == nil && word == "all-linear" {
		return nil
	}
	f.read("target_modules", &names, "a list of names")
	return names
}

// Adapter is an adapter to be written as peft reads it.
type Adapter struct {
	Config       model.Config
	Theta, Drawn []float32
	Card         Card
}

// WriteAdapter makes a folder of an adapter, which appears whole or not at all. There must be none, or an empty one.
func WriteAdapter(dir string, a Adapter) error {
	if got, want := len(a.Theta), a.Config.Layout().Params(); got != want {
		return fmt.Errorf("%d parameters for an adapter of %d", got, want)
	}
	return appear(dir, func(work string) error { return a.write(work) })
}

func (a Adapter) write(dir string) error {
	c := a.Config
	var targets []string
	var p part
	var values []float32
	tensors := adapterTensors(c, a.Theta, a.Drawn)
	for _, pair := range c.Pairs() {
		if name := filepath.Ext(pair.Layer)[1:]; !slices.Contains(targets, name) {
			targets = append(targets, name)
		}
		for _, name := range []string{pair.A, pair.B} {
			t := tensors[name]
			p.tensors = append(p.tensors, model.Tensor{Name: peftPrefix + name, Shape: t.shape, Offset: len(values), Size: len(t.values)})
			values = append(values, t.values...)
		}
	}
	if err := (Export{Theta: values}).part(filepath.Join(dir, adapterWeights), p); err != nil {
		return err
	}
	b, err := json.MarshalIndent(map[string]any{
		"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": nil, "r": c.Adapter.Rank, "lora_alpha": c.Adapter.Alpha,
		"lora_dropout": 0.0, "use_rslora": c.Adapter.RSLoRA, "use_dora": false, "bias": "none", "fan_in_fan_out": false, "inference_mode": true,
		"init_lora_weights": true, "target_modules": targets, "modules_to_save": nil, "rank_pattern": map[string]int{}, "alpha_pattern": map[string]int{},
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeBytes(filepath.Join(dir, adapterConfig), append(b, '\n')); err != nil {
		return err
	}
	return writeBytes(filepath.Join(dir, cardFile), []byte(a.Card.text(c)))
}
