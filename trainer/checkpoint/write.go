package checkpoint

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/murmurnet/murmur/trainer/model"
)

// maxPart bounds a safetensors file that is written, as Hugging Face's libraries do.
const maxPart = 5e9

// Export is a model to be written.
type Export struct {
	Config model.Config
	Theta  []float32
	Origin *Origin // nil: the model began in murmur, and its values are float32
	Ends   []int32 // tokens that end a text, for a model that began in murmur
	Begin  *int32  // the token that begins one
	Card   Card
}

// Write makes a folder of a model, which appears whole or not at all. There must be none, or an empty one.
func Write(dir string, e Export) error { return e.write(dir, maxPart) }

func (e Export) write(dir string, most int64) error {
	if got, want := len(e.Theta), e.Config.Layout().Params(); got != want {
		return fmt.Errorf("%d parameters for a model of %d", got, want)
	}
	return appear(dir, func(work string) error {
		if err := e.weights(work, most); err != nil {
			return err
		}
		return e.companions(work)
	})
}

// appear has a folder filled beside its place, where it appears whole or not at all.
func appear(dir string, fill func(work string) error) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := vacant(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".part-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	if err := os.Chmod(work, 0o755); err != nil { // MkdirTemp's are private
		return err
	}
	if err := fill(work); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // vacant, but another system cannot rename over it
		return err
	}
	return os.Rename(work, dir)
}

// AddEnds has the origin's config.json say which tokens begin and end a text, as far as it does not.
func (e Export) AddEnds() error {
	raw := e.Origin.Files[configFile]
	if raw == nil {
		return nil // one is written that does
	}
	var c map[string]json.RawMessage
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("%s of the model that the swarm began with: %w", configFile, err)
	}
	add := func(key string, value any) (err error) {
		if v := c[key]; v == nil || string(v) == "null" {
			c[key], err = json.Marshal(value)
		}
		return err
	}
	var err error
	if len(e.Ends) > 0 {
		err = add("eos_token_id", e.ends())
	}
	if e.Begin != nil {
		err = errors.Join(err, add("bos_token_id", *e.Begin))
	}
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	e.Origin.Files[configFile] = append(b, '\n')
	return err
}

// ends is one id, or a list.
func (e Export) ends() any {
	if len(e.Ends) == 1 {
		return e.Ends[0]
	}
	return e.Ends
}

// vacant refuses a path where there is something.
func vacant(dir string) error {
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(list) > 0:
		return fmt.Errorf("%s is not empty: name a folder that does not exist yet", dir)
	}
	return nil
}

// companions writes all but the weights.
func (e Export) companions(dir string) error {
	files := map[string][]byte{}
	if e.Origin != nil {
		for name, b := range e.Origin.Files {
			files[name] = b
		}
	}
	if files[configFile] == nil {
		b, err := e.writeConfig()
		if err != nil {
			return err
		}
		files[configFile] = b
	}
	files[cardFile] = []byte(e.Card.text(e.Config))
	for name, b := range files {
		if err := writeBytes(filepath.Join(dir, name), b); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file durably.
func writeFile(path string, fill func(*bufio.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = fill(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func writeBytes(path string, b []byte) error {
	return writeFile(path, func(w *bufio.Writer) error { _, err := w.Write(b); return err })
}

// part is what one safetensors file has.
type part struct {
	tensors model.Layout
	bytes   int64
}

func (e Export) dtype(t model.Tensor) DType {
	if e.Origin != nil && e.Origin.DTypes[t.Name] != "" {
		return e.Origin.DTypes[t.Name]
	}
	return F32
}

// tensors are those of the layout, and the embedding as the head once more where the origin has both.
func (e Export) tensors() model.Layout {
	l := e.Config.Layout()
	if e.Config.Tied && e.Origin != nil && e.Origin.DTypes[headName] != "" {
		head := l[0]
		head.Name = headName
		l = append(l, head)
	}
	return l
}

// weights writes the tensors, in one file if they fit.
func (e Export) weights(dir string, most int64) error {
	var parts []part
	var total int64
	for _, t := range e.tensors() {
		n := int64(t.Size * e.dtype(t).size())
		if last := len(parts) - 1; last < 0 || parts[last].bytes+n > most {
			parts = append(parts, part{})
		}
		p := &parts[len(parts)-1]
		p.tensors, p.bytes, total = append(p.tensors, t), p.bytes+n, total+n
	}
	if len(parts) == 1 {
		return e.part(filepath.Join(dir, singleFile), parts[0])
	}
	files := map[string]string{}
	for i, p := range parts {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(parts))
		if err := e.part(filepath.Join(dir, name), p); err != nil {
			return err
		}
		for _, t := range p.tensors {
			files[t.Name] = name
		}
	}
	b, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": files}, "", "  ")
	if err != nil {
		return err
	}
	return writeBytes(filepath.Join(dir, indexFile), append(b, '\n'))
}

func (e Export) part(path string, p part) error {
	table := map[string]any{metadataKey: map[string]string{"format": "pt"}}
	var at int64
	for _, t := range p.tensors {
		n := int64(t.Size * e.dtype(t).size())
		table[t.Name] = entry{DType: e.dtype(t), Shape: t.Shape, Offsets: [2]int64{at, at + n}}
		at += n
	}
	head, err := json.Marshal(table)
	if err != nil {
		return err
	}
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	return writeFile(path, func(w *bufio.Writer) error {
		if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...)); err != nil {
			return err
		}
		var raw []byte
		for _, t := range p.tensors {
			for values := e.Theta[t.Offset:][:t.Size]; len(values) > 0; {
				n := min(len(values), pieceValues)
				if raw, err = e.dtype(t).encode(raw[:0], values[:n]); err != nil {
					return fmt.Errorf("tensor %s: %w", t.Name, err)
				}
				if _, err := w.Write(raw); err != nil {
					return err
				}
				values = values[n:]
			}
		}
		return nil
	})
}

// Writable refuses a new model that no config.json of a Llama describes: nothing else would load what is exported.
func Writable(c model.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	b, err := Export{Config: c}.writeConfig()
	if err != nil {
		return err
	}
	if d, err := describe(b); err != nil || !reflect.DeepEqual(d.model, c) {
		return errors.New("a new model is a Llama, which has nothing of what [model] says beyond its sizes, rope_scaling and biases: bring a model of another family with --from-hf")
	}
	return nil
}

// writeConfig is a config.json that transformers of both spellings read.
func (e Export) writeConfig() ([]byte, error) {
	c := e.Config
	rope := map[string]any{"rope_type": ropeDefault, "rope_theta": c.RopeTheta}
	var scaling map[string]any // transformers 4 looks here; null there is none
	if s := c.RopeScaling; !s.IsZero() {
		rope["rope_type"] = s.Type
		for key, v := range map[string]float64{
			"factor": s.Factor, "low_freq_factor": s.Low, "high_freq_factor": s.High, "beta_fast": s.BetaFast, "beta_slow": s.BetaSlow,
			"attention_factor": s.AttentionFactor, "original_max_position_embeddings": float64(s.Original),
		} {
			if v != 0 {
				rope[key] = v
			}
		}
		if s.Untruncated {
			rope["truncate"] = false
		}
		if s.Type == model.RopeLongrope {
			rope["short_factor"], rope["long_factor"] = s.Short, s.Long
		}
		scaling = rope
	}
	var padding *int
	if c.Padding > 0 {
		id := c.Padding - 1
		padding = &id
	}
	b, err := json.MarshalIndent(map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": model.Llama, "dtype": "float32", "torch_dtype": "float32",
		"vocab_size": c.Vocab, "hidden_size": c.Dim, "num_hidden_layers": c.Layers, "num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads,
		"head_dim": c.HeadDim, "intermediate_size": c.FFN, "max_position_embeddings": c.SeqLen, "rms_norm_eps": c.NormEps, "hidden_act": "silu",
		"rope_theta": c.RopeTheta, "rope_parameters": rope, "rope_scaling": scaling,
		"attention_bias": c.AttentionBias, "attention_dropout": 0.0, "mlp_bias": c.FFNBias, "tie_word_embeddings": c.Tied,
		"bos_token_id": e.Begin, "eos_token_id": e.ends(), "pad_token_id": padding,
	}, "", "  ")
	return append(b, '\n'), err
}
