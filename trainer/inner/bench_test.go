package inner

import (
	"testing"
	"time"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// BenchmarkStep measures a whole training step as callers see it, tokens in and loss out, and for Gradient the mean
// gradient too: bytes as tokens, untied head, 128 positions, batch 8.
func BenchmarkStep(b *testing.B) {
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
		for _, backend := range backendtest.Names() {
			for _, kind := range []string{optimizer.AdamW, optimizer.Muon, optimizer.None} {
				b.Run(size.name+"/"+backend+"/"+kind, func(b *testing.B) {
					p := of(kind)
					p.Model, p.Batch = size.model, 8
					benchmarkStep(b, backendtest.Open(b, backend), p)
				})
			}
		}
	}
}

func benchmarkStep(b *testing.B, backend compute.Backend, p Params) {
	tokens := text(p)
	began := time.Now()
	var step func() error
	if p.Optimizer.Kind == optimizer.None {
		g := openGradient(b, backend, p)
		mean := make([]float32, p.Model.Layout().Params())
		step = func() error {
			if _, err := g.Step(tokens, 0); err != nil {
				return err
			}
			_, err := g.Take(mean)
			return err
		}
	} else {
		t := open(b, backend, p)
		step = func() error {
			_, err := t.Step(tokens, 1e-6) // so small that every step works on like values
			return err
		}
	}
	if err := step(); err != nil {
		b.Fatal(err)
	}
	first := time.Since(began)
	for b.Loop() {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*p.Batch*p.Model.SeqLen)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(first.Seconds(), "s-to-first-step")
}
