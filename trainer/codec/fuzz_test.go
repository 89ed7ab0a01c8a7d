package codec

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

// Whatever bytes come, to whichever codec: no panic; what Check accepts is subtracted and stays finite, and of what it
// decodes to, the same codes are made again; what Check refuses changes nothing.
func FuzzHostilePayload(f *testing.F) {
	cover := Cover{Total: 160, Ranges: []Range{{From: 2, To: 72}, {From: 72, To: 80}, {From: 90, To: 93}, {From: 96, To: 160}}}
	all := codecs(f, cover, 64)
	good := seeds(f, all, cover.Total, []int{9, -6, 120, 148}, []int{5, 16, 19})
	f.Fuzz(func(t *testing.T, payload []byte) {
		kept := bytes.Clone(payload)
		src := slices.Repeat([]float32{1}, cover.Total)
		accepted := 0
		for name, c := range all {
			checked := c.Check(payload)
			if checked == nil {
				accepted++
			}
			for _, terms := range [][]Term{
				{{payload, -1}},
				{{good[name], 4}, {payload, -4}},
				{{payload, 1}, {good[name], 1}, {payload, .1}, {good[name], 0}, {payload, 3}},
			} {
				dst := slices.Clone(src)
				for _, most := range []Most{nil, median} {
					if err := c.Subtract(dst, src, terms, most); (err == nil) != (checked == nil) {
						t.Fatalf("%s: check says %v, subtract %v", name, checked, err)
					}
					unharmed(t, name, dst, checked)
				}
			}
			if !bytes.Equal(kept, payload) {
				t.Fatalf("%s: the payload was written to", name)
			}
			if checked == nil && frameOf(c).scales < 2 {
				again(t, name, c, payload, cover)
			}
		}
		if accepted > 1 {
			t.Fatalf("%d codecs accept the same bytes", accepted)
		}
	})
}

// seeds adds good payloads of numbers up to 2^-exponent, and spoilt ones: cut short, and with bits turned at some
// places, in the middle and at the end. It returns the last good one of each codec.
func seeds(f *testing.F, all map[string]codec, n int, exponents, places []int) map[string][]byte {
	s := noise(5)
	good := map[string][]byte{}
	for name, c := range all {
		for _, exponent := range exponents {
			d := s.vector(n, 0)
			for i := range d {
				d[i] = float32(math.Ldexp(float64(d[i]), -exponent))
			}
			payload, err := c.Encode(nil, d, nil)
			if err != nil {
				f.Fatal(name, err)
			}
			good[name] = payload
			f.Add(payload)
			f.Add(payload[:len(payload)-1])
			for _, at := range append([]int{len(payload) / 2, len(payload) - 1}, places...) {
				bad := bytes.Clone(payload)
				bad[at] ^= 0x80
				f.Add(bad)
			}
		}
		zeros, err := c.Encode(nil, make([]float32, n), nil)
		if err != nil {
			f.Fatal(name, err)
		}
		f.Add(zeros)
	}
	return good
}

// unharmed checks a vector of ones from which a payload was subtracted, unless it was refused.
func unharmed(t *testing.T, name string, dst []float32, refused error) {
	for i, x := range dst {
		if refused != nil && x != 1 {
			t.Fatalf("%s: refused, and parameter %d is %g", name, i, x)
		}
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatalf("%s: parameter %d is %g", name, i, x)
		}
	}
}

// again encodes what a payload decodes to: the same bytes, but for the rounding of scales and chunks that are all zero.
func again(t *testing.T, name string, c codec, payload []byte, cover Cover) {
	twice, err := c.Encode(nil, decoded(t, c, payload, cover.Total), nil)
	if err != nil {
		t.Skip("a scale at the limit may round above it")
	}
	f := frameOf(c)
	for i := range f.grid.chunks() {
		if f.scales == 1 {
			was, is := f.scale(payload, i, 0), f.scale(twice, i, 0)
			if off := math.Abs(float64(was) - float64(is)); off > 1e-5*float64(was)+0x1p-126 {
				t.Fatalf("%s: chunk %d: scale %g comes back as %g", name, i, was, is)
			}
			if was < 0x1p-120 { // what is a fraction of it is not exact
				continue
			}
		}
		if was, is := f.bits(payload, i), f.bits(twice, i); !bytes.Equal(was, is) {
			t.Fatalf("%s: chunk %d: %x comes back as %x", name, i, was, is)
		}
	}
}
