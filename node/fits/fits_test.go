package fits_test

import (
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/shard"
)

// of is what 124M parameters take of a machine, in GiB of memory, beside it, and of disk.
func of(t *testing.T, precision string, seq int, memory, host, disk float64) fits.Report {
	t.Helper()
	m := manifest.Default()
	c := &m.Model
	c.Vocab, c.Dim, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN, c.SeqLen, c.Tied = 32000, 768, 14, 12, 12, 64, 2048, seq, true
	m.Inner.Precision = precision
	const gib = 1 << 30
	r, err := fits.Of(m, node.Spec(m, "", ""), fits.Machine{
		Memory: uint64(memory * gib), Host: uint64(host * gib), Disk: uint64(disk * gib), Up: 20e6 / 8, Down: 100e6 / 8, Peers: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAdapters: the model under an adapter counts, by how it lies on the device; where it does not fit in bfloat16, four bits may.
func TestAdapters(t *testing.T) {
	m := manifest.Default()
	m.Adapt(&model.Adapter{Rank: 16})
	c := &m.Model
	c.Vocab, c.Dim, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN, c.SeqLen, c.Tied = 32000, 2048, 24, 16, 16, 128, 5632, 64, true
	c.BaseFiles = []shard.Blob{{Size: 2_600_000_000}}
	m.Inner.Batch = 1
	memory := map[string]uint64{}
	for _, base := range []string{model.BaseFloat32, model.BaseBF16, model.BaseInt8, model.BaseNF4} {
		m.Adapter.Base = base
		r, err := fits.Of(m, node.Spec(m, "", ""), fits.Machine{Peers: 2})
		if err != nil || !r.Fits || r.Base != uint64(m.Model.Config.Base().Layout().Params()) || r.Disk < 2_600_000_000 {
			t.Errorf("%s: %+v, %v", base, r, err)
		}
		memory[base] = r.Step.Memory
	}
	if b := memory; b[model.BaseNF4] >= b[model.BaseInt8] || b[model.BaseInt8] >= b[model.BaseBF16] || b[model.BaseBF16] >= b[model.BaseFloat32] {
		t.Errorf("memory by base: %v", b)
	}
	m.Adapter.Base = model.BaseBF16
	r, err := fits.Of(m, node.Spec(m, "", ""), fits.Machine{Memory: memory[model.BaseInt8], Peers: 2})
	if err != nil || r.Fits || len(r.Ways) == 0 || !strings.HasPrefix(r.Ways[0], `adapter.base = "nf4"`) {
		t.Errorf("where four bits would fit: %+v, %v", r, err)
	}
}

// TestWhatFits asks about machines of all kinds: whether 124M parameters fit, how a step is laid out, and what would help.
func TestWhatFits(t *testing.T) {
	for _, c := range []struct {
		name               string
		precision          string
		seq                int
		memory, host, disk float64
		fits               bool
		atOnce             int
		remat, tight       bool
		says, way          string
	}{
		{"all there is", optimizer.Float32, 64, 0, 0, 0, true, 8, false, false, "", ""},
		{"a large machine", optimizer.Float32, 64, 40, 8, 100, true, 8, false, false, "", ""},
		{"a small one", optimizer.Float32, 64, 2.6, 8, 100, true, 8, false, true, "", ""},
		{"a smaller one", optimizer.Float32, 64, 1.5, 8, 100, false, 1, true, true, "a training step takes", `inner.precision = "bf16"`},
		{"that in bf16", optimizer.BF16, 64, 1.5, 8, 100, true, 1, true, true, "", ""},
		{"a tiny one", optimizer.Float32, 64, .5, 8, 100, false, 1, true, true, "a training step takes", "a device or machine"},
		{"long samples", optimizer.BF16, 16384, 3, 8, 100, false, 1, true, true, "one sample of 16384 tokens", "samples of 2048 tokens"},
		{"no memory for the daemon", optimizer.Float32, 64, 8, .1, 100, false, 8, false, false, "the daemon takes 191 MB", ""},
		{"no disk", optimizer.Float32, 64, 8, 8, 2, false, 8, false, false, "of disk", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := of(t, c.precision, c.seq, c.memory, c.host, c.disk)
			if r.Fits != c.fits || r.Step.Remat != c.remat || r.Step.Tight != c.tight || c.fits && c.atOnce > r.Step.AtOnce {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(r.Why, c.says) || (r.Why == "") != r.Fits || c.fits && r.Line() != "" {
				t.Errorf("it says %q", r.Line())
			}
			if c.way != "" && (len(r.Ways) == 0 || !strings.HasPrefix(r.Ways[0], c.way)) {
				t.Errorf("what would help: %q, want %q first", r.Ways, c.way)
			}
			if r.Down != 3*r.Payload || r.Payload < 123e6/8 || r.Payload > 17e6 || r.Exchange < 6 || r.Exchange > 7 {
				t.Errorf("a round sends %d bytes, takes in %d, and needs %.1f s", r.Payload, r.Down, r.Exchange)
			}
			var table strings.Builder
			if err := r.Table(&table); err != nil || strings.Contains(table.String(), "it fits") != c.fits {
				t.Errorf("%v: %s", err, table.String())
			}
		})
	}
}
