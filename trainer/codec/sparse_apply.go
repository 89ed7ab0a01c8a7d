package codec

import (
	"math"
	"math/bits"

	"github.com/murmurnet/murmur/trainer/codec/pack"
)

// openChunk reads what stands before the codes of a chunk in a checked payload: its levels, and its k indices into at.
func openChunk(r *pack.Reader, at []uint16, n int) (low, high float32) {
	low = math.Float32frombits(r.Bits(16) << 16)
	high = math.Float32frombits(r.Bits(16) << 16)
	r.Set(at, n)
	return low, high
}

// Norm is the Euclidean length of a checked payload's z: √Σ (k−h)·low² + h·high² over the chunks, where h of k are high,
// in float64, every operation rounded by itself, span by span in order and then over the spans.
func (s *Sparse) Norm(payload []byte) float64 {
	sums := make([]float64, s.spans())
	keep := s.keeps(payload)
	s.each([]Term{{Payload: payload}}, func() func([]pack.Reader, int) {
		buf := make([]uint16, min(s.chunkSize, s.grid.params))
		return func(readers []pack.Reader, c int) {
			at := buf[:s.kept(c, keep)]
			low, high := openChunk(&readers[0], at, s.grid.size(c))
			h := 0
			for left := len(at); left > 0; left -= 16 {
				h += bits.OnesCount32(readers[0].Bits(2*min(16, left)) & 0xaaaaaaaa)
			}
			sums[c/spanUnits] += float64(float64(len(at)-h) * float64(float64(low)*float64(low)))
			sums[c/spanUnits] += float64(float64(h) * float64(float64(high)*float64(high)))
		}
	})
	var all float64
	for _, sum := range sums {
		all += sum
	}
	return math.Sqrt(all)
}

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s = float32(weight · float64(level)) for each level of a chunk, the terms are taken one after the other, and a
// parameter that a term holds becomes x − (±s) in float32.
func (s *Sparse) Subtract(dst, src []float32, terms []Term) error {
	if err := checkTerms(s.grid.total, s.Check, dst, src, terms); err != nil {
		return err
	}
	s.grid.rest(dst, src)
	s.each(terms, func() func([]pack.Reader, int) {
		buf := make([]uint16, min(s.chunkSize, s.grid.params))
		return func(readers []pack.Reader, c int) {
			n := s.grid.size(c)
			to := dst[s.grid.start[c]:s.grid.end[c]]
			copy(to, src[s.grid.start[c]:])
			for i := range readers {
				r, w := &readers[i], terms[i].Weight
				at := buf[:s.kept(c, s.keeps(terms[i].Payload))]
				l, h := openChunk(r, at, n)
				low, high := float32(float64(w*float64(l))), float32(float64(w*float64(h)))
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
