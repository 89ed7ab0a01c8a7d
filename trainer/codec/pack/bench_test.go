package pack

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func rice4096(w *Writer, set []uint16) { w.Set(set, 4096) }

// raw is what packing is measured against: 12 bits an index.
func raw(w *Writer, set []uint16) {
	for _, index := range set {
		w.Bits(uint32(index), 12)
	}
}

func BenchmarkWrite(b *testing.B) {
	eachForm(b, func(b *testing.B, sets [][]uint16, put func(*Writer, []uint16)) {
		var w Writer
		var buf []byte
		for b.Loop() {
			w.Reset(buf[:0])
			for _, set := range sets {
				put(&w, set)
			}
			buf = w.Bytes()
		}
	})
}

func BenchmarkRead(b *testing.B) {
	eachForm(b, func(b *testing.B, sets [][]uint16, put func(*Writer, []uint16)) {
		var w Writer
		for _, set := range sets {
			put(&w, set)
		}
		buf := w.Bytes()
		b.ReportMetric(8*float64(len(buf))/float64(len(sets)*len(sets[0])), "bits/index")
		packed := len(buf)*8 != len(sets)*len(sets[0])*12
		got := make([]uint16, len(sets[0]))
		for b.Loop() {
			var r Reader
			r.Reset(buf)
			for range sets {
				if packed {
					r.Set(got, 4096)
					continue
				}
				for i := range got {
					got[i] = uint16(r.Bits(12))
				}
			}
		}
	})
}

// eachForm calls do with 1024 random sets of k of 4096 for some k and either form, and reports the time an index takes.
func eachForm(b *testing.B, do func(*testing.B, [][]uint16, func(*Writer, []uint16))) {
	for _, k := range []int{8, 64, 256} {
		rnd := rand.New(rand.NewPCG(1, 2))
		sets := make([][]uint16, 1024)
		for i := range sets {
			sets[i] = draw(rnd, 4096, k)
		}
		for name, put := range map[string]func(*Writer, []uint16){"rice": rice4096, "raw": raw} {
			b.Run(fmt.Sprintf("%s/k=%d", name, k), func(b *testing.B) {
				do(b, sets, put)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(sets)*k), "ns/index")
			})
		}
	}
}
