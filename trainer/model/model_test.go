package model

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"lukechampine.com/blake3"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

func small() Config {
	return Config{
		Vocab: 40, Dim: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 20, SeqLen: 6,
		RopeTheta: 1e4, NormEps: 1e-5,
	}
}

func TestValidate(t *testing.T) {
	if err := small().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want  string
		spoil func(*Config)
	}{
		{"vocab", func(c *Config) { c.Vocab = 0 }},
		{"dim", func(c *Config) { c.Dim = MaxDim + 1 }},
		{"layers", func(c *Config) { c.Layers = -1 }},
		{"kv_heads", func(c *Config) { c.KVHeads = 3 }},
		{"head_dim", func(c *Config) { c.HeadDim = 7 }},
		{"heads times head_dim", func(c *Config) { c.Heads, c.HeadDim = MaxDim, 2 }},
		{"ffn", func(c *Config) { c.FFN = 0 }},
		{"seq_len", func(c *Config) { c.SeqLen = 0 }},
		{"rope_theta", func(c *Config) { c.RopeTheta = math.NaN() }},
		{"norm_eps", func(c *Config) { c.NormEps = 0 }},
		{"parameters", func(c *Config) { c.Vocab, c.Dim, c.FFN = MaxVocab, MaxDim, MaxFFN }},
	} {
		c := small()
		test.spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v", test.want, err)
		}
	}
}

func TestLayout(t *testing.T) {
	for _, tied := range []bool{false, true} {
		c := small()
		c.Tied = tied
		layout := c.Layout()
		at := 0
		for _, tensor := range layout {
			if tensor.Offset != at {
				t.Errorf("%s begins at %d, want %d", tensor.Name, tensor.Offset, at)
			}
			at += tensor.Size
		}
		const layer = 24*32 + 2*24*16 + 32*24 + 3*24*20 + 2*24
		want := 40*24 + 2*layer + 24
		if !tied {
			want += 40 * 24
		}
		if layout.Params() != want || c.params() != want || at != want {
			t.Errorf("tied %v: %d parameters by layout, %d by config, want %d", tied, layout.Params(), c.params(), want)
		}
		if tail := layout[len(layout)-1].Name; tied != (tail == "model.norm.weight") {
			t.Errorf("tied %v: the last tensor is %s", tied, tail)
		}
		if sizes := layout.Sizes(); len(sizes) != len(layout) || sizes[1] != 32*24 {
			t.Errorf("sizes are %v", sizes)
		}
		k := layout[1+keyWeight]
		if k.Name != "model.layers.0.self_attn.k_proj.weight" || !slices.Equal(k.Shape, []int{16, 24}) {
			t.Errorf("grouped keys are %v", k)
		}
	}
	if (Layout{}).Params() != 0 {
		t.Error("an empty layout has parameters")
	}
}

// The bits of initial weights: equal on amd64, amd64 with GOAMD64=v3 and arm64, or a swarm could not agree on its start.
func TestInitBits(t *testing.T) {
	c := small()
	theta := Init(c, [32]byte{1, 2, 3})
	raw := make([]byte, 4*len(theta))
	for i, w := range theta {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(w))
	}
	sum := blake3.Sum256(raw)
	const want = "4b8ae56a081e8508428a3a4cb7ff7f8e03b690bd1afb51feb227069dbdf875bd"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("BLAKE3 of the initial weights is %s, want %s", got, want)
	}
}

func TestInitMoments(t *testing.T) {
	c := small()
	c.Dim, c.FFN = 256, 512
	layout := c.Layout()
	theta := Init(c, [32]byte{7})
	for _, tensor := range layout {
		w := theta[tensor.Offset:][:tensor.Size]
		if !tensor.Decays() {
			if slices.Min(w) != 1 || slices.Max(w) != 1 {
				t.Errorf("%s is not all ones", tensor.Name)
			}
			continue
		}
		want := .02
		if strings.HasSuffix(tensor.Name, "o_proj.weight") || strings.HasSuffix(tensor.Name, "down_proj.weight") {
			want = .02 / 2 // two layers: 1/sqrt(4)
		}
		var sum, square float64
		for _, x := range w {
			sum += float64(x)
			square += float64(x) * float64(x)
		}
		n := float64(len(w))
		// Five standard errors of mean and deviation.
		if mean := sum / n; math.Abs(mean) > 5*want/math.Sqrt(n) {
			t.Errorf("%s has mean %g", tensor.Name, mean)
		}
		if std := math.Sqrt(square / n); math.Abs(std/want-1) > 5/math.Sqrt(2*n) {
			t.Errorf("%s has standard deviation %g, want %g", tensor.Name, std, want)
		}
		if big := slices.Max(w); float64(big) > 6*want {
			t.Errorf("%s holds %g, beyond six deviations", tensor.Name, big)
		}
	}
	if slices.Equal(theta, Init(c, [32]byte{8})) {
		t.Error("two seeds give one model")
	}
}

// A tied head is the embedding; positions see only what stands before them.
func TestTiedHeadAndCausality(t *testing.T) {
	tied := small()
	tied.Tied = true
	untied := small()
	theta := Init(tied, [32]byte{5})
	tokens := []int32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}
	changed := slices.Clone(tokens)
	changed[5], changed[11] = 30, 31 // the last of each sample
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		logits := func(c Config, theta []float32, tokens []int32) []float32 {
			t.Helper()
			n := len(c.Layout())
			exec, err := graph.NewExec(backend, func(in []*graph.Node) *graph.Node { return Logits(c, in[:n], in[n]) })
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call(append(args(t, backend, c.Layout(), theta), tensors.FromFlatDataAndDimensions(tokens, 2, 6))...)
			if err != nil {
				t.Fatal(err)
			}
			if got := out[0].Shape().Dimensions; !slices.Equal(got, []int{2, 6, c.Vocab}) {
				t.Fatalf("logits have shape %v", got)
			}
			return tensors.MustCopyFlatData[float32](out[0])
		}
		a := logits(tied, theta, tokens)
		b := logits(untied, append(slices.Clone(theta), theta[:40*24]...), tokens)
		c := logits(tied, theta, changed)
		for i := range a {
			if math.Abs(float64(a[i]-b[i])) > 1e-6 {
				t.Fatalf("logit %d is %g tied and %g with a copied head", i, a[i], b[i])
			}
			last := i/40%6 == 5
			if !last && math.Abs(float64(a[i]-c[i])) > 1e-6 {
				t.Fatalf("logit %d of position %d depends on a later token", i, i/40%6)
			}
		}
	})
}

func TestParseHF(t *testing.T) {
	raw, err := os.ReadFile("testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Vocab: 256, Dim: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 160, SeqLen: 64,
		RopeTheta: 10000, NormEps: 1e-5,
	}
	const rope = `"rope_parameters": {
    "rope_theta": 10000.0,
    "rope_type": "default"
  }`
	for _, test := range []struct {
		name, old, new string
		change         func(*Config)
		err            string // part of the refusal
	}{
		{name: "transformers 5"},
		{name: "theta at the top", old: rope, new: `"rope_theta": 10000.0, "rope_scaling": null`},
		{name: "another theta", old: rope, new: `"rope_theta": 5e5`, change: func(c *Config) { c.RopeTheta = 5e5 }},
		{name: "both agree", old: rope, new: rope + `, "rope_theta": 1e4`},
		{name: "both differ", old: rope, new: rope + `, "rope_theta": 5e5`, err: "rope_theta is 500000"},
		{name: "no theta", old: rope, new: `"x": 0`},
		{name: "no head_dim", old: `"head_dim": 16,`},
		{name: "no kv heads", old: `"num_key_value_heads": 2,`, change: func(c *Config) { c.KVHeads = 4 }},
		{name: "tied", old: `"tie_word_embeddings": false`, new: `"tie_word_embeddings": true`, change: func(c *Config) { c.Tied = true }},
		{name: "scaled", old: `"rope_type": "default"`, new: `"rope_type": "llama3"`, err: `"llama3"`},
		{name: "scaled, old spelling", old: rope, new: `"rope_scaling": {"type": "linear", "factor": 2}`, err: `"linear"`},
		{name: "partial", old: `"rope_type": "default"`, new: `"partial_rotary_factor": 0.5`, err: "partial_rotary_factor 0.5"},
		{name: "other architecture", old: "LlamaForCausalLM", new: "GemmaForCausalLM", err: "GemmaForCausalLM"},
		{name: "other type", old: `"llama"`, new: `"qwen2"`, err: `"qwen2"`},
		{name: "biases", old: `"attention_bias": false`, new: `"attention_bias": true`, err: "attention_bias"},
		{name: "mlp biases", old: `"mlp_bias": false`, new: `"mlp_bias": true`, err: "mlp_bias"},
		{name: "dropout", old: `"attention_dropout": 0.0`, new: `"attention_dropout": 0.1`, err: "attention_dropout 0.1"},
		{name: "activation", old: `"silu"`, new: `"gelu"`, err: `"gelu"`},
		{name: "quantised", old: `"pretraining_tp": 1`, new: `"quantization_config": {"bits": 4}`, err: "quantization_config"},
		{name: "no layers", old: `"num_hidden_layers": 2`, new: `"num_hidden_layers": 0`, err: "layers is 0"},
		{name: "no heads", old: `"num_attention_heads": 4`, new: `"num_attention_heads": 0`, err: "heads is 0"},
		{name: "not JSON", old: "{", new: "", err: "config.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(string(raw), test.old) {
				t.Fatalf("config.json holds no %s", test.old)
			}
			got, err := ParseHF([]byte(strings.Replace(string(raw), test.old, test.new, 1)))
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

func TestLoadSafetensorsRefuses(t *testing.T) {
	c, _, _ := loadGolden(t)
	raw, err := os.ReadFile("testdata/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	wider := c
	wider.FFN++
	tied := c
	tied.Tied = true
	deeper := c
	deeper.Layers++
	huge := append(binary.LittleEndian.AppendUint64(nil, 1<<40), raw[8:]...)
	half := []byte(strings.Replace(string(raw), `"F32"`, `"F16"`, 1))
	for _, test := range []struct {
		name   string
		raw    []byte
		config Config
		want   string
	}{
		{"empty", nil, c, "header length"},
		{"huge header", huge, c, "header of"},
		{"cut off", raw[:len(raw)-4], c, "model.norm.weight"},
		{"other shape", raw, wider, "gate_proj"},
		{"too many tensors", raw, tied, "lm_head.weight"},
		{"too few tensors", raw, deeper, "model.layers.2."},
		{"half precision", half, c, "F16"},
	} {
		path := filepath.Join(t.TempDir(), "model.safetensors")
		if err := os.WriteFile(path, test.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadSafetensors(path, test.config.Layout()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want one that names %s", test.name, err, test.want)
		}
	}
	if _, err := LoadSafetensors(filepath.Join(t.TempDir(), "none"), c.Layout()); err == nil {
		t.Error("read a file that is not there")
	}
}
