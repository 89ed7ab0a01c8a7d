package codec

import (
	"fmt"
)

// Term is a payload and what it counts for.
type Term struct {
	Payload []byte
	Weight  float64 // −1 … 1
}

// group is how many terms are summed before the sum is taken from the vector: eight signs make a byte.
const group = 8

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s_i = float32(weight_i · float64(scale_i)) for a chunk, the terms are taken eight at a time in their order; a
// coordinate's eight ±s_i are added in float32 from the first to the last, and the sum is subtracted:
//
//	x ← x − (((±s_0 ± s_1) ± s_2) … ± s_7),   x ← x − ((±s_8 ± s_9) …),   …
func (o *OneBit) Subtract(dst, src []float32, terms []Term) error {
	if n := o.Params(); len(dst) != n || len(src) != n {
		return fmt.Errorf("subtract: vectors of %d and %d parameters, want %d", len(dst), len(src), n)
	}
	for i, t := range terms {
		if !(t.Weight >= -1 && t.Weight <= 1) {
			return fmt.Errorf("subtract: weight %g of term %d is not between -1 and 1", t.Weight, i)
		}
		if err := o.Check(t.Payload); err != nil {
			return fmt.Errorf("term %d: %w", i, err)
		}
	}
	if len(terms) == 0 {
		copy(dst, src)
		return nil
	}
	o.grid.each(o.split, func(c int) {
		lo, hi := o.grid.start[c], o.grid.start[c+1]
		from := src[lo:hi]
		var sums [1 << group]float32
		var signs [group][]byte
		for rest := terms; len(rest) > 0; rest = rest[min(group, len(rest)):] {
			k := min(group, len(rest))
			for i, t := range rest[:k] {
				s := float32(float64(t.Weight * float64(o.scale(t.Payload, c))))
				signs[i] = o.signs(t.Payload, c)
				if i == 0 {
					sums[0], sums[1] = s, -s
					continue
				}
				for p := range 1 << i { // bit i of a pattern is the sign of term i
					sums[p|1<<i] = sums[p] - s
					sums[p] += s
				}
			}
			subtract(dst[lo:hi], from, signs[:k], &sums)
			from = dst[lo:hi]
		}
	})
	return nil
}

// strip is how many sign bytes of each term are laid side by side at a time: those of a chunk of 4096.
const strip = 512

// subtract sets dst[j] = src[j] − sums[pattern], where bit i of the pattern is bit j of signs[i].
func subtract(dst, src []float32, signs [][]byte, sums *[1 << group]float32) {
	var rows [group][strip]byte // zeros for terms that are not there
	for at := 0; len(src) > 0; at += strip {
		for i, s := range signs {
			copy(rows[i][:], s[at:])
		}
		n := min(8*strip, len(src))
		subtractStrip(dst[:n], src[:n], &rows, sums)
		dst, src = dst[n:], src[n:]
	}
}

func subtractStrip(dst, src []float32, rows *[group][strip]byte, sums *[1 << group]float32) {
	for k := range strip {
		x := transpose(uint64(rows[0][k]) | uint64(rows[1][k])<<8 | uint64(rows[2][k])<<16 | uint64(rows[3][k])<<24 |
			uint64(rows[4][k])<<32 | uint64(rows[5][k])<<40 | uint64(rows[6][k])<<48 | uint64(rows[7][k])<<56)
		if len(src) < 8 || len(dst) < 8 {
			for j := range dst {
				dst[j] = src[j] - sums[byte(x)] // byte j of x: the pattern of coordinate j
				x >>= 8
			}
			return
		}
		d, f := (*[8]float32)(dst), (*[8]float32)(src)
		d[0] = f[0] - sums[byte(x)]
		d[1] = f[1] - sums[byte(x>>8)]
		d[2] = f[2] - sums[byte(x>>16)]
		d[3] = f[3] - sums[byte(x>>24)]
		d[4] = f[4] - sums[byte(x>>32)]
		d[5] = f[5] - sums[byte(x>>40)]
		d[6] = f[6] - sums[byte(x>>48)]
		d[7] = f[7] - sums[byte(x>>56)]
		dst, src = dst[8:], src[8:]
	}
}

// transpose turns an 8×8 bit matrix, a row a byte, on its diagonal by swapping ever larger blocks.
func transpose(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00aa00aa00aa00aa
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000cccc0000cccc
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000f0f0f0f0
	return x ^ t ^ t<<28
}
