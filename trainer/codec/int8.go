package codec

import "math"

// Int8: a byte for a coordinate, in two's complement.

const (
	int8Most       = 127
	smallestNormal = 0x1p-126
)

// putInt8 writes the codes of d = head − local, of which none is above 127·scale.
func putInt8(body []byte, head, local []float32, scale float32) {
	local, body = local[:len(head)], body[:len(head)]
	for i, h := range head {
		// Adding 1.5·2^23 rounds to an integer, ties to even, and leaves that in the lowest bits.
		body[i] = byte(math.Float32bits((h-local[i])/scale + 3<<22))
	}
}

func loadInt8(values []float32, body []byte) {
	body = body[:len(values)]
	for i, b := range body {
		values[i] = float32(int8(b))
	}
}

// validInt8 says whether no code is −128 and the largest is ±127, or all are 0 where scale is.
func validInt8(body []byte, scale float32) bool {
	const (
		lane  = 0x0101010101010101
		signs = lane * 0x80
		rest  = lane * 0x7f
	)
	var x, any, bad, full uint64
	for len(body) > 0 {
		x, body = word(body)
		m, negative := x&rest, x>>7&lane
		any |= x
		bad |= x &^ (m + rest)                           // −128 has a sign and nothing else
		full |= ^((m ^ rest ^ negative*(0x7f^1)) + rest) // 127 has all but the sign, −127 the sign and 1
	}
	if scale == 0 {
		return any == 0
	}
	return bad&signs == 0 && full&signs != 0 && scale >= smallestNormal
}
