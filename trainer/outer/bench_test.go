package outer

import (
	"runtime"
	"testing"
)

// params25M are those of a decoder of 25 million parameters: 25 blocks of matrices, norms between them.
func params25M(b *testing.B, v variant) (Params, int) {
	p := params(b, v.method, v.change)
	p.Tensors = nil
	for l := range 25 {
		for _, shape := range [][]int{{512}, {512, 512}, {512, 512}, {923, 512}} {
			p.Tensors = append(p.Tensors, Tensor{shape, l})
		}
	}
	return p, size(p.Tensors)
}

// The baseline of both benchmarks: a plain copy of a vector, split over the CPUs, reads and writes 100 MB each.
func benchmarkCopy(b *testing.B, dst, src []float32) {
	b.SetBytes(int64(4 * len(src)))
	parts := runtime.GOMAXPROCS(0)
	for b.Loop() {
		done := make(chan struct{}, parts)
		for k := range parts {
			go func() {
				lo, hi := len(src)*k/parts, len(src)*(k+1)/parts
				copy(dst[lo:hi], src[lo:hi])
				done <- struct{}{}
			}()
		}
		for range parts {
			<-done
		}
	}
}

// To reach on 2 cores: bitloco 50 ms, sparseloco 250 ms.
func BenchmarkEncode25M(b *testing.B) {
	s := noise(1)
	_, n := params25M(b, variants()[0])
	head, local := s.vector(n, 5), s.vector(n, 5)
	b.Run("copy", func(b *testing.B) { benchmarkCopy(b, make([]float32, n), head) })
	for _, v := range variants() {
		b.Run(v.name, func(b *testing.B) {
			p, n := params25M(b, v)
			m, err := New(p)
			if err != nil {
				b.Fatal(err)
			}
			from := local
			if m.Learning().Residual != InModel {
				from = nil
			}
			b.SetBytes(int64(4 * n))
			b.ReportAllocs()
			var payload []byte
			for b.Loop() {
				if payload, err = m.Encode(payload, Round{Height: 1, Tokens: 5000}, head, from); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(payload)), "payload-bytes")
		})
	}
}

// To reach on 2 cores: bitloco and sparseloco 150 ms.
func BenchmarkApply8x25M(b *testing.B) {
	_, n := params25M(b, variants()[0])
	b.Run("copy", func(b *testing.B) { benchmarkCopy(b, make([]float32, n), make([]float32, n)) })
	for _, v := range variants() {
		b.Run(v.name, func(b *testing.B) {
			p, n := params25M(b, v)
			m, err := New(p)
			if err != nil {
				b.Fatal(err)
			}
			s, r := noise(1), Round{Height: 1, Tokens: 5000}
			head, dst := make([]float32, m.State()), make([]float32, m.State())
			copy(head, s.vector(n, 5))
			var updates []Update
			for i := range uint64(8) {
				payload, err := m.Encode(nil, r, s.vector(n, 9), nil)
				if err != nil {
					b.Fatal(err)
				}
				updates = append(updates, Update{payload, 1000 + i})
			}
			b.SetBytes(int64(4 * n))
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Apply(dst, head, r, updates); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
