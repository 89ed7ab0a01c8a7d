// Package golden reads reference vectors: folders with a checkpoint and what transformers makes of it. It is for tests only.
package golden

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// Expected is what a checkpoint's model gives for a batch.
type Expected struct {
	Inputs, Targets [][]int32
	Loss            float64            // mean cross-entropy, in nats
	GradL2          map[string]float64 `json:"grad_l2"`      // by parameter
	TrainLosses     []float64          `json:"train_losses"` // before each of twenty steps
	RawLogits       Values             `json:"logits"`       // [batch, seq, vocab]

	Trained      []string // what of an adapter is trained
	FinalLogits  Values   `json:"final_logits"`  // after the twenty steps
	MergedLogits Values   `json:"merged_logits"` // then, with the adapter in the weights
}

// Values are base64 of little-endian float32.
type Values string

// Read reads a file of expectations.
func Read(t testing.TB, path string) (e Expected) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return e
}

// Floats are the values.
func (v Values) Floats(t testing.TB) []float32 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(string(v))
	if err != nil {
		t.Fatal(err)
	}
	floats := make([]float32, len(raw)/4)
	for i := range floats {
		floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return floats
}

// Tokens are the batch as training takes it: samples of one token more than the inputs.
func (e Expected) Tokens() (tokens []int32) {
	for i, row := range e.Inputs {
		tokens = append(append(tokens, row...), e.Targets[i][len(row)-1])
	}
	return tokens
}

// Families lists the folders of a directory, and those of the directory that the environment variable MURMUR_GOLDEN_FAMILIES names.
func Families(t testing.TB, dir string) (dirs []string) {
	t.Helper()
	roots := []string{dir}
	if more := os.Getenv("MURMUR_GOLDEN_FAMILIES"); more != "" {
		roots = append(roots, more)
	}
	for _, root := range roots {
		found, err := filepath.Glob(filepath.Join(root, "*", "expected.json"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no reference vectors in %s: %v", root, err)
		}
		for _, f := range found {
			dirs = append(dirs, filepath.Dir(f))
		}
	}
	return dirs
}

// Expectations lists the files of expectations of a folder.
func Expectations(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "expected*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no expectations in %s: %v", dir, err)
	}
	return files
}
