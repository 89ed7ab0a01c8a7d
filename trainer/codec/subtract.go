package codec

import "fmt"

// maxWeight bounds what a term counts for, with either sign.
const maxWeight = 4

// Term is a payload and what it counts for.
type Term struct {
	Payload []byte
	Weight  float64 // −4 … 4
}

// checkTerms is what every Subtract asks before it writes.
func checkTerms(n int, check func([]byte) error, dst, src []float32, terms []Term) error {
	if len(dst) != n || len(src) != n {
		return fmt.Errorf("subtract: vectors of %d and %d parameters, want %d", len(dst), len(src), n)
	}
	for i, t := range terms {
		if !(t.Weight >= -maxWeight && t.Weight <= maxWeight) {
			return fmt.Errorf("subtract: weight %g of term %d is not between %d and %d", t.Weight, i, -maxWeight, maxWeight)
		}
		if err := check(t.Payload); err != nil {
			return fmt.Errorf("term %d: %w", i, err)
		}
	}
	return nil
}

// subtractEach checks the terms, calls what worker makes for each chunk's part of dst and src, and copies what no chunk holds.
func subtractEach(g *grid, split int, check func([]byte) error, dst, src []float32, terms []Term, worker func() func(c int, dst, src []float32)) error {
	if err := checkTerms(g.total, check, dst, src, terms); err != nil {
		return err
	}
	if len(terms) == 0 {
		copy(dst, src)
		return nil
	}
	g.rest(dst, src)
	g.work(split, func() func(int) {
		do := worker()
		return func(c int) {
			lo, hi := g.start[c], g.end[c]
			do(c, dst[lo:hi], src[lo:hi])
		}
	})
	return nil
}

// group is how many planes are looked at together: eight bits make a byte.
const group = 8

// strip is how many bytes of each plane are laid side by side at a time: those of a chunk of 4096.
const strip = 512

// subtract sets dst[j] = src[j] − sums[pattern], where bit i of the pattern is bit j of planes[i].
func subtract(dst, src []float32, planes [][]byte, sums *[1 << group]float32) {
	var rows [group][strip]byte // zeros for planes that are not there
	for at := 0; len(src) > 0; at += strip {
		for i, s := range planes {
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
