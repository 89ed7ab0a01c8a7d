package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/trainer/checkpoint"
)

// TestAdapterSwarm tunes a model by an adapter: two nodes, of which one fetches the base from the other; what comes out is the adapter, as peft has it, or
// the whole model.
func TestAdapterSwarm(t *testing.T) {
	t.Parallel()
	const base = "../../trainer/checkpoint/testdata/families/qwen3"
	home := t.TempDir()
	file := filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(patient()+"\n[adapter]\nrank = 4\nalpha = 16\nbase = \"float32\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "A")
	if _, stderr, code := output(t, home, "init", file, "--from-hf", base, "--seq-len", "16", "--dir", dir); code != 0 {
		t.Fatalf("init: %s", stderr)
	}
	want, err := checkpoint.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	if _, first := export(t, home, dir, "--height", "0"); !slices.Equal(theta(t, want), theta(t, first)) || !reflect.DeepEqual(first.Config, want.Config) {
		t.Fatal("before any training the adapter changes the model")
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
	whole, merged := export(t, home, joined, "--merged")
	if !reflect.DeepEqual(merged.Config, want.Config) || slices.Equal(theta(t, merged), theta(t, want)) {
		t.Error("the merged model is not the base with what was learned")
	}
	out := filepath.Join(t.TempDir(), "adapter")
	if _, stderr, code := output(t, home, "export", "--adapter", out, "--dir", dir); code != 0 {
		t.Fatalf("export --adapter: %s", stderr)
	}
	c, _, err := checkpoint.ReadAdapter(out, want.Config)
	if err != nil || c.Adapter.Rank != 4 || c.Adapter.Alpha != 16 || len(c.Pairs()) != 14 {
		t.Errorf("the adapter reads as %+v: %v", c.Adapter, err)
	}
	for _, args := range [][]string{{"--dir", joined}, {"--model", whole}} {
		stdout, stderr, code := output(t, home, append([]string{"generate", "Light", "--tokens", "4"}, args...)...)
		if code != 0 || len(stdout) < len("Light....") {
			t.Errorf("generate %v: %d, %q, %s", args, code, stdout, stderr)
		}
	}
	a.signal(syscall.SIGKILL)
	b.until("the node goes on alone", func(s api.State) bool { return s.Head.Height > 3 })
}

// TestBaseOnThisMachine: a base that is here is not fetched, and another model is refused.
func TestBaseOnThisMachine(t *testing.T) {
	t.Parallel()
	const base = "../../trainer/checkpoint/testdata/families/granite"
	home := t.TempDir()
	dir := filepath.Join(home, "A")
	file := filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(tiny), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := output(t, home, "init", file, "--from-hf", base, "--lora", "2", "--seq-len", "16", "--dir", dir); code != 0 {
		t.Fatalf("init: %s", stderr)
	}
	other := filepath.Join(home, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(base, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(filepath.Join(other, "model.safetensors"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	a := up(t, dir)
	link := a.height(1).Link
	joined := filepath.Join(home, "B")
	if _, stderr, code := output(t, home, "join", link, "--dir", joined); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	_, stderr, code := output(t, home, "up", "--dir", joined, "--base", other)
	if code == 0 || !strings.Contains(stderr, "is not the one that the swarm adapts") {
		t.Errorf("one flipped byte: %d, %s", code, stderr)
	}
	b := up(t, joined, "--base", base)
	b.until("it takes part", func(s api.State) bool { return s.Head.Height > 1 })

	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"init", "--lora", "4"}, "--lora adapts a model: name it with --from-hf DIR"},
		{[]string{"init", file, "--from-hf", base, "--lora", "400", "--seq-len", "16"}, "adapter.rank = 400 is more than"},
		{[]string{"export", "--adapter", filepath.Join(home, "x"), "--merged", "--dir", dir}, "can't be used together"},
	} {
		_, stderr, code := output(t, home, test.args...)
		if code == 0 || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: %d, %s; want %s", test.args, code, stderr, test.want)
		}
	}
}
