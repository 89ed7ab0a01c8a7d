package checkpoint

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/murmurnet/murmur/trainer/internal/golden"
)

// TestTransformersLoads: transformers loads what is exported and gives the same logits. MURMUR_TORCH names a Python that has torch and transformers.
func TestTransformersLoads(t *testing.T) {
	python := os.Getenv("MURMUR_TORCH")
	if python == "" {
		t.Skip("MURMUR_TORCH names no Python with torch and transformers")
	}
	type folder struct {
		Dir      string
		Expected []string
	}
	var folders []folder
	for _, from := range golden.Families(t, familyOf) {
		dir, _ := reexport(t, from, 50_000, nil)
		f := folder{Dir: dir}
		for _, e := range golden.Expectations(t, from) {
			f.Expected = append(f.Expected, must(filepath.Abs(e))(t))
		}
		folders = append(folders, f)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/logits.py")
	cmd.Stdin = bytes.NewReader(must(json.Marshal(folders))(t))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
