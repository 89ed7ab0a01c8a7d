package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/model"
)

// patient is the tiny swarm with more grace: golden models are five times the tiny one, and under the race detector their steps take longer than
// the tiny swarm's.
func patient() string {
	return strings.NewReplacer("batch = 2", "batch = 1", "h = 20", "h = 4", "h_min = 20", "h_min = 4", "h_max = 20", "h_max = 4",
		"max_ms = 5000", "max_ms = 60000", "grace_ms = 1500", "grace_ms = 8000").Replace(tiny)
}

// TestCheckpointComesAndGoes begins a swarm with a model from elsewhere, lets a node join by link, and exports what both
// have learned.
func TestCheckpointComesAndGoes(t *testing.T) {
	t.Parallel()
	const golden = "../../trainer/checkpoint/testdata"
	home := t.TempDir()
	file := filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(patient()), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "A")
	if _, stderr, code := output(t, home, "init", file, "--from-hf", golden, "--dir", dir); code != 0 {
		t.Fatalf("init: %s", stderr)
	}
	_, first := export(t, home, dir, "--height", "0")
	want, err := checkpoint.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := theta(t, want), theta(t, first); !slices.Equal(a, b) {
		t.Fatal("what goes out before any training is not what came in")
	}

	a := up(t, dir)
	s := a.height(2)
	joined := filepath.Join(home, "B")
	if _, stderr, code := output(t, home, "join", s.Link, "--dir", joined); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	b := up(t, joined)
	a.until("both share a round", func(s api.State) bool { return s.Head.Roster == 2 && len(s.Round.Last.Included) == 2 })
	sameRoots(t, a, b)
	out, newest := export(t, home, joined) // by the daemon, which has it from its peer
	if !reflect.DeepEqual(newest.Config, want.Config) {
		t.Errorf("the configuration became %+v", newest.Config)
	}
	if slices.Equal(theta(t, newest), theta(t, want)) {
		t.Error("nothing was learned")
	}
	_, old := export(t, home, dir, "--height", "1")
	if slices.Equal(theta(t, old), theta(t, want)) || slices.Equal(theta(t, old), theta(t, newest)) {
		t.Error("the state of round 1 is another one's")
	}
	// What was written can be read again: it writes a text, and answers a benchmark.
	for _, args := range [][]string{{"--model", out}, {"--dir", joined}, {"--dir", dir, "--height", "1", "--backend", "go"}} {
		stdout, stderr, code := output(t, home, append([]string{"generate", "Light", "--tokens", "4", "--top-p", "0.9"}, args...)...)
		if code != 0 || !strings.HasPrefix(stdout, "Light") || len(stdout) < len("Light....") {
			t.Errorf("generate %v: %d, %q, %s", args, code, stdout, stderr)
		}
	}
	questions := filepath.Join(home, "piqa.jsonl")
	if err := os.WriteFile(questions, []byte(`{"goal": "Dry a hat", "sol1": "Hang it up", "sol2": "Soak it", "label": 0}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := output(t, home, "eval", "piqa="+questions, "--model", out, "--backend", "go", "--json")
	if code != 0 || !strings.Contains(stdout, `"items": 1`) || !strings.Contains(stdout, `"acc_norm"`) {
		t.Errorf("eval: %d, %s, %s", code, stdout, stderr)
	}
	if _, stderr, code := output(t, home, "export", filepath.Join(home, "x"), "--dir", dir, "--height", "999"); code == 0 || !strings.Contains(stderr, "this node has rounds 0 to") {
		t.Errorf("a round to come: %d, %s", code, stderr)
	}
}

// export writes a model and opens it.
func export(t *testing.T, home, dir string, args ...string) (to string, c *checkpoint.Checkpoint) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "out")
	stdout, stderr, code := output(t, home, append([]string{"export", to, "--dir", dir, "--json"}, args...)...)
	if code != 0 {
		t.Fatalf("export: %s", stderr)
	}
	var said struct{ To string }
	if err := json.Unmarshal([]byte(stdout), &said); err != nil || said.To != to {
		t.Errorf("it said %s, error %v", stdout, err)
	}
	c, err := checkpoint.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	return to, c
}

func theta(t *testing.T, c *checkpoint.Checkpoint) []float32 {
	t.Helper()
	v, err := c.Theta()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCheckpointRefusals(t *testing.T) {
	home := t.TempDir()
	bad := filepath.Join(home, "bad")
	if err := os.Mkdir(bad, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bad, "config.json"), []byte(`{"model_type": "mamba"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// Five tokens to train on, and a tokenizer with more ids than the golden model's vocabulary.
	prepared := func(name, text string, args ...string) string {
		source, set := filepath.Join(home, name+".txt"), filepath.Join(home, name)
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := output(t, home, append([]string{"data", "prepare", source, "--out", set, "--heldout", "2"}, args...)...); code != 0 {
			t.Fatalf("prepare: %s", stderr)
		}
		return set
	}
	large := filepath.Join(home, "tokenizer.json")
	if err := os.WriteFile(large, []byte(strings.Replace(wordTokenizer, `"lantern": 3`, `"lantern": 300`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := model.Config{Vocab: 320, Dim: 8, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 8, FFN: 8, SeqLen: 64, RopeTheta: 1e4, NormEps: 1e-5}
	words := filepath.Join(home, "words-of-its-own")
	if err := checkpoint.Write(words, checkpoint.Export{Config: c, Theta: model.Init(c, [32]byte{1})}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--from-hf", words}, "tokenizer.json is missing"},
		{[]string{"--from-hf", "../../trainer/checkpoint/testdata"}, "name a prepared set with --data SET"},
		{[]string{"--data", prepared("short", "a sea")}, "fewer than a batch of 8"},
		{[]string{"--data", prepared("words", strings.Repeat("the sea ", 2000), "--tokenizer", large)}, "model.vocab = 256 is out of range: 301"},
		{[]string{"--from-hf", bad}, `model_type "mamba" is not supported`},
		{[]string{"--from-hf", home}, "has no config.json"},
		{[]string{"--from-hf", "../../trainer/checkpoint/testdata", "--seq-len", "65"}, "longer than the 64 positions"},
		{[]string{"--data", home}, "data.toml"},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if _, stderr, code := output(t, home, append([]string{"init", "--dir", dir}, test.args...)...); code == 0 || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("init %v: %d, %s", test.args, code, stderr)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("init %v left %s behind", test.args, dir)
		}
	}
}
