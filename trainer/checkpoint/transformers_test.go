package checkpoint

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/murmurnet/murmur/trainer/internal/golden"
)

// folder is a model for testdata/logits.py to load.
type folder struct {
	Dir, Adapter string
	Expected     []string
}

// compareLogits runs logits.py. MURMUR_TORCH names a Python that has torch, transformers and peft.
func compareLogits(t *testing.T, folders []folder) {
	t.Helper()
	python := os.Getenv("MURMUR_TORCH")
	if python == "" {
		t.Skip("MURMUR_TORCH names no Python with torch, transformers and peft")
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/logits.py")
	cmd.Stdin = bytes.NewReader(must(json.Marshal(folders))(t))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// TestTransformersLoadsAdapters: an adapter that is read and written again is peft's, with the same logits; it comes to its base as it was.
func TestTransformersLoadsAdapters(t *testing.T) {
	var folders []folder
	for dir, base := range map[string]string{"llama-ab": tiny, "qwen3-b": familyOf + "/qwen3", "phi3-ab": familyOf + "/phi3"} {
		from := filepath.Join("../inner/testdata/lora", dir)
		c, theta, err := ReadAdapter(filepath.Join(from, "final"), must(Open(base))(t).Config)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "adapter")
		if err := WriteAdapter(out, Adapter{Config: c, Theta: theta, Card: Card{Name: "tiny"}}); err != nil {
			t.Fatal(err)
		}
		again, values, err := ReadAdapter(out, must(Open(base))(t).Config)
		if err != nil || !slices.Equal(values, theta) || !reflect.DeepEqual(again, c) {
			t.Errorf("%s: what is written reads as %+v, %v", dir, again.Adapter, err)
		}
		folders = append(folders, folder{Dir: must(filepath.Abs(base))(t), Adapter: out, Expected: []string{must(filepath.Abs(filepath.Join(from, "expected.json")))(t)}})
	}
	compareLogits(t, folders)
}

// TestTransformersLoads: transformers loads what is exported and gives the same logits.
func TestTransformersLoads(t *testing.T) {
	var folders []folder
	for _, from := range golden.Families(t, familyOf) {
		dir, _ := reexport(t, from, 50_000, nil)
		f := folder{Dir: dir}
		for _, e := range golden.Expectations(t, from) {
			f.Expected = append(f.Expected, must(filepath.Abs(e))(t))
		}
		folders = append(folders, f)
	}
	compareLogits(t, folders)
}
