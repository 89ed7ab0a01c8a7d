package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
)

// What no encoder writes is refused, and then nothing is subtracted.
func TestKeepersRefuse(t *testing.T) {
	cover := Cover{Total: 4096 + 80, Ranges: []Range{{From: 0, To: 4096, Cols: 64}, {From: 4096, To: 4176}}}
	s := noise(7)
	d := s.vector(cover.Total, 2)
	d[100], d[200] = 3, -2 // levels apart
	set := func(at int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], v); return b }
	}
	end := func(span int, by int) func([]byte) []byte {
		return func(b []byte) []byte {
			at := b[streamHeader+4*span:]
			binary.LittleEndian.PutUint32(at, binary.LittleEndian.Uint32(at)+uint32(by))
			return b
		}
	}
	anyway := spoils{
		"empty":        func([]byte) []byte { return nil },
		"header alone": func(b []byte) []byte { return b[:streamHeader] },
		"short":        func(b []byte) []byte { return b[:len(b)-1] },
		"long":         func(b []byte) []byte { return append(b, 0) },
		"longest":      func(b []byte) []byte { return append(b, make([]byte, 1<<16)...) },
		"magic":        set(0, 'x'),
		"version":      set(4, 2),
		"kind":         set(5, 3),
		"chunk":        set(6, 16),
		"params":       set(8, 13),
		"none kept":    set(16, 0, 0),
		"one less":     set(16, 7),
		"one more":     set(16, 9),
		"variant":      set(18, 77),
		"exponent":     set(19, 17),
		"no end":       end(0, -1),
		"far end":      end(0, 1),
		"huge end":     set(streamHeader, 0xff, 0xff, 0xff, 0xff),
		"huge last":    end(0, 1<<24),
		"more at the end of a span": func(b []byte) []byte {
			return append(end(0, 1)(b), 0)
		},
	}
	body := streamHeader + 4 // the cosine codecs have one span
	for name, own := range map[string]spoils{
		"sparse": { // chunk 4096, so one span too: low, high, indices
			"low above high": set(body+1, 0x47), "huge high": set(body+2, 0x81, 0x47), "negative low": set(body+1, 0x80),
			"NaN": set(body+2, 0xc0, 0x7f), "an exponent": set(19, 1),
			"high where levels are equal":  func(b []byte) []byte { copy(b[body+2:], b[body:body+2]); return b },
			"signs where there is nothing": func(b []byte) []byte { copy(b[body:], []byte{0, 0, 0, 0}); return b },
		},
		"cosine fp32": {
			"an exponent": set(19, 1), "NaN": first(body, 32, 0xffffffff), "infinite": first(body, 32, 0xff800000),
			"−0": first(body, 32, 1<<31), "huge": first(body, 32, math.Float32bits(MaxScale)+1),
		},
		"cosine fp16": {
			"an exponent of −127": set(19, 0x81), "NaN": first(body, 16, 0xffff), "−0": first(body, 16, 1<<15), "huge": first(body, 16, 0xf801),
		},
		"cosine bit": {
			"negative mean": set(body+1, 0xb0), "huge mean": set(body, 1, 0x78), "signs where there is nothing": set(body, 0, 0),
			"an exponent of −128": set(19, 0x80),
		},
	} {
		refuses(t, name, keepers(t, cover, 4096, 8)[name], d, anyway, own)
	}
}

// first sets the first value, so many bits wide, behind the eight indices of a block of 4096.
func first(body, width int, v uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		r := bitsOf(b[body:])
		naiveSet(r, 4096, 8)
		for i := range width {
			at, bit := body+(r.at+i)/8, byte(1)<<((r.at+i)%8)
			b[at] &^= bit
			if v>>i&1 == 1 {
				b[at] |= bit
			}
		}
		return b
	}
}

// Spans that end before they begin, in payloads of several.
func TestSpansAscend(t *testing.T) {
	for name, c := range keepers(t, Whole([]int{64 * 200}), 64, 8) {
		s := noise(8)
		good, err := c.Encode(nil, s.vector(64*200, 3), nil)
		if err != nil || c.Check(good) != nil {
			t.Fatalf("%s: %v, %v", name, err, c.Check(good))
		}
		ends := good[streamHeader:]
		one, two := binary.LittleEndian.Uint32(ends), binary.LittleEndian.Uint32(ends[4:])
		for _, bad := range [][2]uint32{{two, one}, {one, one - 1}, {two + 1, two}, {0, two}, {one, 1 << 31}} {
			binary.LittleEndian.PutUint32(ends, bad[0])
			binary.LittleEndian.PutUint32(ends[4:], bad[1])
			if err := c.Check(good); !errors.Is(err, ErrPayload) {
				t.Errorf("%s: ends %d instead of %d: %v", name, bad, [2]uint32{one, two}, err)
			}
		}
	}
}

// What rounds to nothing beside something large is sent as +0, as is −0.
func TestNothingHasNoSign(t *testing.T) {
	cover := Cover{Total: 4096 + 64, Ranges: []Range{{From: 0, To: 4096, Cols: 64}, {From: 4096, To: 4160}}}
	zero := float32(math.Copysign(0, -1))
	for what, d := range map[string][]float32{
		"−0":           slices.Repeat([]float32{zero}, cover.Total),
		"small blocks": append(slices.Repeat([]float32{-1e-30}, 4096), slices.Repeat([]float32{1}, 64)...),
		"small levels": append([]float32{1, 1, 1}, slices.Repeat([]float32{-0x1p-149}, cover.Total-3)...),
	} {
		for name, c := range keepers(t, cover, 64, 8) {
			payload, err := c.Encode(nil, d, nil)
			if err != nil || c.Check(payload) != nil {
				t.Errorf("%s: %s: %v, %v", name, what, err, c.Check(payload))
			}
		}
	}
	c := keepers(t, Whole([]int{8}), 8, 8)["sparse"]
	payload, err := c.Encode(nil, []float32{1, -0x1p-149, 0, 0, 0, 0, 0, 0}, nil)
	if err != nil || payload[streamHeader+4+4] != 2 { // the codes of the first four: high, low, low, low
		t.Fatalf("%x: %v", payload, err)
	}
	if payload[streamHeader+4+4] |= 4; !errors.Is(c.Check(payload), ErrPayload) {
		t.Errorf("a sign where z is 0: accepted")
	}
}
