package node

import (
	"runtime"
	"testing"

	"github.com/murmurnet/murmur/node/manifest"
)

// TestNeedsOfALargeModel asks what a model of 17 billion parameters takes, without taking it.
func TestNeedsOfALargeModel(t *testing.T) {
	m := manifest.Default()
	m.Model.Dim, m.Model.Layers, m.Model.Heads, m.Model.KVHeads, m.Model.HeadDim, m.Model.FFN = 8192, 19, 64, 64, 128, 24576
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	params := uint64(m.Model.Layout().Params())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	need := needs(m)
	runtime.ReadMemStats(&after)
	if params < 16e9 || need.Memory != 8*params || need.Disk != 44*params {
		t.Errorf("%d parameters take %+v", params, need)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated to find that out", took)
	}
}
