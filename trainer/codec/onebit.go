package codec

import (
	"fmt"
	"math"
)

const kindOneBit kind = 1

// OneBit encodes differences with one bit a parameter. It may be used from many goroutines.
type OneBit struct{ frame }

// NewOneBit prepares for vectors of which c is covered, cut into chunks of at most chunk parameters (a multiple of 8).
// Payloads take 16 + 4·chunks + about params/8 bytes.
func NewOneBit(c Cover, chunk int) (*OneBit, error) {
	f, err := newFrame(c, chunk, kindOneBit, 1, 1, 1)
	if err != nil {
		return nil, fmt.Errorf("one-bit codec: %w", err)
	}
	return &OneBit{f}, nil
}

// Encode returns the payload of d = head − local, or of d = head where local is nil, in dst's storage where that is
// large enough.
func (o *OneBit) Encode(dst []byte, head, local []float32) ([]byte, error) {
	return o.encode(dst, head, local, func(dst []byte, c int, head, local []float32) bool {
		scale := quantise(o.bits(dst, c), head, local)
		o.setScale(dst, c, 0, scale)
		return scale <= MaxScale // NaN is not
	})
}

// Check says whether payload is one that Encode could have made: exact size and header, scales from 0 to MaxScale,
// filling bits zero. Its cost is bounded by the layout, not by the bytes.
func (o *OneBit) Check(payload []byte) error {
	if err := o.check(payload); err != nil {
		return err
	}
	for c := range o.grid.chunks() {
		if err := o.checkScale(payload, c, 0, MaxScale); err != nil {
			return err
		}
		if !filled(o.bits(payload, c), o.grid.size(c)) {
			return fmt.Errorf("%w: chunk %d ends with filling bits that are not zero", ErrPayload, c)
		}
	}
	return nil
}

// Norm is the Euclidean length of a checked payload's z: √Σ n·scale² over the chunks in order, in float64, every
// operation rounded by itself.
func (o *OneBit) Norm(payload []byte) float64 {
	var sum float64
	for c := range o.grid.chunks() {
		s := float64(o.scale(payload, c, 0))
		sum += float64(float64(o.grid.size(c)) * float64(s*s))
	}
	return math.Sqrt(sum)
}

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s_i = float32(weight_i · float64(scale_i)) for a chunk, the terms are taken eight at a time in their order; a
// coordinate's eight ±s_i are added in float32 from the first to the last, and the sum is subtracted:
//
//	x ← x − (((±s_0 ± s_1) ± s_2) … ± s_7),   x ← x − ((±s_8 ± s_9) …),   …
func (o *OneBit) Subtract(dst, src []float32, terms []Term) error {
	return o.subtract(o.Check, dst, src, terms, 1, func(t Term, c int) (values [4]float32) {
		s := float32(float64(t.Weight * float64(o.scale(t.Payload, c, 0))))
		values[0], values[1] = s, -s
		return values
	})
}
