package lab

import (
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/manifest"
)

// Models are the names of the models that benches exchange: by parameters, and one so small that rounds cost nothing.
func Models() []string { return []string{"124M", "25M", "2.4M", "0.87M", "tiny"} }

// Rounds of benches: as a user would set them for a few machines on a local network. steps of stepTime make a round.
const (
	steps       = 20
	stepTime    = 100 * time.Millisecond
	grace       = 3 * time.Second
	viewTimeout = time.Second
)

// benchManifest is a swarm with a model, for the toy learner.
func benchManifest(model, method string) (manifest.Manifest, error) {
	m, err := manifest.For(method)
	if err != nil {
		return m, err
	}
	m.Name, m.Seed = "bench", "bench"
	o := &m.Model
	o.SeqLen = 16
	switch model {
	case "124M": // 123,688,704 parameters
		o.Vocab, o.Dim, o.Layers, o.Heads, o.KVHeads, o.HeadDim, o.FFN, o.Tied = 32000, 768, 14, 12, 12, 64, 2048, true
	case "0.87M": // manifest.Default's
	case "25M": // 25,174,528 parameters
		o.Dim, o.Layers, o.Heads, o.KVHeads, o.HeadDim, o.FFN = 512, 8, 8, 8, 64, 1344
	case "2.4M": // 2,404,416 parameters
		o.Dim, o.Layers, o.Heads, o.KVHeads, o.HeadDim, o.FFN = 192, 5, 6, 6, 32, 544
	case "tiny": // 36,192 parameters
		o.Dim, o.Layers, o.Heads, o.KVHeads, o.HeadDim, o.FFN = 32, 2, 2, 2, 16, 64
	default:
		return m, fmt.Errorf("model %q is not one of %v", model, Models())
	}
	m.Inner.LR, m.Inner.WarmupTokens, m.Inner.TotalTokens, m.Inner.Batch = 0.01, 0, 1<<40, 2
	m.Rounds = manifest.Rounds{
		H: steps, HMin: steps, HMax: steps, MinMS: uint32((steps * stepTime * 3 / 4).Milliseconds()), MaxMS: 20_000,
		GraceMS: uint32(grace.Milliseconds()), ViewTimeoutMS: uint32(viewTimeout.Milliseconds()), SnapshotEvery: 8, MaxUpdates: 64,
	}
	if m.Method.Values == "fp32" {
		// 32 times the bytes: on disk, where payloads stay for two snapshots, and on their way.
		m.Rounds.SnapshotEvery, m.Rounds.GraceMS = 2, 60_000
	}
	return m, m.Validate()
}
