package inner

import (
	"testing"
	"time"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// BenchmarkStep measures a whole training step as callers see it, tokens in and loss out: bytes as tokens, untied
// head, 128 positions, batch 8.
func BenchmarkStep(b *testing.B) {
	const rate = 1e-6 // so small that every step works on like values
	small := model.Config{
		Vocab: 256, Dim: 128, Layers: 4, Heads: 4, KVHeads: 4, HeadDim: 32, FFN: 352, SeqLen: 128,
		RopeTheta: 1e4, NormEps: 1e-5,
	}
	large := small
	large.Dim, large.Layers, large.Heads, large.KVHeads, large.HeadDim, large.FFN = 384, 6, 6, 6, 64, 1024
	for _, size := range []struct {
		name  string
		model model.Config
	}{{"0.87M", small}, {"10.8M", large}} {
		for _, name := range backendtest.Names() {
			b.Run(size.name+"/"+name, func(b *testing.B) {
				p := tiny
				p.Model, p.Batch = size.model, 8
				backend := backendtest.Open(b, name)
				began := time.Now()
				trainer := open(b, backend, p)
				tokens := text(p)
				if _, err := trainer.Step(tokens, rate); err != nil {
					b.Fatal(err)
				}
				first := time.Since(began)
				for b.Loop() {
					if _, err := trainer.Step(tokens, rate); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N*p.Batch*p.Model.SeqLen)/b.Elapsed().Seconds(), "tokens/s")
				b.ReportMetric(first.Seconds(), "s-to-first-step")
			})
		}
	}
}
