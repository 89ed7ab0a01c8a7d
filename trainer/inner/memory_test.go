package inner

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// measured is what a process of its own is asked to train, by measuredEnv.
type measured struct {
	Optimizer    string
	Batch, Micro int
	Remat, Tight bool
	Precision    string
	Model        model.Config
}

const (
	measuredEnv = "MURMUR_TEST_MEMORY"
	steps       = 16 // what a process holds grows by a third in its first steps, and no more in 300
)

// TestMemory holds the estimate of a step's memory to the largest resident set of a process that takes a few, beside what the process has before.
func TestMemory(t *testing.T) {
	if raw := os.Getenv(measuredEnv); raw != "" {
		var m measured
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			t.Fatal(err)
		}
		m.run(t)
		return
	}
	backendtest.Open(t, backendtest.XLA).Finalize() // or skip
	config := func(vocab, dim, layers, seq int) model.Config {
		return model.Config{
			Vocab: vocab, Dim: dim, Layers: layers, Heads: dim / 64, KVHeads: dim / 64, HeadDim: 64, FFN: 8 * dim / 3 / 32 * 32, SeqLen: seq,
			RopeTheta: 1e4, NormEps: 1e-5,
		}
	}
	cases := []measured{
		{optimizer.Muon, 1, 1, false, false, optimizer.Float32, config(8192, 384, 6, 64)},
		{optimizer.AdamW, 4, 1, false, true, optimizer.Float32, config(16384, 256, 4, 128)},
		{optimizer.Muon, 4, 2, true, false, optimizer.BF16, config(2048, 384, 6, 256)},
	}
	if raw := os.Getenv("MURMUR_TEST_MEMORY_CASES"); raw != "" {
		cases = nil
		if err := json.Unmarshal([]byte(raw), &cases); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range cases {
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$", "-test.v")
		cmd.Env = append(os.Environ(), measuredEnv+"="+string(raw), Allocator(m.Tight))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", raw, err, out)
		}
		_, text, _ := strings.Cut(string(out), "took ")
		text, _, _ = strings.Cut(text, " ")
		took, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s said %s", raw, out)
		}
		plan := m.params().Memory()
		t.Logf("%s batch %d in %ds, remat %v, %.1f M parameters: planned %d MiB, took %d MiB", m.Optimizer, m.Batch, m.Micro, m.Remat,
			float64(m.Model.Layout().Params())/1e6, plan>>20, took>>20)
		if took > plan {
			t.Errorf("%s takes %d MiB, %d were planned", raw, took>>20, plan>>20)
		}
	}
}

func (m measured) params() Params {
	return Params{
		Model: m.Model, Batch: m.Batch, Micro: m.Micro, Remat: m.Remat, Tight: m.Tight,
		Optimizer: optimizer.Optimizer{Precision: m.Precision, Kind: m.Optimizer, Momentum: .95, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8}},
	}
}

// run takes some steps and says what they took.
func (m measured) run(t *testing.T) {
	p := m.params()
	p.Backend = backendtest.Open(t, backendtest.XLA)
	before := status(t, "VmRSS:")
	trainer, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Load(model.Init(p.Model, [32]byte{1}), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	// What was loaded lies in memory of this test's own; a trainer has it in a mapped file.
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skip("this system does not begin VmHWM anew: ", err)
	}
	tokens := make([]int32, p.Batch*(p.Model.SeqLen+1))
	for i := range tokens {
		tokens[i] = int32(i % p.Model.Vocab)
	}
	for range steps {
		if _, err := trainer.Step(tokens, 1e-3); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("took %d bytes", status(t, "VmHWM:")-before)
}

// status reads a size of this process's.
func status(t *testing.T, key string) uint64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not say what a process takes: ", err)
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			n, err := strconv.ParseUint(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s", key)
	return 0
}
