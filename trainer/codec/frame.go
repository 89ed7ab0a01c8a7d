package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	magic   = "mmpd"
	version = 1
	header  = 16
)

// MaxScale bounds what a payload may say of a chunk: its scales, levels and largest magnitude. Parameters are of order
// 1, so nothing that learns comes near it, and sums of weighted updates below it stay finite.
const MaxScale = 1 << 16

var (
	// ErrDiverged marks a difference that cannot be sent: a coordinate is not finite, or absurdly large.
	ErrDiverged = errors.New("the local model has diverged")
	// ErrPayload marks bytes that are no payload of this layout.
	ErrPayload = errors.New("invalid payload")
)

// kind is a payload's sixth byte. Those that send every coordinate are named by the bits that one takes.
type kind byte

// newHeader is what payloads of a kind begin with.
func newHeader(k kind, chunk int, g *grid) (h [header]byte) {
	copy(h[:], magic)
	h[4], h[5] = version, byte(k)
	binary.LittleEndian.PutUint16(h[6:], uint16(chunk))
	binary.LittleEndian.PutUint64(h[8:], uint64(g.params))
	return h
}

// frame is what codecs that send every coordinate share: a header, some float32s for each chunk ("scales", all of them
// in order), then for each chunk the same number of bits a coordinate, filled up to whole bytes.
type frame struct {
	grid   grid
	header [header]byte
	scales int       // a chunk
	body   []int     // chunk c's bits are bytes body[c] … body[c+1] of the payload
	zero   []float32 // what a difference is taken from where there is no local model
	split  int       // goroutines; 0: one a CPU
}

// newFrame cuts a cover into chunks that take scales float32s and planes times bits (filled up to a byte) a coordinate.
func newFrame(cover Cover, chunk int, k kind, scales, planes, bits int) (frame, error) {
	g, err := newGrid(cover, chunk)
	if err != nil {
		return frame{}, err
	}
	at := header + 4*scales*g.chunks()
	f := frame{
		grid: g, header: newHeader(k, chunk, &g), scales: scales,
		body: append(make([]int, 0, g.chunks()+1), at), zero: make([]float32, min(chunk, g.params)),
	}
	for c := range g.chunks() {
		at += planes * ((bits*g.size(c) + 7) / 8)
		f.body = append(f.body, at)
	}
	return f, nil
}

// Max is the length of every payload in bytes.
func (f *frame) Max() int { return f.body[len(f.body)-1] }

// scale is number i of the scales of chunk c.
func (f *frame) scale(payload []byte, c, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(payload[header+4*(f.scales*c+i):]))
}

func (f *frame) setScale(payload []byte, c, i int, v float32) {
	binary.LittleEndian.PutUint32(payload[header+4*(f.scales*c+i):], math.Float32bits(v))
}

// bits are those of the coordinates of chunk c.
func (f *frame) bits(payload []byte, c int) []byte { return payload[f.body[c]:f.body[c+1]] }

// encode makes a payload in dst's storage, where that is large enough: do writes chunk c of head − local, and is false
// where that has diverged.
func (f *frame) encode(dst []byte, head, local []float32, do func(dst []byte, c int, head, local []float32) bool) ([]byte, error) {
	if n := f.grid.total; len(head) != n || local != nil && len(local) != n {
		return nil, fmt.Errorf("encode: vectors of %d and %d parameters, want %d", len(head), len(local), n)
	}
	dst = slices.Grow(dst[:0], f.Max())[:f.Max()]
	copy(dst, f.header[:])
	bad := f.grid.first(f.split, func(c int) bool {
		lo, hi := f.grid.start[c], f.grid.end[c]
		if local == nil {
			return do(dst, c, head[lo:hi], f.zero[:hi-lo])
		}
		return do(dst, c, head[lo:hi], local[lo:hi])
	})
	if bad >= 0 {
		return nil, diverged(&f.grid, bad)
	}
	return dst, nil
}

// diverged says that the difference in chunk c cannot be sent.
func diverged(g *grid, c int) error {
	return fmt.Errorf("%w: tensor %d, parameters %d to %d differ by something not finite or absurdly large",
		ErrDiverged, g.tensor[c], g.start[c], g.end[c]-1)
}

// check says whether a payload has the size and header of this layout.
func (f *frame) check(payload []byte) error {
	if len(payload) != f.Max() {
		return fmt.Errorf("%w: %d bytes, want %d", ErrPayload, len(payload), f.Max())
	}
	if !bytes.Equal(payload[:header], f.header[:]) {
		return fmt.Errorf("%w: header %x, want %x", ErrPayload, payload[:header], f.header)
	}
	return nil
}

// checkScale says whether scale i of chunk c is one of 0 … most; it is below or equal to nothing else.
func (f *frame) checkScale(payload []byte, c, i int, most float32) error {
	// As integers, 0 … most come first; −0, negatives, infinities and NaNs are all above.
	if v := f.scale(payload, c, i); math.Float32bits(v) > math.Float32bits(most) {
		return fmt.Errorf("%w: chunk %d has scale %g", ErrPayload, c, v)
	}
	return nil
}

// filled says whether the last byte of a plane of n bits, filled with zeros, is that.
func filled(plane []byte, n int) bool { return n%8 == 0 || plane[len(plane)-1]>>(n%8) == 0 }
