package pack

import (
	"encoding/binary"
	"math/bits"
)

// Reader reads what a Writer wrote. Reading past the end gives zeros and is told by [Reader.End]; whatever the bytes
// are, it neither panics nor loops for longer than the numbers asked for explain.
type Reader struct {
	buf []byte
	at  int // bits read
}

// Reset begins to read buf.
func (r *Reader) Reset(buf []byte) { *r = Reader{buf: buf} }

// sure is how many bits peek gives at least.
const sure = 57

// peek returns the bits from at on, lowest first, with zeros past the end.
func (r *Reader) peek(at int) uint64 {
	if from := at >> 3; from+8 <= len(r.buf) {
		return binary.LittleEndian.Uint64(r.buf[from:]) >> (at & 7)
	}
	return r.last(at)
}

// last is peek less than 8 bytes before the end. Inlined, it would slow down what is read before.
//
//go:noinline
func (r *Reader) last(at int) uint64 {
	var last [8]byte
	if from := at >> 3; from < len(r.buf) {
		copy(last[:], r.buf[from:])
	}
	return binary.LittleEndian.Uint64(last[:]) >> (at & 7)
}

// Bits reads width bits, at most 32.
func (r *Reader) Bits(width int) uint32 {
	v := r.peek(r.at) & (1<<width - 1)
	r.at += width
	return uint32(v)
}

// Set reads len(dst) indices below n into dst and says whether the bits are those of a set.
func (r *Reader) Set(dst []uint16, n int) bool {
	b := rice(n, len(dst)) & 15
	mask := 1<<b - 1
	next, room := 0, n-len(dst)
	at := r.at
	for i := range dst {
		word := r.peek(at)
		run, longest := bits.TrailingZeros64(word), room>>b
		if run >= sure-16 { // the run may be longer, or the rest of the code is not in the word
			run = r.run(at, longest)
			word = r.peek(at + run)
		} else {
			run = min(run, longest)
			word >>= run & 63
		}
		at += run + b
		if run < longest { // over the one
			at++
			word >>= 1
		}
		gap := run<<b | int(word)&mask
		if gap > room {
			return false
		}
		dst[i] = uint16(next + gap)
		next += gap + 1
		room -= gap
	}
	r.at = at
	return true
}

// run is how many zeros stand from at on, up to longest, counted a word at a time.
func (r *Reader) run(at, longest int) int {
	for run := 0; ; {
		zeros := min(bits.TrailingZeros64(r.peek(at+run)), sure, longest-run)
		run += zeros
		if zeros < sure {
			return run
		}
	}
}

// End says whether everything was read: no bit past the end, fewer than 8 left, and those zero.
func (r *Reader) End() bool {
	return (r.at+7)>>3 == len(r.buf) && r.peek(r.at) == 0
}
