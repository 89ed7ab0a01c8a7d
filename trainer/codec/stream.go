package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/murmurnet/murmur/trainer/codec/pack"
)

const (
	spanUnits    = 64         // units between two places at which a reader may begin
	streamHeader = header + 4 // and then the ends of the spans
)

// stream is the form of payloads that keep some numbers of each unit (a chunk or a block):
//
//	offset  bytes    what
//	0       16       the header of every payload
//	16      2        keep: how many numbers of a whole unit are kept, at least 1
//	18      1        variant of the kind
//	19      1        exponent, signed
//	20      4·spans  where each span of 64 units ends, counted from the end of this table
//	…       …        the spans: bits from the lowest up, unit after unit, the last byte filled with zeros
//
// A payload may keep fewer than the stream's own, so that a node on a slow link sends less; then it is shorter.
type stream struct {
	header  [header]byte
	variant byte
	keep    int
	units   int
	at      []int // where span s begins at the latest; at[spans] is the longest payload
	split   int   // goroutines; 0: one a CPU
}

// newStream prepares for so many units; bits is the longest that unit u takes.
func newStream(h [header]byte, variant byte, keep, units int, bits func(u int) int) (stream, error) {
	s := stream{header: h, variant: variant, keep: keep, units: units}
	at := streamHeader + 4*s.spans()
	s.at = append(s.at, at)
	for from := 0; from < units; from += spanUnits {
		most := 0
		for u := from; u < min(from+spanUnits, units); u++ {
			most += bits(u)
		}
		at += (most + 7) / 8
		if at > math.MaxInt32 {
			return stream{}, fmt.Errorf("payloads of more than 2 GiB")
		}
		s.at = append(s.at, at)
	}
	return s, nil
}

func (s *stream) spans() int { return (s.units + spanUnits - 1) / spanUnits }

// Max is the length in bytes that no payload exceeds.
func (s *stream) Max() int { return s.at[s.spans()] }

// encode makes a payload in dst's storage where that is large enough. Each goroutine gets a writer of units from worker.
func (s *stream) encode(dst []byte, exponent int8, worker func() func(w *pack.Writer, u int)) []byte {
	dst = slices.Grow(dst[:0], s.Max())[:s.Max()]
	copy(dst, s.header[:])
	binary.LittleEndian.PutUint16(dst[header:], uint16(s.keep))
	dst[header+2], dst[header+3] = s.variant, byte(exponent)
	ends := dst[streamHeader:s.at[0]]
	spread(s.split, s.spans(), func() func(int) {
		put := worker()
		return func(span int) { // written where nothing before can reach, and its length noted
			var w pack.Writer
			from, to := s.at[span], s.at[span+1]
			w.Reset(dst[from:from:to])
			for u := span * spanUnits; u < min((span+1)*spanUnits, s.units); u++ {
				put(&w, u)
			}
			binary.LittleEndian.PutUint32(ends[4*span:], uint32(len(w.Bytes())))
		}
	})
	end := s.at[0]
	for span := range s.spans() {
		n := int(binary.LittleEndian.Uint32(ends[4*span:]))
		copy(dst[end:], dst[s.at[span]:s.at[span]+n])
		end += n
		binary.LittleEndian.PutUint32(ends[4*span:], uint32(end-s.at[0]))
	}
	return dst[:end]
}

// keeps is how many numbers of a whole unit a payload keeps.
func (s *stream) keeps(payload []byte) int { return int(binary.LittleEndian.Uint16(payload[header:])) }

// open sets r to read a span.
func (s *stream) open(r *pack.Reader, payload []byte, span int) {
	from, body := 0, payload[s.at[0]:]
	if span > 0 {
		from = int(binary.LittleEndian.Uint32(payload[streamHeader+4*span-4:]))
	}
	r.Reset(body[from:binary.LittleEndian.Uint32(payload[streamHeader+4*span:])])
}

// check says whether a payload has this form. Each goroutine gets from worker what says whether the bits of a unit are
// good.
func (s *stream) check(payload []byte, worker func() func(r *pack.Reader, u int) bool) error {
	if len(payload) < s.at[0] || len(payload) > s.Max() {
		return fmt.Errorf("%w: %d bytes, want %d to %d", ErrPayload, len(payload), s.at[0], s.Max())
	}
	if !bytes.Equal(payload[:header], s.header[:]) || payload[header+2] != s.variant {
		return fmt.Errorf("%w: header %x, want %x, 2 bytes and %02x", ErrPayload, payload[:streamHeader], s.header, s.variant)
	}
	if keep := s.keeps(payload); keep < 1 || keep > s.keep {
		return fmt.Errorf("%w: it keeps %d of a unit, want 1 to %d", ErrPayload, keep, s.keep)
	}
	last := uint32(0)
	for span := range s.spans() {
		end := binary.LittleEndian.Uint32(payload[streamHeader+4*span:])
		if end < last || uint64(end) > uint64(len(payload)-s.at[0]) {
			return fmt.Errorf("%w: span %d ends at %d, the one before at %d", ErrPayload, span, end, last)
		}
		last = end
	}
	if int(last) != len(payload)-s.at[0] {
		return fmt.Errorf("%w: %d bytes, of which the spans take %d", ErrPayload, len(payload)-s.at[0], last)
	}
	var bad atomic.Bool
	spread(s.split, s.spans(), func() func(int) {
		good := worker()
		return func(span int) {
			var r pack.Reader
			s.open(&r, payload, span)
			for u := span * spanUnits; u < min((span+1)*spanUnits, s.units); u++ {
				if !good(&r, u) {
					bad.Store(true)
					return
				}
			}
			if !r.End() {
				bad.Store(true)
			}
		}
	})
	if bad.Load() {
		return fmt.Errorf("%w: it holds bits that no encoder writes", ErrPayload)
	}
	return nil
}

// each calls what worker makes, once for every unit in order within a span, with the terms' readers at that unit.
func (s *stream) each(terms []Term, worker func() func(readers []pack.Reader, u int)) {
	spread(s.split, s.spans(), func() func(int) {
		do, readers := worker(), make([]pack.Reader, len(terms))
		return func(span int) {
			for i, t := range terms {
				s.open(&readers[i], t.Payload, span)
			}
			for u := span * spanUnits; u < min((span+1)*spanUnits, s.units); u++ {
				do(readers, u)
			}
		}
	})
}
