package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/trainer/token"
)

// Origin is what an export needs of the checkpoint that a swarm began with: the files beside the weights, and how the
// weights were stored.
type Origin struct {
	Files  map[string][]byte
	DTypes map[string]DType // by tensor; a tied head has one where it was stored beside the embedding
}

// companions are the files that belong to a model whatever its weights.
var companions = []string{
	configFile, "generation_config.json", token.File, token.ConfigFile, "special_tokens_map.json", "added_tokens.json",
	"tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt", "USE_POLICY.md",
}

const (
	dtypesFile = "dtypes.json" // in the archive alone
	// MaxOrigin bounds an encoded origin, and what it unpacks to.
	MaxOrigin = 128 << 20
)

// Origin reads the files beside the weights.
func (c *Checkpoint) Origin() (*Origin, error) {
	o := &Origin{DTypes: map[string]DType{}}
	var err error
	if o.Files, err = ReadFiles(c.dir, companions); err != nil {
		return nil, err
	}
	o.Files[configFile] = c.text
	for name, p := range c.places {
		if !strings.HasSuffix(name, rotaryTable) {
			o.DTypes[name] = p.dtype
		}
	}
	return o, nil
}

// ReadFiles reads those of some files that a folder has, by name; of each at most 64 MiB.
func ReadFiles(dir string, names []string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range names {
		b, err := readSmall(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = b
	}
	return files, nil
}

// Tokenizer reads the tokenizer of a model with so many embeddings. Where there is no tokenizer.json, bytes are the tokens of a model of
// 256; for any other a guess would be wrong without a word.
func (o *Origin) Tokenizer(vocab int) (*token.Tokenizer, error) {
	if o.Files[token.File] == nil {
		if vocab != 256 {
			return nil, fmt.Errorf("%s is missing: of a model with a vocabulary of %d it says which text its tokens are; transformers writes one by AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)", token.File, vocab)
		}
		return token.Bytes(), nil
	}
	t, err := token.ParseFolder(o.Files)
	if err != nil {
		return nil, err
	}
	return t, t.Fit(vocab)
}

// Encode packs an origin into a zip archive, the same bytes for equal ones.
func (o *Origin) Encode() ([]byte, error) {
	dtypes, err := json.Marshal(o.DTypes)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range append([]string{dtypesFile}, companions...) {
		raw, ok := o.Files[name]
		if name == dtypesFile {
			raw, ok = dtypes, true
		}
		if !ok {
			continue
		}
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("packing %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > MaxOrigin {
		return nil, fmt.Errorf("the files beside the weights take %d bytes: at most %d are carried along", b.Len(), MaxOrigin)
	}
	return b.Bytes(), nil
}

// ParseOrigin unpacks what Encode made.
func ParseOrigin(raw []byte) (*Origin, error) {
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("the files of the model's origin: %w", err)
	}
	o := &Origin{Files: map[string][]byte{}}
	left := int64(MaxOrigin)
	for _, f := range r.File {
		if f.Name != dtypesFile && !slices.Contains(companions, f.Name) || o.Files[f.Name] != nil {
			return nil, fmt.Errorf("the files of the model's origin hold %q, which does not belong there", f.Name)
		}
		b, err := unpack(f, left)
		if err != nil {
			return nil, fmt.Errorf("the files of the model's origin: %s: %w", f.Name, err)
		}
		left -= int64(len(b))
		o.Files[f.Name] = b
	}
	if err := json.Unmarshal(o.Files[dtypesFile], &o.DTypes); err != nil {
		return nil, fmt.Errorf("the files of the model's origin: %s: %w", dtypesFile, err)
	}
	delete(o.Files, dtypesFile)
	for name, d := range o.DTypes {
		if d.size() == 0 {
			return nil, fmt.Errorf("the files of the model's origin: tensor %s is stored as %q", name, d)
		}
	}
	return o, nil
}

func unpack(f *zip.File, most int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("it unpacks to more than %d bytes", most)
	}
	return b, nil
}
