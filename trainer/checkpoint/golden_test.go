package checkpoint

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/internal/golden"
	"github.com/murmurnet/murmur/trainer/model"
)

const (
	tiny     = "testdata" // a Llama that transformers wrote
	familyOf = "testdata/families"
)

// TestGolden compares logits, loss and gradient norms with transformers', of a Llama and of each other family.
func TestGolden(t *testing.T) {
	for _, dir := range append([]string{tiny}, golden.Families(t, familyOf)...) {
		for _, file := range golden.Expectations(t, dir) {
			name, _ := filepath.Rel(filepath.Dir(dir), file)
			t.Run(name, func(t *testing.T) { compare(t, must(Open(dir))(t), golden.Read(t, file)) })
		}
	}
}

func compare(t *testing.T, checked *Checkpoint, want golden.Expected) {
	t.Helper()
	c, theta, layout := checked.Config, must(checked.Theta())(t), checked.Config.Layout()
	c.SeqLen = len(want.Inputs[0])
	wantLogits := want.RawLogits.Floats(t)
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		exec := must(graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			params, tokens, targets := in[:len(layout)], in[len(layout)], in[len(layout)+1]
			inputs, _ := model.Sides(tokens)
			logits := model.Logits(c, model.Compute{}, params, inputs)
			loss, grads := model.Gradients(c, model.Compute{}, params, tokens)
			return append([]*graph.Node{logits, model.Loss(logits, targets), loss}, grads...)
		}))(t)
		tokens := tensors.FromFlatDataAndDimensions(want.Tokens(), len(want.Inputs), c.SeqLen+1)
		out := must(exec.Call(append(args(t, backend, layout, theta), tokens, tensors.FromValue(want.Targets))...))(t)

		logits := tensors.MustCopyFlatData[float32](out[0])
		if len(wantLogits) != len(logits) {
			t.Fatalf("%d logits, want %d", len(logits), len(wantLogits))
		}
		var worst, worstNorm float64
		for i, got := range logits {
			worst = max(worst, math.Abs(float64(got)-float64(wantLogits[i])))
		}
		if !(worst <= 1e-4) {
			t.Errorf("logits differ by up to %g, want at most 1e-4", worst)
		}
		for i, of := range []string{"logits", "the training step"} {
			if loss := float64(tensors.ToScalar[float32](out[1+i])); !(math.Abs(loss-want.Loss) <= 1e-5) {
				t.Errorf("loss of %s is %.8f, want %.8f within 1e-5", of, loss, want.Loss)
			}
		}
		for i, tensor := range layout {
			var sum float64
			for _, g := range tensors.MustCopyFlatData[float32](out[3+i]) {
				sum += float64(g) * float64(g)
			}
			norm, ok := want.GradL2[tensor.Name]
			// A gradient that is exactly zero is noise of 1e-8 there and here.
			off := math.Abs(math.Sqrt(sum)-norm) / max(norm, 1e-3)
			worstNorm = max(worstNorm, off)
			if !ok || !(off <= 1e-4) {
				t.Errorf("gradient norm of %s is %g, want %g within 0.01 %%", tensor.Name, math.Sqrt(sum), norm)
			}
		}
		t.Logf("largest differences: logits %.2g, gradient norms %.2g (relative)", worst, worstNorm)
	})
}

// TestSpellings: the older spelling of a config.json says the same model.
func TestSpellings(t *testing.T) {
	for _, dir := range golden.Families(t, familyOf) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			old, err := os.ReadFile(filepath.Join(dir, "config-old.json"))
			if err != nil {
				t.Skip(err)
			}
			want, got := must(describe(must(os.ReadFile(filepath.Join(dir, configFile)))(t)))(t), must(describe(old))(t)
			if !reflect.DeepEqual(got.model, want.model) {
				t.Errorf("the older spelling is\n%+v, the newer\n%+v", got.model, want.model)
			}
		})
	}
}

// TestFamiliesRoundTrip: what came in goes out, in names, shapes, types, values and the bytes of config.json, in one file and in several, in each type.
func TestFamiliesRoundTrip(t *testing.T) {
	for _, dir := range golden.Families(t, familyOf) {
		for _, dtype := range []DType{F32, BF16, F16} {
			t.Run(filepath.Base(dir)+"/"+string(dtype), func(t *testing.T) {
				as := func(e *Export) {
					for name := range e.Origin.DTypes {
						e.Origin.DTypes[name] = dtype
					}
				}
				first, was := reexport(t, dir, 30_000, as)
				again, is := reexport(t, first, maxPart, nil)
				if !slices.Equal(must(is.Theta())(t), must(was.Theta())(t)) {
					t.Error("values differ")
				}
				if len(is.places) != len(was.places) || len(was.places) != len(must(Open(dir))(t).places) {
					t.Errorf("%d tensors, then %d", len(was.places), len(is.places))
				}
				for name, p := range was.places {
					if q := is.places[name]; q.dtype != dtype || !slices.Equal(q.shape, p.shape) {
						t.Errorf("%s is %s %v, want %s %v", name, q.dtype, q.shape, dtype, p.shape)
					}
				}
				for _, name := range []string{configFile, "generation_config.json"} {
					a, _ := os.ReadFile(filepath.Join(dir, name))
					if b, _ := os.ReadFile(filepath.Join(again, name)); !bytes.Equal(a, b) {
						t.Errorf("%s differs", name)
					}
				}
			})
		}
	}
}

// TestPartForText: of a checkpoint that also sees, the model for text is read, and what is left out is named.
func TestPartForText(t *testing.T) {
	for _, prefix := range []string{"language_model.model.", "model.language_model."} {
		dir := t.TempDir()
		from := must(Open(filepath.Join(familyOf, "gemma3_text")))(t)
		whole := map[string]any{"model_type": "gemma3", "architectures": []string{"Gemma3ForConditionalGeneration"}, "vision_config": map[string]any{"hidden_size": 8}}
		var text map[string]any
		if err := json.Unmarshal(from.text, &text); err != nil {
			t.Fatal(err)
		}
		delete(text, "architectures")
		whole["text_config"] = text
		writeJSON(t, filepath.Join(dir, configFile), whole)
		e := Export{Config: from.Config, Theta: append(must(from.Theta())(t), 1, 2, 3)}
		p := part{}
		for _, x := range from.Config.Layout() {
			x.Name = prefix + x.Name[len("model."):]
			p.tensors = append(p.tensors, x)
		}
		p.tensors = append(p.tensors, model.Tensor{Name: "vision_tower.post.weight", Shape: []int{3}, Offset: from.Config.Layout().Params(), Size: 3})
		if err := e.part(filepath.Join(dir, singleFile), p); err != nil {
			t.Fatal(err)
		}
		out, c := reexport(t, dir, maxPart, nil)
		if !reflect.DeepEqual(c.Config, from.Config) || !slices.Equal(must(c.Theta())(t), must(from.Theta())(t)) {
			t.Errorf("%s: it reads as %+v", prefix, c.Config)
		}
		if aside := must(Open(dir))(t).Aside; !slices.Contains(aside, "vision_tower, 1 tensors, is left out: it is not for text") {
			t.Errorf("%s: left out: %q", prefix, aside)
		}
		p.tensors = append(p.tensors, p.tensors[1])
		p.tensors[len(p.tensors)-1].Name = "language_model.model." + p.tensors[1].Name[len(prefix):]
		p.tensors[1].Name = "model.language_model." + p.tensors[1].Name[len(prefix):]
		twice := t.TempDir()
		writeJSON(t, filepath.Join(twice, configFile), whole)
		if err := e.part(filepath.Join(twice, singleFile), p); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(twice); err == nil || !strings.Contains(err.Error(), "is there twice, under two prefixes") {
			t.Errorf("a tensor under two prefixes: %v", err)
		}
		var written map[string]any
		if err := json.Unmarshal(must(os.ReadFile(filepath.Join(out, configFile)))(t), &written); err != nil || written["model_type"] != "gemma3_text" {
			t.Errorf("%s: it is written as %v, %v", prefix, written["model_type"], err)
		}
	}
}

// TestHeadBesideEmbedding: a tied head that was stored is stored again.
func TestHeadBesideEmbedding(t *testing.T) {
	dir := filepath.Join(familyOf, "granite")
	first, c := reexport(t, dir, maxPart, func(e *Export) { e.Origin.DTypes[headName] = F32 })
	if _, ok := c.places[headName]; !ok {
		t.Fatal("the head is not there")
	}
	if _, again := reexport(t, first, maxPart, nil); again.places[headName].bytes != c.places[headName].bytes {
		t.Error("the head is not there the second time")
	}
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	if err := os.WriteFile(path, must(json.Marshal(v))(t), 0o600); err != nil {
		t.Fatal(err)
	}
}

// args uploads theta as the first arguments of an Exec call.
func args(t *testing.T, backend compute.Backend, layout model.Layout, theta []float32) []any {
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
