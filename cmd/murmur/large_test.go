//go:build linux

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/model"
)

// large is a swarm on a model as large as GPT-2 small: some seconds a step on two cores.
const large = `
name = "large"
[inner]
optimizer = "adamw"
batch = 1
lr = 1e-4
warmup_tokens = 0
[rounds]
h = 5
h_min = 5
h_max = 5
min_ms = 1000
max_ms = 300000
grace_ms = 30000
view_timeout_ms = 15000
snapshot_every = 2
`

// TestLarge takes a model of 124 million parameters in, has two nodes train it through a kill, and takes it out again. It
// needs XLA, 16 GiB and some minutes.
func TestLarge(t *testing.T) {
	if os.Getenv("MURMUR_TEST_LARGE") == "" {
		t.Skip("MURMUR_TEST_LARGE is not set: this takes 16 GiB of memory and some minutes")
	}
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", filepath.Join(dataDir(t), "xla", "cpu-0.11.2"))
	home := t.TempDir()
	config := model.Config{
		Vocab: 50304, Dim: 768, Layers: 12, Heads: 12, KVHeads: 12, HeadDim: 64, FFN: 2048, SeqLen: 1024, RopeTheta: 1e4, NormEps: 1e-5, Tied: true,
	}
	from := filepath.Join(home, "from")
	if err := checkpoint.Write(from, checkpoint.Export{Config: config, Theta: model.Init(config, [32]byte{1}), Card: checkpoint.Card{Name: "from"}}); err != nil {
		t.Fatal(err)
	}
	file, dir := filepath.Join(home, "swarm.toml"), filepath.Join(home, "A")
	if err := os.WriteFile(file, []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := output(t, home, "init", file, "--from-hf", from, "--seq-len", "128", "--bytes", "--dir", dir); code != 0 {
		t.Fatalf("init: %s", stderr)
	}
	wait := func(d *daemon, what string, ok func(api.State) bool) api.State {
		t.Helper()
		began := time.Now()
		s := d.within(10*time.Minute, what, ok)
		t.Logf("%s after %.0f s", what, time.Since(began).Seconds())
		return s
	}
	onXLA := []string{"up", "--host", "127.0.0.1", "--port", "0", "--no-mdns", "--backend", "xla:cpu", "--dir"}
	a := start(t, dir, murmur(t.Context(), home, append(slices.Clone(onXLA), dir)...))
	s := wait(a, "it listens", func(s api.State) bool { return s.Link != "" && s.Trainer.Up })
	joined := filepath.Join(home, "B")
	if _, stderr, code := output(t, home, "join", s.Link, "--dir", joined); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	b := start(t, joined, murmur(t.Context(), home, append(slices.Clone(onXLA), joined)...))
	s = wait(a, "both share a round", func(s api.State) bool { return len(s.Round.Last.Included) == 2 })
	s = wait(a, "two more rounds are over", func(n api.State) bool { return n.Head.Height >= s.Head.Height+2 })

	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-b.done
	wait(a, "a round is over without the other", func(n api.State) bool { return n.Head.Height > s.Head.Height && len(n.Round.Last.Included) == 1 })
	b = start(t, joined, murmur(t.Context(), home, append(slices.Clone(onXLA), append([]string{joined}, a.bootstrap()...)...)...))
	wait(a, "both share a round again", func(s api.State) bool { return len(s.Round.Last.Included) == 2 })
	for _, d := range []*daemon{a, b} {
		if _, err := d.client.Pause(t.Context(), "", true); err != nil {
			t.Fatal(err)
		}
	}
	sameRoots(t, a, b)
	_, ours := export(t, home, dir)
	_, theirs := export(t, home, joined)
	if !reflect.DeepEqual(ours.Config, config) || !slices.Equal(theta(t, ours), theta(t, theirs)) {
		t.Errorf("the two export different models, of %+v", ours.Config)
	}
}
