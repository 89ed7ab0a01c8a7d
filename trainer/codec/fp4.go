package codec

import (
	"encoding/binary"
	"math"
)

// FP4: four bits for a coordinate, sign above exponent, the first of two in a byte's lower half. All zeros is zero; a
// sign alone is nothing.

const fp4Most = 7 // the exponent that stands for 1

// putFP4 writes the codes of d = head − local, a multiple of 8, of which none is above scale.
func putFP4(body []byte, head, local []float32, scale float32) {
	for len(head) >= 8 && len(local) >= 8 && len(body) >= 4 {
		h, l := (*[8]float32)(head), (*[8]float32)(local)
		low := toFP4(h[0]-l[0], scale) | toFP4(h[1]-l[1], scale)<<4 | toFP4(h[2]-l[2], scale)<<8 | toFP4(h[3]-l[3], scale)<<12
		high := toFP4(h[4]-l[4], scale) | toFP4(h[5]-l[5], scale)<<4 | toFP4(h[6]-l[6], scale)<<8 | toFP4(h[7]-l[7], scale)<<12
		binary.LittleEndian.PutUint32(body, low|high<<16)
		head, local, body = head[8:], local[8:], body[4:]
	}
}

// toFP4 is the code nearest to d.
func toFP4(d, scale float32) uint32 {
	r := math.Float32bits(d / scale)
	// Half octaves: 2·(127+k) from 2^k, and one more from 1.5·2^k, to which 2^(k+1) is nearer.
	half := int32(r << 1 >> 23)
	e := max((half+1)>>1-(127-fp4Most), min(half-2*(127-fp4Most)+1, 1), 0) // at least 1 from half the smallest
	return uint32(e) | r>>28&8&uint32(-e)
}

func loadFP4(values []float32, body []byte) {
	var of [16]float32
	for code := range of {
		if e := code % 8; e > 0 {
			of[code] = math.Float32frombits(uint32(code/8)<<31 | uint32(127-fp4Most+e)<<23)
		}
	}
	for len(values) >= 8 && len(body) >= 4 {
		v, x := (*[8]float32)(values), binary.LittleEndian.Uint32(body)
		v[0], v[1], v[2], v[3] = of[x&15], of[x>>4&15], of[x>>8&15], of[x>>12&15]
		v[4], v[5], v[6], v[7] = of[x>>16&15], of[x>>20&15], of[x>>24&15], of[x>>28]
		values, body = values[8:], body[4:]
	}
}

// validFP4 says whether no code of n is −0, and one at least has the largest exponent, or all are 0 where scale is.
func validFP4(body []byte, n int, scale float32) bool {
	if n%2 == 1 && body[n/2]>>4 != 0 { // filling
		return false
	}
	const signs = 0x8888888888888888
	var x, any, bad, full uint64
	for len(body) > 0 {
		x, body = word(body)
		any |= x
		bad |= x &^ (x<<1 | x<<2 | x<<3)
		full |= x << 1 & (x << 2) & (x << 3)
	}
	if scale == 0 {
		return any == 0
	}
	return bad&signs == 0 && full&signs != 0
}
