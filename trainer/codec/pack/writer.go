package pack

import "encoding/binary"

// Writer appends bits to bytes. The zero Writer is ready.
type Writer struct {
	buf  []byte
	acc  uint64 // bits not yet in buf, lowest first
	held int    // how many: fewer than 32 between calls
}

// Reset begins anew, behind the bytes of dst.
func (w *Writer) Reset(dst []byte) { *w = Writer{buf: dst} }

// Bits writes the lowest width bits of v, the others of which must be zero; width is at most 32.
func (w *Writer) Bits(v uint32, width int) {
	w.acc |= uint64(v) << w.held
	w.held += width
	if w.held >= 32 {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(w.acc))
		w.acc >>= 32
		w.held -= 32
	}
}

// Set writes the indices, which must ascend and be below n.
func (w *Writer) Set(indices []uint16, n int) {
	b := rice(n, len(indices))
	next, room := 0, n-len(indices) // the lowest index that may come; those that are still to be left out
	for _, index := range indices {
		gap := int(index) - next
		run, longest := gap>>b, room>>b
		next += gap + 1
		room -= gap
		for ; run >= 16; run -= 16 {
			w.Bits(0, 16)
			longest -= 16
		}
		low := uint32(gap & (1<<b - 1)) // b < 15, so all fits in 32 bits
		if run < longest {
			w.Bits((low<<1|1)<<run, run+1+b)
		} else {
			w.Bits(low<<run, run+b)
		}
	}
}

// Bytes fills the last byte with zeros and returns all that was written, behind what Reset was given.
func (w *Writer) Bytes() []byte {
	for ; w.held > 0; w.held -= 8 {
		w.buf = append(w.buf, byte(w.acc))
		w.acc >>= 8
	}
	w.held = 0
	return w.buf
}
