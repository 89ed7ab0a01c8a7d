package outer

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// Whatever bytes come: no panic; what Check accepts is applied and stays finite, what it refuses changes nothing.
func FuzzHostilePayload(f *testing.F) {
	sizes := []int{70, 8, 3, 64}
	const n = 70 + 8 + 3 + 64
	b, err := NewBitloco(Params{Sizes: sizes, Chunk: 64, Bits: 1})
	if err != nil {
		f.Fatal(err)
	}
	s := noise(5)
	good := encode(f, b, s.vector(n, 9))
	f.Add(good)
	f.Fuzz(func(t *testing.T, payload []byte) {
		kept := bytes.Clone(payload)
		head := slices.Repeat([]float32{1}, n)
		checked := b.Check(payload)
		for _, updates := range [][]Update{
			{{payload, 1}},
			{{good, 5}, {payload, 7}},
			{{payload, 1}, {good, 1}, {payload, 1 << 40}, {good, 3}},
		} {
			dst := slices.Clone(head)
			if err := b.Apply(dst, head, updates); (err == nil) != (checked == nil) {
				t.Fatalf("check says %v, apply %v", checked, err)
			}
			judge(t, dst, checked)
		}
		dst := slices.Clone(head)
		if err := b.AddDecoded(dst, payload, 1); (err == nil) != (checked == nil) {
			t.Fatalf("check says %v, add %v", checked, err)
		}
		judge(t, dst, checked)
		if !bytes.Equal(kept, payload) {
			t.Fatal("the payload was written to")
		}
		if checked == nil {
			again(t, b, payload, n)
		}
	})
}

func judge(t *testing.T, dst []float32, checked error) {
	for i, x := range dst {
		if checked != nil && x != 1 {
			t.Fatalf("refused, and parameter %d is %g", i, x)
		}
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatalf("parameter %d is %g", i, x)
		}
	}
}

// again encodes what a payload decodes to: the same bytes, but for the rounding of means and chunks that are all zero.
func again(t *testing.T, b *Bitloco, payload []byte, n int) {
	z, zero := make([]float32, n), make([]float32, n)
	if err := b.AddDecoded(z, payload, 1); err != nil {
		t.Fatal(err)
	}
	twice, err := b.Encode(nil, z, zero)
	if err != nil {
		t.Skip("a scale at the limit may round above it")
	}
	for c, at := 0, 16; at < 16+4*5; c, at = c+1, at+4 {
		was := math.Float32frombits(binary.LittleEndian.Uint32(payload[at:]))
		is := math.Float32frombits(binary.LittleEndian.Uint32(twice[at:]))
		if off := math.Abs(float64(was) - float64(is)); off > 1e-5*float64(was) {
			t.Fatalf("chunk %d: scale %g comes back as %g", c, was, is)
		}
		if was == 0 {
			return
		}
	}
	if !bytes.Equal(payload[16+4*5:], twice[16+4*5:]) {
		t.Fatalf("signs %x come back as %x", payload[16+4*5:], twice[16+4*5:])
	}
}
