package codec

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// How far z may be from d, by format: in a chunk whose largest |d| is most.
func TestValuesAreNear(t *testing.T) {
	bounds := map[Format]func(d, most float64) float64{
		FP32: func(_, _ float64) float64 { return 0 },
		FP16: func(d, _ float64) float64 { return max(math.Abs(d)/2048, 0x1p-25) },
		Int8: func(_, most float64) float64 { return most / 127 * (.5 + 1e-4) },
		FP4:  func(d, most float64) float64 { return max(math.Abs(d)/3, most/128) * (1 + 1e-6) },
	}
	rapid.Check(t, func(t *rapid.T) {
		cover, chunk := drawCover(t)
		d := drawVector(t, cover.Total, "d")
		small := float32(math.Ldexp(1, -rapid.IntRange(0, 30).Draw(t, "exponent")))
		for i := range d {
			if d[i] *= small; i%3 == 0 {
				d[i] *= d[i]
			}
		}
		for name, format := range formats() {
			v := newValues(t, cover, chunk, format)
			payload, err := v.Encode(nil, d, nil)
			if err != nil {
				t.Fatal(name, err)
			}
			z := decoded(t, v, payload, cover.Total)
			for c := range v.grid.chunks() {
				var most float64
				for _, x := range d[v.grid.start[c]:v.grid.end[c]] {
					most = max(most, math.Abs(float64(x)))
				}
				for i := v.grid.start[c]; i < v.grid.end[c]; i++ {
					if off := math.Abs(float64(d[i]) - float64(z[i])); off > bounds[format](float64(d[i]), most) {
						t.Fatalf("%s: %g is sent as %g; the chunk's largest is %g", name, d[i], z[i], most)
					}
				}
			}
			if again, err := v.Encode(nil, z, nil); err != nil || format != Int8 && string(again) != string(payload) {
				t.Fatalf("%s: what a payload decodes to makes another payload", name)
			}
		}
	})
}

// Codes by hand: what lies half way, what is next to it, and either sign.
func TestCodes(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		d      []float32
		want   []float32
	}{
		"int8, ties to even": {Int8, []float32{127, .5, 1.5, 2.5, -.5, -1.5, -2.5, 126.5}, []float32{127, 0, 2, 2, 0, -2, -2, 126}},
		"int8, small":        {Int8, []float32{-1e-40, 1e-40, 0}, []float32{0, 0, 0}},
		"fp4, powers":        {FP4, []float32{64, 32, -16, 8, -4, 2, 1, -1}, []float32{64, 32, -16, 8, -4, 2, 1, -1}},
		"fp4, ties":          {FP4, []float32{-64, 48, 24, -12, 6, 3, 1.5, -.5}, []float32{-64, 64, 32, -16, 8, 4, 2, -1}},
		"fp4, below ties":    {FP4, []float32{64, 47.9, 23.9, -11.9, 5.9, 2.9, 1.49, .49}, []float32{64, 32, 16, -8, 4, 2, 1, 0}},
		"fp4, odd and tiny":  {FP4, []float32{0x1p-149, 0, -0x1p-149}, []float32{0x1p-149, 0, -0x1p-149}},
		"fp16, ties to even": {FP16, []float32{1 + 0x1p-11, 1 + 3*0x1p-11, -0x1p-25, 0x1p-25 + 0x1p-40, 65519}, []float32{1, 1 + 0x1p-9, 0, 0x1p-24, 65504}},
		"fp32, anything":     {FP32, []float32{1e18, -1e-45, 3}, []float32{1e18, -1e-45, 3}},
	} {
		v := newValues(t, Whole([]int{len(c.d)}), 8, c.format)
		payload, err := v.Encode(nil, c.d, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		for i, z := range decoded(t, v, payload, len(c.d)) {
			if z != c.want[i] {
				t.Errorf("%s: %g is sent as %g, want %g", name, c.d[i], z, c.want[i])
			}
		}
	}
}

// Every half against IEEE's definition, and what lies half way between two and beside.
func TestHalves(t *testing.T) {
	const halfInf = 0x7c00
	for v := range uint32(halfInf) {
		for _, sign := range []uint32{0, 0x8000} {
			var one [8]float32
			loadFP16(one[:], binary.LittleEndian.AppendUint16(make([]byte, 14, 16), uint16(v|sign)))
			f := one[7]
			if want := naiveHalf(uint16(v | sign)); v > 0 && math.Float32bits(f) != math.Float32bits(want) {
				t.Fatalf("half %#x is %g, want %g", v|sign, f, want)
			}
			next := float32(math.Copysign(65536, float64(f))) // the one that would follow the largest
			if v+1 < halfInf {
				next = naiveHalf(uint16(v | sign + 1))
			}
			middle := (f + next) / 2
			even := v + v%2
			for _, c := range []struct {
				of   float32
				want uint32
			}{{f, v}, {middle, even}, {math.Nextafter32(middle, f), v}, {math.Nextafter32(middle, next), v + 1}} {
				want := c.want | sign
				if c.want == 0 {
					want = 0
				}
				if c.want == halfInf {
					if putFP16(make([]byte, 8), []float32{0, 0, c.of, 0}, make([]float32, 4)) {
						t.Fatalf("%g is sent", c.of)
					}
				} else if got := toHalf(math.Float32bits(c.of)); got != uint16(want) {
					t.Fatalf("%g becomes half %#x, want %#x", c.of, got, want)
				}
			}
		}
	}
}
