package overlap

import (
	"testing"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/xla"
)

// BenchmarkCosts measures what Costs are scaled from, in nanoseconds a
// parameter, at 25 million parameters: what the trainer does between two steps
// on XLA's CPU plugin, and the host's share of a round.
func BenchmarkCosts(b *testing.B) {
	m := model.Config{
		Vocab: 256, Dim: 512, Layers: 8, Heads: 8, KVHeads: 8, HeadDim: 64, FFN: 1360, SeqLen: 64, RopeTheta: 1e4, NormEps: 1e-5,
	}
	n := m.Layout().Params()
	x, y, z := make([]float32, n), make([]float32, n), make([]float32, n)
	each := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/parameter")
		})
	}
	each("copy", func() error { copy(y, x); return nil })
	state := make([]byte, 4*n)
	each("root", func() error { proto.HashBlob(state); return nil })
	each("delta", func() error {
		for i := range z {
			z[i] = x[i] - y[i]
		}
		return nil
	})
	backend, _, err := xla.Open(b.Context(), xla.Params{Want: "xla:cpu"})
	if err != nil {
		b.Skipf("no device to measure: %v", err)
	}
	defer backend.Finalize()
	trainer, err := inner.New(inner.Params{
		Backend: backend, Model: m, Batch: 1,
		Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, ClipNorm: 1}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Load(x, nil, nil, 0); err != nil {
		b.Fatal(err)
	}
	each("capture", func() error { _, err := trainer.Read(x, nil, nil); return err })
	each("capture with moments", func() error { _, err := trainer.Read(x, y, z); return err })
	each("add", func() error { return trainer.Add(x) })
}
