package codec

import "fmt"

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

// Chunks is how many scales a payload has.
func (o *OneBit) Chunks() int { return o.grid.chunks() }

// Subtract sets dst = src − the trimmed mean of the terms, the same bits on every CPU. dst may be src, and is untouched
// after an error. Each term is a vote on a coordinate's sign, which weighs as much as the term; a quarter of the weight is
// left out at either end. Where a chunk's scale is 0, it votes on nothing.
//
// In a chunk, with s_i the scales, none above most, u_i = float32(|weight_i|) where s_i > 0 and else 0, and M in float64,
// each operation rounded by itself:
//
//	M = Σ weight_i·s_i        how far a coordinate moves on which all agree
//	V = Σ u_i                 W = Σ u_i over the terms where the coordinate is not negative
//	x ← x − float32(M · (min(max(4W − V, 0), 2V) − V)/V)
//
// V and W are float32: sums of eight terms each, from the first to the last, and then the sum of these. One term is
// subtracted as it is.
func (o *OneBit) Subtract(dst, src []float32, terms []Term, most Most) error {
	return subtractEach(&o.grid, o.split, o.Check, dst, src, terms, func() func(c int, dst, src []float32) {
		return newVote(o, terms, most).subtract
	})
}
