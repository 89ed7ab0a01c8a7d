package outer

import (
	"runtime"
	"testing"
)

// layout25M is the shape of a decoder of 25 million parameters: 25 blocks of matrices, norms between them.
func layout25M() (sizes []int, n int) {
	for range 25 {
		sizes = append(sizes, 512, 512*512, 512*512, 512*923)
	}
	for _, s := range sizes {
		n += s
	}
	return sizes, n
}

// The baseline of both benchmarks: a plain copy of a vector, split over the CPUs, reads and writes 100 MB each.
func benchmarkCopy(b *testing.B, dst, src []float32) {
	b.SetBytes(int64(4 * len(src)))
	split := runtime.GOMAXPROCS(0)
	for b.Loop() {
		done := make(chan struct{}, split)
		for k := range split {
			go func() {
				lo, hi := len(src)*k/split, len(src)*(k+1)/split
				copy(dst[lo:hi], src[lo:hi])
				done <- struct{}{}
			}()
		}
		for range split {
			<-done
		}
	}
}

// To reach (DESIGN §10): 50 ms on 2 cores.
func BenchmarkEncode25M(b *testing.B) {
	sizes, n := layout25M()
	s := noise(1)
	head, local := s.vector(n, 5), s.vector(n, 5)
	b.Run("copy", func(b *testing.B) { benchmarkCopy(b, local, head) })
	local = s.vector(n, 5)
	b.Run("bitloco", func(b *testing.B) {
		m := newBitloco(b, DefaultChunk, sizes...)
		b.SetBytes(int64(4 * n))
		var payload []byte
		for b.Loop() {
			var err error
			if payload, err = m.Encode(payload, head, local); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(payload)), "payload-bytes")
	})
}

// To reach (DESIGN §10): 150 ms on 2 cores.
func BenchmarkApply8x25M(b *testing.B) {
	sizes, n := layout25M()
	s := noise(1)
	head, dst := s.vector(n, 5), make([]float32, n)
	b.Run("copy", func(b *testing.B) { benchmarkCopy(b, dst, head) })
	b.Run("bitloco", func(b *testing.B) {
		m := newBitloco(b, DefaultChunk, sizes...)
		var updates []Update
		for i := range uint64(8) {
			updates = append(updates, Update{encode(b, m, s.vector(n, 9)), 1000 + i})
		}
		b.SetBytes(int64(4 * n))
		for b.Loop() {
			if err := m.Apply(dst, head, updates); err != nil {
				b.Fatal(err)
			}
		}
	})
}
