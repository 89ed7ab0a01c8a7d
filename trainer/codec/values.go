package codec

import (
	"fmt"
	"math"
)

// Format is how a coordinate's value is written, named by the bits that it takes.
type Format byte

const (
	// FP32 is the difference itself: z = d. Values are below 2^64.
	FP32 Format = 32
	// FP16 is the nearest half-precision number, ties to even. Values are below 65520.
	FP16 Format = 16
	// Int8 is scale·code: a chunk's scale is its largest |d| / 127, codes are −127 … 127, the nearest to d/scale, ties to
	// even.
	Int8 Format = 8
	// FP4 is E3M0 (Streaming DiLoCo, arXiv 2501.18512): 0 or ±scale·2^(e−7), where a chunk's scale is its largest |d|, e
	// is 1 … 7, and the nearest is taken, ties away from zero.
	FP4 Format = 4
)

// Values encodes differences coordinate by coordinate in a format. It may be used from many goroutines.
type Values struct {
	frame
	format Format
}

// NewValues prepares for vectors of which c is covered, cut into chunks of at most chunk parameters (a multiple of 8).
// Payloads take 16 bytes, 4·chunks for Int8 and FP4, and the format's bits for every parameter, a chunk's filled up to
// a byte.
func NewValues(c Cover, chunk int, format Format) (*Values, error) {
	scales := 0
	switch format {
	case FP32, FP16:
	case Int8, FP4:
		scales = 1
	default:
		return nil, fmt.Errorf("values codec: there is no format of %d bits", format)
	}
	f, err := newFrame(c, chunk, kind(format), scales, 1, int(format))
	if err != nil {
		return nil, fmt.Errorf("values codec: %w", err)
	}
	return &Values{f, format}, nil
}

// Encode returns the payload of d = head − local, or of d = head where local is nil, in dst's storage where that is
// large enough.
func (v *Values) Encode(dst []byte, head, local []float32) ([]byte, error) {
	return v.encode(dst, head, local, func(dst []byte, c int, head, local []float32) bool {
		warm(head)
		warm(local)
		scale := float32(1)
		if v.scales > 0 {
			most := largest(head, local)
			if !(most <= MaxScale) {
				return false
			}
			scale = v.scaleOf(most)
			v.setScale(dst, c, 0, scale)
		}
		return v.put(v.bits(dst, c), head, local, scale)
	})
}

// put writes d = head − local in multiples of scale, and is false where one of them has diverged.
func (v *Values) put(body []byte, head, local []float32, scale float32) bool {
	if scale == 0 {
		clear(body)
		return true
	}
	n := len(head) &^ 7
	good := v.putEights(body, head[:n], local[:n], scale)
	if n < len(head) {
		var h, l [8]float32
		var b [4 * 8]byte
		copy(h[:], head[n:])
		copy(l[:], local[n:])
		good = v.putEights(b[:], h[:], l[:], scale) && good
		copy(body[n*int(v.format)/8:], b[:])
	}
	return good
}

func (v *Values) putEights(body []byte, head, local []float32, scale float32) bool {
	switch v.format {
	case FP32:
		return putFP32(body, head, local)
	case FP16:
		return putFP16(body, head, local)
	case Int8:
		putInt8(body, head, local, scale)
	case FP4:
		putFP4(body, head, local, scale)
	}
	return true
}

// scaleOf is a chunk's scale by its largest |d|.
func (v *Values) scaleOf(most float32) float32 {
	if v.format != Int8 {
		return most
	}
	if scale := most / int8Most; scale >= smallestNormal {
		return scale
	}
	return 0 // subnormal, and so imprecise
}

// Check says whether payload is one that Encode could have made: exact size and header, values finite and in bounds,
// none of them −0, scales that belong to the values. Its cost is bounded by the layout, not by the bytes.
func (v *Values) Check(payload []byte) error {
	if err := v.check(payload); err != nil {
		return err
	}
	return v.refused(v.grid.first(v.split, func(c int) bool { return v.valid(payload, c) }))
}

// refused is the error for the first chunk that is not valid; −1 is none.
func (v *Values) refused(bad int) error {
	if bad < 0 {
		return nil
	}
	return fmt.Errorf("%w: chunk %d (parameters %d to %d) holds values or a scale that no encoder writes",
		ErrPayload, bad, v.grid.start[bad], v.grid.end[bad]-1)
}

// valid says whether chunk c is one that Encode could have made.
func (v *Values) valid(payload []byte, c int) bool {
	body := v.bits(payload, c)
	warmBytes(body)
	switch v.format {
	case FP32:
		return validFP32(body)
	case FP16:
		return validFP16(body)
	}
	if v.checkScale(payload, c, 0, v.scaleOf(MaxScale)) != nil {
		return false
	}
	if v.format == Int8 {
		return validInt8(body, v.scale(payload, c, 0))
	}
	return validFP4(body, v.grid.size(c), v.scale(payload, c, 0))
}

// CheckedNorm is Check and Norm in one look at the bytes, of which a large payload has more than a cache holds.
func (v *Values) CheckedNorm(payload []byte) (float64, error) {
	if err := v.check(payload); err != nil {
		return 0, err
	}
	sums := make([]float64, v.grid.chunks())
	bad := v.grid.first(v.split, func(c int) bool {
		if !v.valid(payload, c) {
			return false
		}
		var values [valueSpan]float32
		sums[c] = v.square(&values, payload, c)
		return true
	})
	return length(sums), v.refused(bad)
}

// Norm is the Euclidean length of a checked payload's z: √Σ scale²·Σ value² over the chunks in order, in float64, every
// operation rounded by itself. Within a chunk, value i goes to sum i mod 4, and the four are added from the first.
func (v *Values) Norm(payload []byte) float64 {
	sums := make([]float64, v.grid.chunks())
	v.grid.each(v.split, func(c int) {
		var values [valueSpan]float32
		sums[c] = v.square(&values, payload, c)
	})
	return length(sums)
}

// length is that of which the squares are given by chunks.
func length(squares []float64) float64 {
	var all float64
	for _, s := range squares {
		all += s
	}
	return math.Sqrt(all)
}

// square is that of the length of chunk c.
func (v *Values) square(values *[valueSpan]float32, payload []byte, c int) float64 {
	var s [lanes]float64
	for at := 0; at < v.grid.size(c); at += valueSpan {
		squares(&s, v.load(values, payload, c, at))
	}
	scale := v.unit(payload, c)
	return float64(float64(scale*scale) * (s[0] + s[1] + s[2] + s[3]))
}

// unit is the scale of chunk c, 1 for formats that have none.
func (v *Values) unit(payload []byte, c int) float64 {
	if v.scales > 0 {
		return float64(v.scale(payload, c, 0))
	}
	return 1
}

// Chunks is how many parts a payload has whose lengths are bounded.
func (v *Values) Chunks() int { return v.grid.chunks() }

// squares adds those of v to the sums, of which v[0] goes to the first.
func squares(sums *[lanes]float64, v []float32) {
	a0, a1, a2, a3 := sums[0], sums[1], sums[2], sums[3]
	for ; len(v) >= lanes; v = v[lanes:] {
		x := (*[lanes]float32)(v)
		x0, x1, x2, x3 := float64(x[0]), float64(x[1]), float64(x[2]), float64(x[3])
		a0, a1, a2, a3 = a0+float64(x0*x0), a1+float64(x1*x1), a2+float64(x2*x2), a3+float64(x3*x3)
	}
	*sums = [lanes]float64{a0, a1, a2, a3}
}

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// With s_i = float32(weight_i · float64(scale_i) · share_i) for a chunk (without the scale for FP32 and FP16, which have
// none), each product rounded to float64, and v_i a coordinate's value without the scale, which float32 holds exactly, the
// terms are taken one after the other:
//
//	x ← x − float32(s_0·v_0),   x ← x − float32(s_1·v_1),   …
//
// What most is given of a chunk is its Euclidean length as float32; share_i is what most says over that, at most 1.
func (v *Values) Subtract(dst, src []float32, terms []Term, most Most) error {
	return subtractEach(&v.grid, v.split, v.Check, dst, src, terms, func() func(c int, dst, src []float32) {
		var values [valueSpan]float32
		l, weights := newLimit(most, terms), make([]float32, len(terms))
		return func(c int, dst, src []float32) {
			if most != nil {
				for i, t := range terms {
					l.scales[i] = float32(math.Sqrt(v.square(&values, t.Payload, c)))
				}
			}
			shares := l.shares(c)
			for i, t := range terms {
				w := float64(t.Weight * v.unit(t.Payload, c))
				if shares != nil {
					w = float64(w * float64(shares[i]))
				}
				weights[i] = float32(w)
			}
			for at := 0; at < len(dst); at += valueSpan {
				to, from := dst[at:min(at+valueSpan, len(dst))], src[at:]
				for i, t := range terms {
					take(to, from, v.load(&values, t.Payload, c, at), weights[i])
					from = to
				}
			}
		}
	})
}

// take sets dst = src − s·v.
func take(dst, src, v []float32, s float32) {
	src, v = src[:len(dst)], v[:len(dst)]
	for i := range dst {
		dst[i] = src[i] - float32(s*v[i])
	}
}

// valueSpan is how many values are unpacked at a time.
const valueSpan = 1024

// load unpacks the values, without the scale, of chunk c from number at on: a span or up to the end of the chunk, which
// is filled up to a multiple of eight with zeros.
func (v *Values) load(values *[valueSpan]float32, payload []byte, c, at int) []float32 {
	body := v.bits(payload, c)[at*int(v.format)/8:]
	n := min(valueSpan, v.grid.size(c)-at)
	warmBytes(body[:n*int(v.format)/8])
	v.loadEights(values[:n&^7], body)
	if n%8 == 0 {
		return values[:n]
	}
	var b [4 * 8]byte
	copy(b[:], body[n&^7*int(v.format)/8:])
	v.loadEights(values[n&^7:n&^7+8], b[:])
	return values[:n&^7+8]
}

func (v *Values) loadEights(values []float32, body []byte) {
	switch v.format {
	case FP32:
		loadFP32(values, body)
	case FP16:
		loadFP16(values, body)
	case Int8:
		loadInt8(values, body)
	case FP4:
		loadFP4(values, body)
	}
}
