package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/model"
)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// reexport writes what a folder has as murmur would, and opens it.
func reexport(t *testing.T, from string, most int64, change func(*Export)) (dir string, c *Checkpoint) {
	t.Helper()
	old := must(Open(from))(t)
	raw := must(must(old.Origin())(t).Encode())(t)
	e := Export{Config: old.Config, Theta: must(old.Theta())(t), Origin: must(ParseOrigin(raw))(t), Card: Card{Name: "tiny"}}
	if change != nil {
		change(&e)
	}
	dir = filepath.Join(t.TempDir(), "out")
	if err := e.write(dir, most); err != nil {
		t.Fatal(err)
	}
	return dir, must(Open(dir))(t)
}

// A model that is read and written again is equal in names, shapes, types, values and configuration, in one file or several.
func TestRoundTrip(t *testing.T) {
	want := must(Open(tiny))(t)
	for name, most := range map[string]int64{"one file": maxPart, "parts": 100_000} {
		t.Run(name, func(t *testing.T) {
			dir, got := reexport(t, tiny, most, nil)
			if !slices.Equal(must(got.Theta())(t), must(want.Theta())(t)) {
				t.Error("the values differ")
			}
			if len(got.places) != len(want.places) {
				t.Errorf("%d tensors, want %d", len(got.places), len(want.places))
			}
			for name, p := range want.places {
				if q := got.places[name]; q.dtype != p.dtype || !slices.Equal(q.shape, p.shape) {
					t.Errorf("%s is %s %v, was %s %v", name, q.dtype, q.shape, p.dtype, p.shape)
				}
			}
			a, b := must(os.ReadFile(filepath.Join(tiny, configFile)))(t), must(os.ReadFile(filepath.Join(dir, configFile)))(t)
			if !bytes.Equal(a, b) {
				t.Error("config.json differs")
			}
			if parts, _ := filepath.Glob(filepath.Join(dir, "*-of-*.safetensors")); (len(parts) > 1) != (name == "parts") {
				t.Errorf("%d parts", len(parts))
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(left) > 0 {
				t.Errorf("%v stayed behind", left)
			}
			card := must(os.ReadFile(filepath.Join(dir, cardFile)))(t)
			if !strings.HasPrefix(string(card), "---\nlibrary_name: transformers\n") || !strings.Contains(string(card), "# tiny, round 0") {
				t.Errorf("the card says:\n%s", card)
			}
		})
	}
}

// Each tensor keeps the type that it was stored in.
func TestTypesStay(t *testing.T) {
	theta := must(must(Open(tiny))(t).Theta())(t)
	dir, _ := reexport(t, tiny, maxPart, func(e *Export) {
		for i, l := range e.Config.Layout() {
			e.Origin.DTypes[l.Name] = []DType{BF16, F16, BF16}[i%3]
		}
	})
	_, again := reexport(t, dir, maxPart, nil)
	got := must(again.Theta())(t)
	for i, l := range again.Config.Layout() {
		if d := again.places[l.Name].dtype; d != []DType{BF16, F16, BF16}[i%3] {
			t.Errorf("%s is stored as %s", l.Name, d)
		}
		for j := l.Offset; j < l.Offset+l.Size; j++ {
			if off := math.Abs(float64(got[j] - theta[j])); off > math.Abs(float64(theta[j]))/256 && off > 1e-7 {
				t.Fatalf("%s: %g became %g", l.Name, theta[j], got[j])
			}
		}
	}
}

// A model that began in murmur is written so that it reads as itself.
func TestNewModel(t *testing.T) {
	c := model.Config{Vocab: 40, Dim: 16, Layers: 1, Heads: 2, KVHeads: 1, HeadDim: 8, FFN: 24, SeqLen: 12, RopeTheta: 5e4, NormEps: 1e-6, Tied: true}
	t.Run("plain", func(t *testing.T) { newModel(t, c) })
	c.RopeScaling = model.RopeScaling{Type: model.RopeLlama3, Factor: 8, Low: 1, High: 4, Original: 6}
	t.Run("scaled positions", func(t *testing.T) { newModel(t, c) })
}

func newModel(t *testing.T, c model.Config) {
	t.Helper()
	theta := model.Init(c, [32]byte{7})
	dir := filepath.Join(t.TempDir(), "deep", "down")
	if err := Write(dir, Export{Config: c, Theta: theta}); err != nil {
		t.Fatal(err)
	}
	got := must(Open(dir))(t)
	if !reflect.DeepEqual(got.Config, c) || !slices.Equal(must(got.Theta())(t), theta) {
		t.Errorf("it reads as %+v", got.Config)
	}
	if err := Write(dir, Export{Config: c, Theta: theta}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("writing over a model: %v", err)
	}
	if err := Write(filepath.Join(t.TempDir(), "x"), Export{Config: c, Theta: theta[1:]}); err == nil {
		t.Error("a vector that is too short was written")
	}
}

// copied is the tiny folder with a file changed; nil takes it away.
func copied(t *testing.T, name string, change func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []string{configFile, singleFile} {
		b := must(os.ReadFile(filepath.Join(tiny, f)))(t)
		if f == name {
			if b = change(b); b == nil {
				continue
			}
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRefusals(t *testing.T) {
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("there is no %s", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("ab", 32) + "\nsize 4976698672\n"
	for _, test := range []struct {
		name, file string
		change     func([]byte) []byte
		want       string
	}{
		{"no config", configFile, func([]byte) []byte { return nil }, "has no config.json"},
		{"another architecture", configFile, replace(`"llama"`, `"mamba"`), `"mamba"`},
		{"no weights", singleFile, func([]byte) []byte { return nil }, "weights are read from safetensors alone"},
		{"empty", singleFile, func([]byte) []byte { return []byte{} }, "no header"},
		{"half a file", singleFile, func(b []byte) []byte { return b[:len(b)/2] }, "it was cut off, fetch it again"},
		{"half a header", singleFile, func(b []byte) []byte { return b[:100] }, "ends in its header"},
		{"a huge header", singleFile, func(b []byte) []byte { return append(binary.LittleEndian.AppendUint64(nil, 1<<40), b[8:]...) }, "a header of"},
		{"a pointer", singleFile, func([]byte) []byte { return []byte(pointer) }, "git lfs pull"},
		{"a pointer for config", configFile, func([]byte) []byte { return []byte(pointer) }, "git lfs pull"},
		{"another type", singleFile, replace(`"F32"`, `"I32"`), "is stored as I32"},
		{"another shape", configFile, replace(`"intermediate_size": 160`, `"intermediate_size": 161`), "has shape [160 64], want [161 64]"},
		{"too many tensors", configFile, replace(`"num_hidden_layers": 2`, `"num_hidden_layers": 1`), "is not part of a model of the llama family"},
		{"too few tensors", configFile, replace(`"num_hidden_layers": 2`, `"num_hidden_layers": 3`), "tensor model.layers.2."},
		{"tied, but two", configFile, replace(`"tie_word_embeddings": false`, `"tie_word_embeddings": true`), "differ, though config.json says that they are tied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Open(copied(t, test.file, test.change))
			if err == nil {
				_, err = c.Theta()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one that says %s", err, test.want)
			}
		})
	}
}

// An index that names what is not there, or what is elsewhere, is refused.
func TestIndexRefusals(t *testing.T) {
	dir, _ := reexport(t, tiny, 100_000, nil)
	path := filepath.Join(dir, indexFile)
	good := must(os.ReadFile(path))(t)
	for _, test := range []struct {
		change func(files map[string]string)
		want   string
	}{
		{func(f map[string]string) { f["more"] = f[headName] }, "which it has not"},
		{func(f map[string]string) { f[headName] = "../" + f[headName] }, "not a file beside it"},
		{func(f map[string]string) { f[headName] = "none.safetensors" }, "none.safetensors"},
	} {
		var index map[string]json.RawMessage
		var files map[string]string
		if err := json.Unmarshal(good, &index); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(index["weight_map"], &files); err != nil {
			t.Fatal(err)
		}
		test.change(files)
		index["weight_map"] = must(json.Marshal(files))(t)
		if err := os.WriteFile(path, must(json.Marshal(index))(t), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v, want one that says %s", err, test.want)
		}
	}
}

// TestTwoAnswers: where a folder may be one of two models, none is chosen; what a longer save left behind is passed over.
func TestTwoAnswers(t *testing.T) {
	dir, _ := reexport(t, tiny, 100_000, nil)
	copyFile := func(from, to string) {
		if err := os.WriteFile(filepath.Join(dir, to), must(os.ReadFile(from))(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(filepath.Join(tiny, singleFile), singleFile)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "holds two models, model.safetensors and the shards of") {
		t.Errorf("one file and shards: %v", err)
	}
	shards := must(filepath.Glob(filepath.Join(dir, "model-*")))(t)
	if err := os.Remove(shards[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil {
		t.Errorf("one file, and an index whose shards are gone: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, singleFile)); err != nil {
		t.Fatal(err)
	}
	copyFile(filepath.Join(tiny, singleFile), filepath.Base(shards[0]))
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "two answers are possible") {
		t.Errorf("a tensor in two shards: %v", err)
	}
}

func TestTooLargeForItsType(t *testing.T) {
	if _, err := F16.encode(nil, []float32{1, 70_000}); err == nil || !strings.Contains(err.Error(), "70000") {
		t.Errorf("error is %v", err)
	}
	inf := float32(math.Inf(1))
	raw, err := BF16.encode(nil, []float32{1, inf, 1.00390625})
	if err != nil || len(raw) != 6 || binary.LittleEndian.Uint16(raw[4:]) != 0x3f80 {
		t.Errorf("%x, %v: a tie goes to the even one", raw, err)
	}
}

// Every half and every bfloat16 is read and written as itself, but for NaNs' payloads.
func TestAllHalves(t *testing.T) {
	for _, d := range []DType{F16, BF16} {
		for i := range 1 << 16 {
			var v [1]float32
			d.decode(v[:], []byte{byte(i), byte(i >> 8)})
			if v[0] != v[0] {
				continue
			}
			if raw, err := d.encode(nil, v[:]); err != nil || binary.LittleEndian.Uint16(raw) != uint16(i) {
				t.Fatalf("%s: %04x is %g, which is written as %x, %v", d, i, v[0], raw, err)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join(tiny, singleFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw[:4096])
	f.Add([]byte("\x10\x00\x00\x00\x00\x00\x00\x00{\"a\":{\"shape\":1}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		places, err := parseHeader(bytes.NewReader(raw), int64(len(raw)))
		for name, p := range places {
			if err == nil && (p.at < 8 || p.at+p.bytes > int64(len(raw))) {
				t.Errorf("%s lies at %d to %d of %d bytes", name, p.at, p.at+p.bytes, len(raw))
			}
		}
	})
}

func FuzzOrigin(f *testing.F) {
	raw, err := (&Origin{Files: map[string][]byte{configFile: []byte("{}")}, DTypes: map[string]DType{"a": BF16}}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseOrigin(raw)
		if err != nil {
			return
		}
		if _, err := o.Encode(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzConfig(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join(tiny, configFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d, err := describe(raw); err == nil && d.model.Validate() != nil {
			t.Errorf("a configuration was taken that cannot be: %+v", d.model)
		}
	})
}
