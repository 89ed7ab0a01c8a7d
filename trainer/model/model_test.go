package model

import (
	"encoding/binary"
	"encoding/hex"
	"math"
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
		{"dim", func(c *Config) { c.Dim = maxDim + 1 }},
		{"layers", func(c *Config) { c.Layers = -1 }},
		{"kv_heads", func(c *Config) { c.KVHeads = 3 }},
		{"head_dim", func(c *Config) { c.HeadDim = 7 }},
		{"heads times head_dim", func(c *Config) { c.Heads, c.HeadDim = maxHeads, maxHeadDim }},
		{"ffn", func(c *Config) { c.FFN = 0 }},
		{"seq_len", func(c *Config) { c.SeqLen = 0 }},
		{"rope_theta", func(c *Config) { c.RopeTheta = math.NaN() }},
		{"norm_eps", func(c *Config) { c.NormEps = 0 }},
		{"parameters", func(c *Config) { c.Vocab, c.Dim, c.FFN = MaxVocab, maxDim, maxHidden }},
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
		k := layout[2]
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
			exec, err := graph.NewExec(backend, func(in []*graph.Node) *graph.Node { return Logits(c, Compute{}, in[:n], in[n]) })
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

// args uploads theta as the first arguments of an Exec call.
func args(t *testing.T, backend compute.Backend, layout Layout, theta []float32) []any {
	t.Helper()
	params, err := layout.Upload(backend, theta)
	if err != nil {
		t.Fatal(err)
	}
	args := make([]any, len(params))
	for i, p := range params {
		args[i] = p
	}
	return args
}
