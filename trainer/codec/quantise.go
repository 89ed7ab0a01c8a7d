package codec

import "math"

// lanes is how many partial sums a mean is built from: coordinate i of a chunk goes to sum i mod 4. It is part of the
// encoding, so that every CPU makes the same payload, and keeps four chains of additions going.
const lanes = 4

// quantise writes the signs of d = head − local, 1 where d < 0, eight a byte from the lowest bit, and returns the mean
// of |d|. The mean is not finite where some d is not.
//
// The lanes are summed in float32 (1024 additions each in a chunk of 4096), then together in float64.
func quantise(signs []byte, head, local []float32) float32 {
	warm(head)
	warm(local)
	n := len(head)
	var a0, a1, a2, a3 float32
	for len(head) >= 8 && len(local) >= 8 {
		h, l := (*[8]float32)(head), (*[8]float32)(local)
		b0, b1, b2, b3 := diff(h[0], l[0]), diff(h[1], l[1]), diff(h[2], l[2]), diff(h[3], l[3])
		a0, a1, a2, a3 = a0+size(b0), a1+size(b1), a2+size(b2), a3+size(b3)
		low := b0>>31 | b1>>31<<1 | b2>>31<<2 | b3>>31<<3
		b0, b1, b2, b3 = diff(h[4], l[4]), diff(h[5], l[5]), diff(h[6], l[6]), diff(h[7], l[7])
		a0, a1, a2, a3 = a0+size(b0), a1+size(b1), a2+size(b2), a3+size(b3)
		signs[0] = byte(low | b0>>31<<4 | b1>>31<<5 | b2>>31<<6 | b3>>31<<7)
		head, local, signs = head[8:], local[8:], signs[1:]
	}
	sums := [lanes]float32{a0, a1, a2, a3}
	if len(head) > 0 {
		signs[0] = 0
		for k, h := range head {
			b := diff(h, local[k])
			sums[k%lanes] += size(b)
			signs[0] |= byte(b >> 31 << k)
		}
	}
	var sum float64
	for _, s := range sums {
		sum += float64(s)
	}
	return float32(sum / float64(n))
}

// diff is the bits of h − l, with −0 (from −0 − 0) made +0: the sign of nothing is +.
func diff(h, l float32) uint32 { return math.Float32bits(h - l + 0) }

// size is the magnitude of the float with these bits.
func size(b uint32) float32 { return math.Float32frombits(b &^ (1 << 31)) }

// warm loads one float of every cache line. The loads do not wait for each other, as those between arithmetic do, so
// memory answers many at once: it halves the time to encode vectors that are in no cache (1.4 for 2.9 ns a parameter).
//
//go:noinline
func warm(x []float32) (sum float32) {
	for ; len(x) >= 64; x = x[64:] {
		v := (*[64]float32)(x)
		sum += v[0] + v[16] + v[32] + v[48]
	}
	return sum
}
