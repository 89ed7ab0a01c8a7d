package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

const kindTwoBit kind = 2

// TwoBit encodes differences with two bits a parameter: a sign, and which of its chunk's two levels the magnitude is. It
// may be used from many goroutines.
type TwoBit struct{ frame }

// NewTwoBit prepares for vectors of which c is covered, cut into chunks of at most chunk parameters (a multiple of 8).
// Payloads take 16 + 8·chunks + about params/4 bytes.
func NewTwoBit(c Cover, chunk int) (*TwoBit, error) {
	f, err := newFrame(c, chunk, kindTwoBit, 2, 2, 1)
	if err != nil {
		return nil, fmt.Errorf("two-bit codec: %w", err)
	}
	return &TwoBit{f}, nil
}

// Encode returns the payload of d = head − local, or of d = head where local is nil, in dst's storage where that is
// large enough.
func (o *TwoBit) Encode(dst []byte, head, local []float32) ([]byte, error) {
	return o.encode(dst, head, local, func(dst []byte, c int, head, local []float32) bool {
		signs, levels := halves(o.bits(dst, c))
		low, high := quantiseTwo(signs, levels, head, local)
		o.setScale(dst, c, 0, low)
		o.setScale(dst, c, 1, high)
		return low <= high && high <= MaxScale // NaN is not
	})
}

// Check says whether payload has the form of what Encode makes: exact size and header, 0 ≤ low ≤ high ≤ MaxScale,
// filling bits zero. Its cost is bounded by the layout, not by the bytes.
func (o *TwoBit) Check(payload []byte) error {
	if err := o.check(payload); err != nil {
		return err
	}
	for c := range o.grid.chunks() {
		if err := o.checkScale(payload, c, 1, MaxScale); err != nil {
			return err
		}
		if err := o.checkScale(payload, c, 0, o.scale(payload, c, 1)); err != nil {
			return err
		}
		signs, levels := halves(o.bits(payload, c))
		if n := o.grid.size(c); !filled(signs, n) || !filled(levels, n) {
			return fmt.Errorf("%w: chunk %d ends with filling bits that are not zero", ErrPayload, c)
		}
	}
	return nil
}

// Norm is the Euclidean length of a checked payload's z: √Σ (n−k)·low² + k·high² over the chunks in order, where k of n
// coordinates are high, in float64, every operation rounded by itself.
func (o *TwoBit) Norm(payload []byte) float64 {
	var sum float64
	for c := range o.grid.chunks() {
		_, levels := halves(o.bits(payload, c))
		low, high, k := float64(o.scale(payload, c, 0)), float64(o.scale(payload, c, 1)), ones(levels)
		sum += float64(float64(o.grid.size(c)-k) * float64(low*low))
		sum += float64(float64(k) * float64(high*high))
	}
	return math.Sqrt(sum)
}

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s_i = float32(weight_i · float64(level)) for a coordinate's level, the terms are taken four at a time in their
// order; a coordinate's four ±s_i are added in float32 from the first to the last, and the sum is subtracted:
//
//	x ← x − (((±s_0 ± s_1) ± s_2) ± s_3),   x ← x − ((±s_4 ± s_5) …),   …
func (o *TwoBit) Subtract(dst, src []float32, terms []Term) error {
	return o.subtract(o.Check, dst, src, terms, 2, func(t Term, c int) [4]float32 {
		low := float32(float64(t.Weight * float64(o.scale(t.Payload, c, 0))))
		high := float32(float64(t.Weight * float64(o.scale(t.Payload, c, 1))))
		return [4]float32{low, -low, high, -high}
	})
}

// halves are a chunk's plane of signs and its plane of levels.
func halves(b []byte) (signs, levels []byte) { return b[:len(b)/2], b[len(b)/2:] }

// ones is how many bits are set.
func ones(b []byte) (n int) {
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	for _, v := range b {
		n += bits.OnesCount8(v)
	}
	return n
}
