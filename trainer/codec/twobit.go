package codec

import (
	"encoding/binary"
	"fmt"
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

// Chunks is how many pairs of levels a payload has.
func (o *TwoBit) Chunks() int { return o.grid.chunks() }

// planes are a coordinate's bits.
const planes = 2

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s_i = float32(weight_i · float64(level)) for a coordinate's level, or for what most says of the high ones where
// that is less, the terms are taken four at a time in their order; a coordinate's four ±s_i are added in float32 from the
// first to the last, and the sum is subtracted:
//
//	x ← x − (((±s_0 ± s_1) ± s_2) ± s_3),   x ← x − ((±s_4 ± s_5) …),   …
func (o *TwoBit) Subtract(dst, src []float32, terms []Term, most Most) error {
	return subtractEach(&o.grid, o.split, o.Check, dst, src, terms, func() func(c int, dst, src []float32) {
		l := newLimit(most, terms)
		return func(c int, dst, src []float32) {
			for i, t := range terms {
				l.scales[i] = o.scale(t.Payload, c, 1)
			}
			most := l.of(c)
			var sums [1 << group]float32
			var rows [group][]byte
			for rest := terms; len(rest) > 0; {
				k := min(group/planes, len(rest))
				for i, t := range rest[:k] {
					rows[planes*i], rows[planes*i+1] = halves(o.bits(t.Payload, c))
					addLevels(&sums, i, o.levels(t, c, most))
				}
				subtract(dst, src, rows[:k*planes], &sums)
				src, rest = dst, rest[k:]
			}
		}
	})
}

// levels are what the bits of a coordinate, the sign below, stand for in a chunk of a term.
func (o *TwoBit) levels(t Term, c int, most float32) [4]float32 {
	low := float32(float64(t.Weight * float64(min(o.scale(t.Payload, c, 0), most))))
	high := float32(float64(t.Weight * float64(min(o.scale(t.Payload, c, 1), most))))
	return [4]float32{low, -low, high, -high}
}

// addLevels makes sums by the bits of i terms to sums by those of one more.
func addLevels(sums *[1 << group]float32, i int, levels [4]float32) {
	if i == 0 {
		copy(sums[:], levels[:])
		return
	}
	for pattern := range 1 << (i * planes) {
		sum := sums[pattern]
		for q := range 1 << planes {
			sums[pattern|q<<(i*planes)] = sum + levels[q]
		}
	}
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
