package codec

import (
	"encoding/binary"
	"math"
)

// FP16: little-endian IEEE 754 binary16, of 1 sign, 5 exponent and 10 mantissa bits. Neither conversion is left to the
// CPU's own.

const halfHuge = 0x477ff000 // bits of 65520, which is the first to round to infinity

// putFP16 writes d = head − local, a multiple of 8, and is false where one of them is not below 65520.
func putFP16(body []byte, head, local []float32) bool {
	var bad uint32
	for len(head) >= 4 && len(local) >= 4 && len(body) >= 8 {
		h, l := (*[4]float32)(head), (*[4]float32)(local)
		b0, b1, b2, b3 := diff(h[0], l[0]), diff(h[1], l[1]), diff(h[2], l[2]), diff(h[3], l[3])
		bad |= over(b0, halfHuge-1) | over(b1, halfHuge-1) | over(b2, halfHuge-1) | over(b3, halfHuge-1)
		binary.LittleEndian.PutUint16(body, toHalf(b0))
		binary.LittleEndian.PutUint16(body[2:], toHalf(b1))
		binary.LittleEndian.PutUint16(body[4:], toHalf(b2))
		binary.LittleEndian.PutUint16(body[6:], toHalf(b3))
		head, local, body = head[4:], local[4:], body[8:]
	}
	return bad == 0
}

// toHalf is the half nearest to the float32 with bits b, of a magnitude below 65520, ties to even; +0 for all that
// rounds to zero.
func toHalf(b uint32) uint16 {
	m := b &^ signBit
	e := max(m>>23, 127-14) // of what is below 2^-14, the smallest normal half, the last bit is that of 2^-14
	// The sum has its last bit where the half has, so that it is rounded there; the half's mantissa stands at its end.
	sum := math.Float32frombits(m) + math.Float32frombits((e+13)<<23)
	h := math.Float32bits(sum) - (e+13)<<23 + (e-(127-14))<<10
	return uint16(h | -h&b>>31<<15)
}

// half says how to make a float32 of the halves of one sign and exponent: put the mantissa behind bits, take less away.
type half struct {
	bits uint32
	less float32
}

// halfTable lists them by sign and exponent. Subnormal ones are made 2^-14 too large first.
func halfTable() (t [64]half) {
	for i := range t {
		sign, e := uint32(i)>>5<<31, uint32(i)&31
		t[i].bits = sign | (e+127-15)<<23
		if e == 0 {
			t[i].bits = sign | (127-14)<<23
			t[i].less = math.Float32frombits(t[i].bits)
		}
	}
	return t
}

// of is the float32 with the mantissa of the half in the lowest bits of v.
func (h *half) of(v uint64) float32 {
	return math.Float32frombits(h.bits|uint32(v)&1023<<13) - h.less
}

func loadFP16(values []float32, body []byte) {
	t := halfTable()
	for len(values) >= 4 && len(body) >= 8 {
		v, x := (*[4]float32)(values), binary.LittleEndian.Uint64(body)
		v[0], v[1] = t[x>>10&63].of(x), t[x>>26&63].of(x>>16)
		v[2], v[3] = t[x>>42&63].of(x>>32), t[x>>58].of(x>>48)
		values, body = values[4:], body[8:]
	}
}

func validFP16(body []byte) bool {
	const lane = 1<<48 | 1<<32 | 1<<16 | 1
	return inBounds(body, lane<<15, lane<<10) // an exponent of 31 is infinity or NaN
}
