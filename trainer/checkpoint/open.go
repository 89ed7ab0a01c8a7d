package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/trainer/lfs"
	"github.com/murmurnet/murmur/trainer/model"
)

// Names of the files.
const (
	configFile  = "config.json"
	singleFile  = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
	maxJSON     = 64 << 20 // bytes of one of them
	maxParts    = 1000     // safetensors files of a checkpoint
	rotaryTable = ".rotary_emb.inv_freq"
)

// Checkpoint is a folder with a model.
type Checkpoint struct {
	// Config is the model's; SeqLen is the most positions that it was made for.
	Config model.Config
	// Aside says in a sentence each what the folder has and the model does not: keys of config.json that are carried along unread, and
	// tensors of other parts than that for text.
	Aside []string

	dir    string
	text   []byte // config.json of the model alone
	places map[string]place
}

// Open reads what a folder says of its model and looks at every tensor's type and shape, but not yet at its values.
func Open(dir string) (*Checkpoint, error) {
	raw, err := readSmall(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s: it must be a folder with a model in Hugging Face's layout", dir, configFile)
	}
	if err != nil {
		return nil, err
	}
	d, err := describe(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
	}
	c := &Checkpoint{Config: d.model, dir: dir, text: d.text}
	if len(d.unread) > 0 {
		c.Aside = append(c.Aside, fmt.Sprintf("%s says more than murmur reads, which an export gives back: %s", configFile, strings.Join(d.unread, ", ")))
	}
	if c.places, err = placesIn(dir); err != nil {
		return nil, err
	}
	if d.part {
		if err = c.dropOthers(); err == nil {
			err = c.untie()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	if err := c.fit(); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return c, nil
}

// textPrefixes are what tensors' names begin with in a model that has other parts beside that for text, and what stands there without them.
var textPrefixes = [][2]string{{"language_model.model.", "model."}, {"model.language_model.", "model."}, {"language_model.lm_head.", "lm_head."}, {"lm_head.", "lm_head."}}

// dropOthers keeps the tensors of the part for text, by the names that they have in a model of text alone.
func (c *Checkpoint) dropOthers() error {
	text, others := map[string]place{}, map[string]int{}
next:
	for name, p := range c.places {
		for _, prefix := range textPrefixes {
			if rest, ok := strings.CutPrefix(name, prefix[0]); ok {
				if _, twice := text[prefix[1]+rest]; twice {
					return fmt.Errorf("%s is there twice, under two prefixes", prefix[1]+rest)
				}
				text[prefix[1]+rest] = p
				continue next
			}
		}
		part, _, _ := strings.Cut(strings.TrimPrefix(name, "model."), ".")
		others[part]++
	}
	c.places = text
	for _, part := range slices.Sorted(maps.Keys(others)) {
		c.Aside = append(c.Aside, fmt.Sprintf("%s, %d tensors, is left out: it is not for text", part, others[part]))
	}
	return nil
}

// untie has a head that is stored beside another embedding be one of its own: in models that also see, transformers ties only what is equal.
func (c *Checkpoint) untie() error {
	head, stored := c.places[headName]
	embedding, too := c.places[embeddingName]
	n := c.Config.Vocab * c.Config.Dim
	fits := func(p place) bool { return p.dtype.size() > 0 && p.bytes == int64(n*p.dtype.size()) }
	if !stored || !too || !c.Config.Tied || !fits(head) || !fits(embedding) {
		return nil // fit says what does not
	}
	own, other := make([]float32, n), make([]float32, n)
	if err := errors.Join(head.read(own), embedding.read(other)); err != nil {
		return err
	}
	if slices.Equal(own, other) {
		return nil
	}
	c.Config.Tied = false
	f, err := parse(c.text)
	if err == nil {
		f.values["tie_word_embeddings"] = json.RawMessage("false")
		c.text, err = json.MarshalIndent(f.values, "", "  ")
	}
	return err
}

// placesIn lists what the safetensors files of a folder have. Where two answers are possible none is chosen: transformers takes
// model.safetensors first, other readers the index, and which of the two is the older one nobody knows.
func placesIn(dir string) (map[string]place, error) {
	places, err := readHeader(filepath.Join(dir, singleFile))
	alone := !errors.Is(err, fs.ErrNotExist)
	if err != nil && alone {
		return nil, err
	}
	raw, err := readSmall(filepath.Join(dir, indexFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && alone:
		return places, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s has neither %s nor %s: weights are read from safetensors alone", dir, singleFile, indexFile)
	case err != nil:
		return nil, err
	}
	shards, err := indexed(dir, raw)
	switch {
	case errors.Is(err, fs.ErrNotExist) && alone: // an index that was left behind
		return places, nil
	case err == nil && alone:
		return nil, fmt.Errorf("%s holds two models, %s and the shards of %s: remove the one that is not meant", dir, singleFile, indexFile)
	}
	return shards, err
}

// indexed lists what the files of an index have.
func indexed(dir string, raw []byte) (map[string]place, error) {
	var index struct {
		Files map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, indexFile), err)
	}
	var names []string
	for _, name := range index.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > maxParts {
		return nil, fmt.Errorf("%s names %d files: at most %d are read", indexFile, len(names), maxParts)
	}
	all := map[string]place{}
	for _, name := range names {
		if name != filepath.Base(name) || !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%s names %q, which is not a file beside it", indexFile, name)
		}
		places, err := readHeader(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		for tensor, p := range places {
			if twice, ok := all[tensor]; ok { // transformers passes over the index, and the last file wins
				return nil, fmt.Errorf("tensor %s is in %s and in %s: two answers are possible", tensor, filepath.Base(twice.path), name)
			}
			all[tensor] = p
		}
	}
	for tensor, name := range index.Files {
		if p, ok := all[tensor]; !ok || filepath.Base(p.path) != name {
			return nil, fmt.Errorf("%s says that %s has tensor %s, which it has not", indexFile, name, tensor)
		}
	}
	return all, nil
}

// fit checks the tensors against the model's layout.
func (c *Checkpoint) fit() error {
	left := map[string]bool{}
	for name := range c.places {
		if !strings.HasSuffix(name, rotaryTable) { // old files have it; it follows from the configuration
			left[name] = true
		}
	}
	if c.Config.Tied {
		delete(left, headName) // some files repeat the embedding there; Theta sees that it is one
	}
	for _, t := range c.Config.Layout() {
		p, ok := c.places[t.Name]
		delete(left, t.Name)
		switch {
		case !ok:
			return fmt.Errorf("tensor %s is missing", t.Name)
		case p.dtype.size() == 0:
			return fmt.Errorf("tensor %s is stored as %s: F32, BF16 and F16 can be read", t.Name, p.dtype)
		case !slices.Equal(p.shape, t.Shape):
			return fmt.Errorf("tensor %s has shape %v, want %v", t.Name, p.shape, t.Shape)
		case p.bytes != int64(t.Size*p.dtype.size()):
			return fmt.Errorf("tensor %s spans %d bytes, want %d", t.Name, p.bytes, t.Size*p.dtype.size())
		}
	}
	for name := range left {
		return fmt.Errorf("tensor %s is not part of a model of the %s family: leaving it aside would be another model", name, c.Config.FamilyName())
	}
	return nil
}

const (
	embeddingName = "model.embed_tokens.weight"
	headName      = "lm_head.weight"
)

// Theta reads the parameters, flat in the order of the model's layout.
func (c *Checkpoint) Theta() ([]float32, error) {
	layout := c.Config.Layout()
	theta := make([]float32, layout.Params())
	for _, t := range layout {
		if err := c.places[t.Name].read(theta[t.Offset:][:t.Size]); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	head, ok := c.places[headName]
	if !c.Config.Tied || !ok || c.Config.Adapter != nil {
		return theta, nil
	}
	embedding := theta[:c.Config.Vocab*c.Config.Dim]
	if !slices.Equal(head.shape, []int{c.Config.Vocab, c.Config.Dim}) || head.dtype.size() == 0 || head.bytes != int64(len(embedding)*head.dtype.size()) {
		return nil, fmt.Errorf("tensor %s is not the embedding, though config.json says that they are tied", headName)
	}
	other := make([]float32, len(embedding))
	if err := head.read(other); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", headName, err)
	}
	if !slices.Equal(embedding, other) {
		return nil, fmt.Errorf("tensors %s and %s differ, though config.json says that they are tied", embeddingName, headName)
	}
	return theta, nil
}

// readSmall reads a file of at most maxJSON bytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxJSON {
		return nil, fmt.Errorf("%s has %d bytes: at most %d are read", path, info.Size(), maxJSON)
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = lfs.Check(bytes.NewReader(b))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}
