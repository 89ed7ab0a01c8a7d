package codec

import (
	"encoding/binary"
	"math"
)

// FP32: little-endian float32s.

// fp32Most is the bits of 2^64. Values are below, so that sums of their products with weights stay finite.
const fp32Most = (127 + 64) << 23

// putFP32 writes d = head − local, a multiple of 8, and is false where one of them is not below the bound.
func putFP32(body []byte, head, local []float32) bool {
	var bad uint32
	for len(head) >= 4 && len(local) >= 4 && len(body) >= 16 {
		h, l := (*[4]float32)(head), (*[4]float32)(local)
		b0, b1, b2, b3 := diff(h[0], l[0]), diff(h[1], l[1]), diff(h[2], l[2]), diff(h[3], l[3])
		bad |= over(b0, fp32Most-1) | over(b1, fp32Most-1) | over(b2, fp32Most-1) | over(b3, fp32Most-1)
		binary.LittleEndian.PutUint64(body, uint64(b0)|uint64(b1)<<32)
		binary.LittleEndian.PutUint64(body[8:], uint64(b2)|uint64(b3)<<32)
		head, local, body = head[4:], local[4:], body[16:]
	}
	return bad == 0
}

func loadFP32(values []float32, body []byte) {
	for len(values) >= 8 && len(body) >= 32 {
		v, b := (*[8]float32)(values), (*[32]byte)(body)
		v[0] = math.Float32frombits(binary.LittleEndian.Uint32(b[0:]))
		v[1] = math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))
		v[2] = math.Float32frombits(binary.LittleEndian.Uint32(b[8:]))
		v[3] = math.Float32frombits(binary.LittleEndian.Uint32(b[12:]))
		v[4] = math.Float32frombits(binary.LittleEndian.Uint32(b[16:]))
		v[5] = math.Float32frombits(binary.LittleEndian.Uint32(b[20:]))
		v[6] = math.Float32frombits(binary.LittleEndian.Uint32(b[24:]))
		v[7] = math.Float32frombits(binary.LittleEndian.Uint32(b[28:]))
		values, body = values[8:], body[32:]
	}
}

func validFP32(body []byte) bool {
	const lane = 1<<32 | 1
	return inBounds(body, lane<<31, lane*(1<<31-fp32Most))
}

// inBounds looks at 64 bits at a time, lanes of floats of any width with their highest bits in signs: none of them is
// −0, and for none of them does the magnitude plus the number in its lane of room reach the sign.
func inBounds(body []byte, signs, room uint64) bool {
	var x, bad uint64
	for len(body) > 0 {
		x, body = word(body)
		m := x &^ signs
		bad |= m + room | x&^(m+^signs)
	}
	return bad&signs == 0
}

// word is the first eight bytes of b, and what follows; where there are fewer, zeros fill it up.
func word(b []byte) (uint64, []byte) {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b), b[8:]
	}
	var end [8]byte
	copy(end[:], b)
	return binary.LittleEndian.Uint64(end[:]), nil
}
