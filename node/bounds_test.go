package node

import (
	"runtime"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/manifest"
)

// TestQuotaCountsStrangers has what strangers draw begin anew with the month, as all traffic does.
func TestQuotaCountsStrangers(t *testing.T) {
	var q quota
	may, june := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		total, drawn uint64
		at           time.Time
		bytes, their uint64
	}{{100, 10, may, 100, 10}, {150, 30, may, 150, 30}, {180, 35, june, 30, 5}, {200, 35, may, 50, 5}} {
		if used, changed := q.count(c.total, c.drawn, c.at); used.Bytes != c.bytes || used.Drawn != c.their || !changed {
			t.Errorf("%+v counts %d bytes, %d of strangers", c, used.Bytes, used.Drawn)
		}
	}
}

// TestNeedsOfALargeModel asks what a model of 17 billion parameters takes, without taking it.
func TestNeedsOfALargeModel(t *testing.T) {
	m := manifest.Default()
	m.Model.Dim, m.Model.Layers, m.Model.Heads, m.Model.KVHeads, m.Model.HeadDim, m.Model.FFN = 8192, 19, 64, 64, 128, 24576
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	params := uint64(m.Model.Config().Layout().Params())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	need := needs(m)
	runtime.ReadMemStats(&after)
	if params < 16e9 || need.Memory != 8*params || need.Disk != 24*params {
		t.Errorf("%d parameters take %+v", params, need)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated to find that out", took)
	}
}
