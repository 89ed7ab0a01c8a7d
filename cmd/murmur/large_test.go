//go:build linux

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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
	a, b := throughAKill(t, home, dir)
	sameRoots(t, a, b)
	_, ours := export(t, home, dir)
	_, theirs := export(t, home, b.dir)
	if !reflect.DeepEqual(ours.Config, config) || !slices.Equal(theta(t, ours), theta(t, theirs)) {
		t.Errorf("the two export different models, of %+v", ours.Config)
	}
}

// throughAKill has the node of dir and one that joins it train together, kills the other, and brings it back; then both are paused.
func throughAKill(t *testing.T, home, dir string, joining ...string) (a, b *daemon) {
	t.Helper()
	wait := func(d *daemon, what string, ok func(api.State) bool) api.State {
		t.Helper()
		began := time.Now()
		s := d.within(10*time.Minute, what, ok)
		t.Logf("%s after %.0f s", what, time.Since(began).Seconds())
		return s
	}
	onXLA := []string{"up", "--host", "127.0.0.1", "--port", "0", "--no-mdns", "--backend", "xla:cpu", "--dir"}
	a = start(t, dir, murmur(t.Context(), home, append(slices.Clone(onXLA), dir)...))
	s := wait(a, "it listens", func(s api.State) bool { return s.Link != "" && s.Trainer.Up })
	joined := filepath.Join(home, "B")
	if _, stderr, code := output(t, home, "join", s.Link, "--dir", joined); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	b = start(t, joined, murmur(t.Context(), home, append(append(slices.Clone(onXLA), joined), joining...)...))
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
	return a, b
}

// tuned is a swarm on an adapter of a model as large as Qwen3-0.6B.
const tuned = `
name = "tuned"
[inner]
optimizer = "adamw"
batch = 1
lr = 1e-4
warmup_tokens = 0
[rounds]
h = 2
h_min = 2
h_max = 2
min_ms = 1000
max_ms = 600000
grace_ms = 120000
view_timeout_ms = 60000
snapshot_every = 2
[adapter]
rank = 16
base = "`

// TestLargeTune has two nodes tune a model of 596 million parameters through a kill. It needs XLA, 12 GiB and some minutes.
func TestLargeTune(t *testing.T) {
	if os.Getenv("MURMUR_TEST_LARGE") == "" {
		t.Skip("MURMUR_TEST_LARGE is not set: this takes 12 GiB of memory and some minutes")
	}
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", filepath.Join(dataDir(t), "xla", "cpu-0.11.2"))
	from := filepath.Join(t.TempDir(), "from")
	writeQwen(t, from)
	for _, test := range []struct {
		base string
		most uint64 // bytes of a trainer's anonymous memory
	}{{model.BaseBF16, 3e9}, {model.BaseNF4, 2e9}} {
		t.Run(test.base, func(t *testing.T) {
			home := t.TempDir()
			file, dir := filepath.Join(home, "swarm.toml"), filepath.Join(home, "A")
			if err := os.WriteFile(file, []byte(tuned+test.base+"\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, stderr, code := output(t, home, "init", file, "--from-hf", from, "--seq-len", "256", "--bytes", "--dir", dir); code != 0 {
				t.Fatalf("init: %s", stderr)
			}
			trainers, daemons := watchMemory(t)
			a, b := throughAKill(t, home, dir, "--base", from)
			sameRoots(t, a, b)
			if m := trainers(); m == 0 || m > test.most {
				t.Errorf("a trainer took %d MB, want at most %d", m>>20, test.most>>20)
			} else {
				t.Logf("a trainer took %d MB", m>>20)
			}
			if m := daemons(); m == 0 || m > 150<<20 {
				t.Errorf("a daemon took %d MB, want at most 150", m>>20)
			} else {
				t.Logf("a daemon took %d MB", m>>20)
			}
			out := filepath.Join(home, "adapter")
			if _, stderr, code := output(t, home, "export", "--adapter", out, "--dir", b.dir); code != 0 {
				t.Fatalf("export: %s", stderr)
			}
			base, err := checkpoint.Open(from)
			if err != nil {
				t.Fatal(err)
			}
			if c, _, err := checkpoint.ReadAdapter(out, base.Config); err != nil || c.Adapter.Rank != 16 {
				t.Errorf("the adapter reads as %+v: %v", c.Adapter, err)
			}
		})
	}
}

// writeQwen writes a checkpoint of Qwen3-0.6B's shape with random weights in bfloat16.
func writeQwen(t *testing.T, dir string) {
	t.Helper()
	c := model.Config{
		Family: "qwen3", Vocab: 151936, Dim: 1024, Layers: 28, Heads: 16, KVHeads: 8, HeadDim: 128, FFN: 3072, SeqLen: 40960, RopeTheta: 1e6, NormEps: 1e-6, Tied: true,
	}
	o := &checkpoint.Origin{DTypes: map[string]checkpoint.DType{}, Files: map[string][]byte{"config.json": []byte(`{"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024,
		"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "max_position_embeddings": 40960,
		"rope_theta": 1000000, "tie_word_embeddings": true, "architectures": ["Qwen3ForCausalLM"]}`)}}
	for _, x := range c.Layout() {
		o.DTypes[x.Name] = checkpoint.BF16
	}
	if err := checkpoint.Write(dir, checkpoint.Export{Config: c, Theta: model.Init(c, [32]byte{1}), Origin: o, Card: checkpoint.Card{Name: "qwen"}}); err != nil {
		t.Fatal(err)
	}
}

// watchMemory gives the most anonymous memory that a trainer and that a daemon of this test have taken, as seen ten times a second.
func watchMemory(t *testing.T) (trainers, daemons func() uint64) {
	t.Helper()
	var most [2]atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // a process may be gone
			for _, f := range files {
				line, _ := os.ReadFile(f)
				args := strings.Split(string(line), "\x00")
				if len(args) < 2 || args[0] != os.Args[0] && filepath.Base(args[0]) != filepath.Base(os.Args[0]) {
					continue
				}
				kind := slices.Index([]string{"trainer", "up"}, args[1])
				status, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "status"))
				_, rest, ok := strings.Cut(string(status), "RssAnon:")
				if kind < 0 || !ok {
					continue
				}
				kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
				if m := &most[kind]; kib<<10 > m.Load() {
					m.Store(kib << 10)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return most[0].Load, most[1].Load
}
