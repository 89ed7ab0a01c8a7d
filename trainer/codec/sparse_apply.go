package codec

import (
	"math"

	"github.com/murmurnet/murmur/trainer/codec/pack"
)

// openChunk reads what stands before the codes of a chunk in a checked payload: its levels, and its k indices into at.
func openChunk(r *pack.Reader, at []uint16, n int) (low, high float32) {
	low = math.Float32frombits(r.Bits(16) << 16)
	high = math.Float32frombits(r.Bits(16) << 16)
	r.Set(at, n)
	return low, high
}

// Chunks is how many pairs of levels a payload has.
func (s *Sparse) Chunks() int { return s.units }

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s = float32(weight · float64(level)) for each level of a chunk, or for what most says of the high ones where that
// is less, the terms are taken one after the other, and a parameter that a term holds becomes x − (±s) in float32.
func (s *Sparse) Subtract(dst, src []float32, terms []Term, most Most) error {
	if err := checkTerms(s.grid.total, s.Check, dst, src, terms); err != nil {
		return err
	}
	s.grid.rest(dst, src)
	s.each(terms, func() func([]pack.Reader, int) {
		l := newLimit(most, terms)
		lows, room := make([]float32, len(terms)), make([]uint16, len(terms)*min(s.chunkSize, s.grid.params))
		return func(readers []pack.Reader, c int) {
			n := s.grid.size(c)
			to := dst[s.grid.start[c]:s.grid.end[c]]
			copy(to, src[s.grid.start[c]:])
			for i := range readers {
				at := s.indices(room, c, i, terms[i])
				lows[i], l.scales[i] = openChunk(&readers[i], at, n)
			}
			most := l.of(c)
			for i := range readers {
				r, w, at := &readers[i], terms[i].Weight, s.indices(room, c, i, terms[i])
				low, high := float32(float64(w*float64(min(lows[i], most)))), float32(float64(w*float64(min(l.scales[i], most))))
				values := [4]float32{low, -low, high, -high}
				for ; len(at) > 0; at = at[min(16, len(at)):] {
					some := at[:min(16, len(at))]
					codes := r.Bits(2 * len(some))
					for _, j := range some {
						to[j] -= values[codes&3]
						codes >>= 2
					}
				}
			}
		}
	})
	return nil
}

// indices is where those of term i are kept for chunk c.
func (s *Sparse) indices(room []uint16, c, i int, t Term) []uint16 {
	most := min(s.chunkSize, s.grid.params)
	return room[i*most : i*most+s.kept(c, s.keeps(t.Payload))]
}
