package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
)

const (
	magic   = "mmpd"
	version = 1
	header  = 16
)

// MaxScale bounds a chunk's mean magnitude. Parameters are of order 1, so nothing that learns comes near it, and sums
// of weighted updates below it stay finite.
const MaxScale = 1 << 16

var (
	// ErrDiverged marks a difference that cannot be sent: a coordinate is not finite, or a chunk's mean is above MaxScale.
	ErrDiverged = errors.New("the local model has diverged")
	// ErrPayload marks bytes that are no payload of this layout.
	ErrPayload = errors.New("invalid payload")
)

// OneBit encodes differences of vectors of one layout with one bit a parameter. It may be used from many goroutines.
type OneBit struct {
	grid   grid
	header [header]byte
	split  int // goroutines; 0: one a CPU
}

// NewOneBit prepares for vectors made of tensors of these sizes, in order, cut into chunks of at most chunk parameters
// (a multiple of 8).
func NewOneBit(sizes []int, chunk int) (*OneBit, error) {
	g, err := newGrid(sizes, chunk)
	if err != nil {
		return nil, fmt.Errorf("one-bit codec: %w", err)
	}
	o := &OneBit{grid: g}
	copy(o.header[:], magic)
	o.header[4], o.header[5] = version, 1
	binary.LittleEndian.PutUint16(o.header[6:], uint16(chunk))
	binary.LittleEndian.PutUint64(o.header[8:], uint64(g.params()))
	return o, nil
}

// Params is the length of the vectors.
func (o *OneBit) Params() int { return o.grid.params() }

// Size is the length of every payload in bytes: 16 + 4·chunks + about Params/8.
func (o *OneBit) Size() int { return o.signsAt() + o.grid.signBytes() }

func (o *OneBit) signsAt() int { return header + 4*o.grid.chunks() }

// scale is the magnitude of chunk c.
func (o *OneBit) scale(payload []byte, c int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(payload[header+4*c:]))
}

// signs are the sign bytes of chunk c.
func (o *OneBit) signs(payload []byte, c int) []byte {
	at := o.signsAt()
	return payload[at+o.grid.sign[c] : at+o.grid.sign[c+1]]
}

// Encode returns the payload of d = head − local, in dst's storage where that is large enough.
func (o *OneBit) Encode(dst []byte, head, local []float32) ([]byte, error) {
	if n := o.Params(); len(head) != n || len(local) != n {
		return nil, fmt.Errorf("encode: vectors of %d and %d parameters, want %d", len(head), len(local), n)
	}
	dst = slices.Grow(dst[:0], o.Size())[:o.Size()]
	copy(dst, o.header[:])
	var bad atomic.Int64 // chunks from the first bad one to the end
	o.grid.each(o.split, func(c int) {
		lo, hi := o.grid.start[c], o.grid.start[c+1]
		scale := quantise(o.signs(dst, c), head[lo:hi], local[lo:hi])
		if !(scale <= MaxScale) { // NaN is caught too
			for left := int64(o.grid.chunks() - c); ; {
				if was := bad.Load(); was >= left || bad.CompareAndSwap(was, left) {
					return
				}
			}
		}
		binary.LittleEndian.PutUint32(dst[header+4*c:], math.Float32bits(scale))
	})
	if left := bad.Load(); left > 0 {
		c := o.grid.chunks() - int(left)
		return nil, fmt.Errorf("%w: tensor %d, parameters %d to %d differ by something not finite or above %d in the mean",
			ErrDiverged, o.grid.tensor[c], o.grid.start[c], o.grid.start[c+1]-1, MaxScale)
	}
	return dst, nil
}

// Check says whether payload is one that Encode could have made: exact size and header, scales from 0 to MaxScale,
// filling bits zero. Its cost is bounded by the layout, not by the bytes.
func (o *OneBit) Check(payload []byte) error {
	if len(payload) != o.Size() {
		return fmt.Errorf("%w: %d bytes, want %d", ErrPayload, len(payload), o.Size())
	}
	if !bytes.Equal(payload[:header], o.header[:]) {
		return fmt.Errorf("%w: header %x, want %x", ErrPayload, payload[:header], o.header)
	}
	limit := math.Float32bits(MaxScale)
	for c := range o.grid.chunks() {
		// As integers, 0 … MaxScale come first; −0, negatives, infinities and NaNs are all above.
		if b := binary.LittleEndian.Uint32(payload[header+4*c:]); b > limit {
			return fmt.Errorf("%w: chunk %d has scale %g", ErrPayload, c, math.Float32frombits(b))
		}
		if n := o.grid.start[c+1] - o.grid.start[c]; n%8 != 0 {
			if s := o.signs(payload, c); s[len(s)-1]>>(n%8) != 0 {
				return fmt.Errorf("%w: chunk %d ends with filling bits that are not zero", ErrPayload, c)
			}
		}
	}
	return nil
}

// Norm is the Euclidean length of a checked payload's z: √Σ n·scale² over the chunks in order, in float64, every
// operation rounded by itself.
func (o *OneBit) Norm(payload []byte) float64 {
	var sum float64
	for c := range o.grid.chunks() {
		s := float64(o.scale(payload, c))
		sum += float64(float64(o.grid.start[c+1]-o.grid.start[c]) * float64(s*s))
	}
	return math.Sqrt(sum)
}
