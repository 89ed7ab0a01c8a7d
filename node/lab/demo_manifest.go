package lab

import (
	"time"

	"github.com/murmurnet/murmur/node/manifest"
)

// DemoManifest is the demo's swarm: 0.87M parameters with XLA, fewer for the
// pure-Go backend, which is about 15 times slower. A short demo has short rounds, or
// its script would not come to its end.
func DemoManifest(method string, xla, short bool) (manifest.Manifest, error) {
	m, err := manifest.For(method)
	if err != nil {
		return m, err
	}
	m.Name = "demo"
	m.Rounds = manifest.Rounds{
		H: 30, HMin: 30, HMax: 30, MinMS: 500, MaxMS: 60_000, GraceMS: 4000, ViewTimeoutMS: 2000, SnapshotEvery: 5, MaxUpdates: 64,
	}
	m.Inner.WarmupTokens, m.Inner.TotalTokens = 100_000, 1_600_000
	if !xla {
		m.Model.Dim, m.Model.Layers, m.Model.Heads, m.Model.KVHeads, m.Model.FFN, m.Model.SeqLen = 64, 2, 2, 2, 176, 64
		m.Inner.WarmupTokens, m.Inner.TotalTokens = 40_000, 900_000
		m.Inner.LR *= 1.5
	}
	if short {
		m.Rounds.H, m.Rounds.HMin, m.Rounds.HMax = 8, 8, 8
	}
	if m.Method.Gradients() { // a commit of every step
		m.Rounds.H, m.Rounds.HMin, m.Rounds.HMax, m.Rounds.MinMS, m.Rounds.SnapshotEvery = 1, 1, 1, 0, 50
	}
	m.Method.Fragments = min(m.Method.Fragments, uint32(m.Model.Layers))
	return m, m.Validate()
}

// budget is how long the demo trains before it winds up, so that it ends within
// 4 minutes (5 on the pure-Go backend).
func (p DemoParams) budget() time.Duration {
	if p.For > 0 {
		return p.For
	}
	if p.XLA {
		return 200 * time.Second
	}
	return 255 * time.Second
}
