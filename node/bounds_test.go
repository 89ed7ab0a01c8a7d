package node

import (
	"runtime"
	"testing"

	"github.com/murmurnet/murmur/node/fits"
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
	r, err := fits.Of(m, Spec(m, "", ""), fits.Machine{Memory: 1 << 34, Host: 1 << 34, Disk: 1 << 40})
	runtime.ReadMemStats(&after)
	if err != nil || params < 16e9 || r.Fits || r.Step.Memory < 12*params || r.Disk < 44*params || r.Daemon < params {
		t.Errorf("%d parameters take %+v, %v", params, r, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated to find that out", took)
	}
}
