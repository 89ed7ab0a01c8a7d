package inner

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/internal/golden"
	"github.com/murmurnet/murmur/trainer/model"
)

// adapted is an adapter of peft's on its base.
type adapted struct {
	config model.Config
	theta  []float32 // A and B of each layer
	base   *checkpoint.Base
}

// folders are those of reference vectors for adapters, and the folder of each one's base.
func folders(t *testing.T) map[string]string {
	t.Helper()
	dirs := map[string]string{}
	for _, root := range []string{"testdata/lora", os.Getenv("MURMUR_GOLDEN_LORA")} {
		found, err := filepath.Glob(filepath.Join(root, "*", "expected.json"))
		if err != nil || root == "testdata/lora" && len(found) == 0 {
			t.Fatalf("no reference vectors in %s: %v", root, err)
		}
		for _, file := range found {
			var about struct{ Base string }
			if raw, err := os.ReadFile(file); err != nil || json.Unmarshal(raw, &about) != nil {
				t.Fatalf("%s: %v", file, err)
			}
			base := filepath.Join(root, "..", about.Base)
			if root == "testdata/lora" {
				base = filepath.Join("../checkpoint/testdata", about.Base)
				if about.Base == "llama-untied" {
					base = "../checkpoint/testdata"
				}
			}
			dirs[filepath.Dir(file)] = base
		}
	}
	return dirs
}

func openAdapted(t *testing.T, base, dir string, seq int) adapted {
	t.Helper()
	c, err := checkpoint.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	a := adapted{}
	if a.config, a.theta, err = checkpoint.ReadAdapter(dir, c.Config); err != nil {
		t.Fatal(err)
	}
	a.config.SeqLen = seq
	if a.base, err = checkpoint.OpenBase(a.config, c.Files()); err != nil {
		t.Fatal(err)
	}
	return a
}

// freeze uploads the base, and where B alone is trained the A that the adapter has.
func (a adapted) freeze(t *testing.T, backend compute.Backend) *model.Frozen {
	t.Helper()
	f, err := a.config.Freeze(backend, [32]byte{}, a.base.Read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// fixA is the same adapter with B alone trained, on the A that it has.
func (a adapted) fixA(t *testing.T, backend compute.Backend) (adapted, *model.Frozen) {
	t.Helper()
	both := a.config
	alone := *both.Adapter
	alone.Train = model.TrainB
	a.config.Adapter = &alone
	f := a.freeze(t, backend)
	var b []float32
	drawn := len(a.config.Drawn()) / a.config.Layers
	seen := make([]int, a.config.Layers)
	for _, x := range both.Layout() {
		values := a.theta[x.Offset:][:x.Size]
		if filepath.Ext(x.Name[:len(x.Name)-len(".weight")]) == ".lora_B" {
			b = append(b, values...)
			continue
		}
		tensor, err := x.Upload(backend, values)
		if err != nil {
			t.Fatal(err)
		}
		at := &f.Blocks[x.Block][len(f.Blocks[x.Block])-drawn+seen[x.Block]]
		if err := (*at).FinalizeAll(); err != nil {
			t.Fatal(err)
		}
		*at = tensor
		seen[x.Block]++
	}
	a.theta = b
	return a, f
}

// logits are those of tokens [batch, seq].
func (a adapted) logits(t *testing.T, backend compute.Backend, f *model.Frozen, tokens [][]int32) []float32 {
	t.Helper()
	c, layout := a.config, a.config.Layout()
	params, err := layout.Upload(backend, a.theta)
	if err != nil {
		t.Fatal(err)
	}
	held := len(f.Blocks[0])
	exec, err := graph.NewExec(backend, func(in []*graph.Node) *graph.Node {
		frozen, rest := in[len(params):len(params)+held*c.Layers], in[len(params)+held*c.Layers:]
		embedding, norm, head, ids := rest[0], rest[1], rest[2], rest[3]
		x := model.Embed(c, embedding, ids)
		for i := range c.Layers {
			from, to := c.Block(i)
			x = model.Block(c, model.Compute{}, c.Kind(i), in[from:to], frozen[i*held:][:held], x, len(tokens))
		}
		return model.Head(c, model.Compute{}, norm, head, x)
	})
	if err != nil {
		t.Fatal(err)
	}
	args := anys(params)
	for _, b := range f.Blocks {
		args = append(args, anys(b)...)
	}
	out, err := exec.Call(append(args, f.Embedding, f.Norm, f.Head, tensors.FromValue(tokens))...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

// TestAdapters holds logits, losses, gradients and twenty steps of training with adapters to peft's, and merged weights to unmerged ones.
func TestAdapters(t *testing.T) {
	for dir, base := range folders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want := golden.Read(t, filepath.Join(dir, "expected.json"))
			backendtest.Each(t, func(t *testing.T, backend compute.Backend) { testAdapter(t, backend, base, dir, want) })
		})
	}
}

func testAdapter(t *testing.T, backend compute.Backend, base, dir string, want golden.Expected) {
	seq := len(want.Inputs[0])
	close := func(what string, got []float32, want golden.Values) {
		t.Helper()
		if off := apart(got, want.Floats(t)); !(off <= 1e-4) {
			t.Errorf("%s differ by %.2g, want at most 1e-4", what, off)
		}
	}
	drawn := openAdapted(t, base, filepath.Join(dir, "drawn"), seq)
	frozen := drawn.freeze(t, backend)
	close("logits", drawn.logits(t, backend, frozen, want.Inputs), want.RawLogits)

	o := optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1, DecayAll: true}}
	still := o
	still.Kind, still.Momentum = optimizer.None, 0
	p := Params{Backend: backend, Model: drawn.config, Frozen: frozen, Batch: len(want.Inputs), Optimizer: still}
	g, err := NewGradient(p)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Load(drawn.theta, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	loss, err := g.Step(want.Tokens(), 0)
	if err != nil || !(math.Abs(float64(loss)-want.Loss) <= 1e-5) {
		t.Errorf("loss %.7f, want %.7f: %v", loss, want.Loss, err)
	}
	grad := make([]float32, g.layout.Params())
	if _, err := g.Take(grad); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, x := range g.layout {
		norm, ok := want.GradL2["base_model.model."+x.Name]
		if !ok {
			continue // of an A that peft did not train
		}
		compared++
		var sum float64
		for _, v := range grad[x.Offset:][:x.Size] {
			sum += float64(v) * float64(v)
		}
		if off := math.Abs(math.Sqrt(sum)-norm) / max(norm, 1e-3); !(off <= 1e-4) {
			t.Errorf("gradient norm of %s is %g, want %g", x.Name, math.Sqrt(sum), norm)
		}
	}
	if compared != len(want.GradL2) {
		t.Errorf("%d gradients compared, want %d", compared, len(want.GradL2))
	}

	trained := openAdapted(t, base, filepath.Join(dir, "initial"), seq)
	if len(want.Trained) == 1 {
		trained, frozen = trained.fixA(t, backend)
	}
	p.Model, p.Frozen, p.Optimizer = trained.config, frozen, o
	trainer, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Load(trained.theta, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	for i, w := range want.TrainLosses {
		loss, err := trainer.Step(want.Tokens(), 5e-3)
		if err != nil || !(math.Abs(float64(loss)-w) <= 5e-5) {
			t.Errorf("loss %d is %.6f, want %.6f within 5e-5: %v", i, loss, w, err)
		}
	}
	if _, err := trainer.Read(trained.theta, nil, nil); err != nil {
		t.Fatal(err)
	}
	close("logits after training", trained.logits(t, backend, frozen, want.Inputs), want.FinalLogits)

	final := openAdapted(t, base, filepath.Join(dir, "final"), seq)
	merged, err := final.base.Merge(final.config, final.theta, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := final.config.Base()
	params, err := whole.Layout().Upload(backend, merged)
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(backend, func(in []*graph.Node) *graph.Node {
		return model.Logits(whole, model.Compute{}, in[:len(params)], in[len(params)])
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Call(append(anys(params), tensors.FromValue(want.Inputs))...)
	if err != nil {
		t.Fatal(err)
	}
	close("logits of merged weights", tensors.MustCopyFlatData[float32](out[0]), want.MergedLogits)
}

// TestAdapterInBF16: with parameters and moments in bfloat16 an adapter of a base in four bits learns nearly what it does in float32.
func TestAdapterInBF16(t *testing.T) {
	dir := "testdata/lora/qwen3-ab"
	want := golden.Read(t, filepath.Join(dir, "expected.json"))
	a := openAdapted(t, folders(t)[dir], filepath.Join(dir, "initial"), len(want.Inputs[0]))
	backend := backendtest.Open(t, backendtest.XLA)
	losses := map[string]float32{}
	for _, precision := range []string{optimizer.Float32, optimizer.BF16} {
		adapter := *a.config.Adapter
		adapter.Base = model.BaseNF4
		a.config.Adapter = &adapter
		trainer, err := New(Params{
			Backend: backend, Model: a.config, Frozen: a.freeze(t, backend), Batch: len(want.Inputs),
			Optimizer: optimizer.Optimizer{Precision: precision, Kind: optimizer.Muon, Momentum: .95, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer trainer.Close()
		if err := trainer.Load(a.theta, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if losses[precision], err = trainer.Step(want.Tokens(), 5e-3); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f, b := losses[optimizer.Float32], losses[optimizer.BF16]; !(f < 7.5) || math.Abs(float64(f-b)) > .1 {
		t.Errorf("after ten steps the loss is %.3f in float32 and %.3f in bf16", f, b)
	}
}
