package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// codec is what every codec of the package is.
type codec interface {
	Max() int
	Encode(dst []byte, head, local []float32) ([]byte, error)
	Check(payload []byte) error
	Chunks() int
	Subtract(dst, src []float32, terms []Term, most Most) error
}

// codecs are those that send every coordinate, for one cover.
func codecs(t interface{ Fatal(...any) }, c Cover, chunk int) map[string]codec {
	one, err := NewOneBit(c, chunk)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewTwoBit(c, chunk)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]codec{"one bit": one, "two bits": two}
	for name, format := range formats() {
		all[name] = newValues(t, c, chunk, format)
	}
	return all
}

func formats() map[string]Format {
	return map[string]Format{"fp32": FP32, "fp16": FP16, "int8": Int8, "fp4": FP4}
}

func newValues(t interface{ Fatal(...any) }, c Cover, chunk int, format Format) *Values {
	v, err := NewValues(c, chunk, format)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// frameOf is what the codec shares with the others, for its number of goroutines.
func frameOf(c codec) *frame {
	switch c := c.(type) {
	case *OneBit:
		return &c.frame
	case *TwoBit:
		return &c.frame
	case *Values:
		return &c.frame
	}
	panic("no codec of this package")
}

// noise is a stream of floats in ±2^-exponent made of integers alone, so equal on every CPU.
type noise uint64

func (s *noise) next(exponent int) float32 {
	*s = *s*6364136223846793005 + 1442695040888963407
	return float32(int32(*s>>32)) / float32(uint64(1)<<(31+exponent))
}

func (s *noise) vector(n, exponent int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = s.next(exponent)
	}
	return v
}

// drawCover draws a layout of some tensors with gaps between some; one in four has chunks of up to 6144, longer than a
// strip.
func drawCover(t *rapid.T) (c Cover, chunk int) {
	times := rapid.SampledFrom([]int{1, 1, 1, 64}).Draw(t, "times")
	chunk = 8 * times * rapid.IntRange(1, 12).Draw(t, "chunk/8")
	gap := rapid.SampledFrom([]int{0, 0, 1, 77})
	for range rapid.IntRange(1, 6).Draw(t, "tensors") {
		from := c.Total + gap.Draw(t, "gap")
		c.Total = from + rapid.IntRange(1, 300*times).Draw(t, "size")
		c.Ranges = append(c.Ranges, Range{From: from, To: c.Total})
	}
	c.Total += gap.Draw(t, "gap")
	return c, chunk
}

// decoded is a checked payload's z: what subtracting it with weight −1 makes of nothing.
func decoded(t interface{ Fatal(...any) }, c codec, payload []byte, n int) []float32 {
	z := make([]float32, n)
	if err := c.Subtract(z, z, []Term{{payload, -1}}, nil); err != nil {
		t.Fatal(err)
	}
	return z
}

// For every codec: what is sent and what is kept make the whole, a payload has the stated length and norm, nil stands
// for zeros, and what lies between the tensors is neither read nor changed.
func TestSentAndKeptAreAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover, chunk := drawCover(t)
		head, local := drawVector(t, cover.Total, "head"), drawVector(t, cover.Total, "local")
		inside := make([]bool, cover.Total)
		params, chunks := 0, 0
		for _, r := range cover.Ranges {
			for i := r.From; i < r.To; i++ {
				inside[i] = true
			}
			params, chunks = params+r.To-r.From, chunks+(r.To-r.From+chunk-1)/chunk
		}
		d := make([]float32, cover.Total)
		for i := range d {
			if d[i] = head[i] - local[i]; !inside[i] {
				head[i], d[i] = float32(math.NaN()), float32(math.Inf(1)) // not to be looked at
			}
		}
		for name, c := range codecs(t, cover, chunk) {
			payload, err := c.Encode(nil, head, local)
			if err != nil {
				t.Fatal(name, err)
			}
			if err := c.Check(payload); err != nil {
				t.Fatal(name, err)
			}
			same, err := c.Encode(slices.Repeat([]byte{0xff}, c.Max()), d, nil)
			if err != nil || !slices.Equal(payload, same) {
				t.Fatalf("%s: %v, or the difference from nothing is another payload", name, err)
			}
			if covered := binary.LittleEndian.Uint64(payload[8:]); len(payload) != c.Max() || covered != uint64(params) {
				t.Fatalf("%s: %d bytes, want %d; %d parameters, want %d", name, len(payload), c.Max(), covered, params)
			}
			z, squares := decoded(t, c, payload, cover.Total), 0.0
			for i := range z {
				squares += float64(z[i]) * float64(z[i])
				if !inside[i] && z[i] != 0 {
					t.Fatalf("%s: parameter %d is not covered and was sent as %g", name, i, z[i])
				}
				if kept := d[i] - z[i]; inside[i] && math.Abs(float64(z[i]+kept-d[i])) > 1e-6 {
					t.Fatalf("%s: %g sent and %g kept of %g", name, z[i], kept, d[i])
				}
			}
			if v, ok := c.(*Values); ok && math.Abs(v.Norm(payload)-math.Sqrt(squares)) > 1e-6*v.Norm(payload) {
				t.Fatalf("%s: norm %g, want %g", name, v.Norm(payload), math.Sqrt(squares))
			}
			elsewhere := slices.Repeat([]float32{7}, cover.Total)
			if err := c.Subtract(elsewhere, head, []Term{{payload, 1}, {payload, -1}}, nil); err != nil {
				t.Fatal(name, err)
			}
			for i := range elsewhere {
				if !inside[i] && math.Float32bits(elsewhere[i]) != math.Float32bits(head[i]) {
					t.Fatalf("%s: parameter %d is not covered and became %g", name, i, elsewhere[i])
				}
			}
		}
	})
}

// Bytes of a payload: two whole chunks and a short one of 5 in the first tensor, one of 3 in the second.
func TestPayloadBytes(t *testing.T) {
	cover := Cover{Total: 300, Ranges: []Range{{From: 10, To: 10 + 2*64 + 5}, {From: 200, To: 203}}}
	all := codecs(t, cover, 64)
	for name, want := range map[string]int{
		"one bit":  16 + 4*4 + 8 + 8 + 1 + 1,
		"two bits": 16 + 8*4 + 16 + 16 + 2 + 2,
		"fp32":     16 + 4*136,
		"fp16":     16 + 2*136,
		"int8":     16 + 4*4 + 136,
		"fp4":      16 + 4*4 + 32 + 32 + 3 + 2,
	} {
		if got := all[name].Max(); got != want {
			t.Errorf("%s: %d bytes, want %d", name, got, want)
		}
	}
}

func TestEncodeReusesStorage(t *testing.T) {
	head := make([]float32, 100)
	head[3] = 1
	for name, c := range codecs(t, Whole([]int{100}), 64) {
		first, _ := c.Encode(nil, head, nil)
		dirty := slices.Repeat([]byte{0xff}, c.Max()+9)
		again, err := c.Encode(dirty, head, make([]float32, 100))
		if err != nil || !slices.Equal(first, again) || &again[0] != &dirty[0] {
			t.Errorf("%s: %v: %x, want %x in the same storage", name, err, again, first)
		}
	}
}

func TestEncodeRefusesDivergence(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, c := range codecs(t, Whole([]int{96, 4}), 8) {
		for _, bad := range []float32{inf, -inf, nan, 3e38} {
			for _, at := range []int{0, 7, 8, 95, 99} {
				local := make([]float32, 100)
				local[at] = bad
				payload, err := c.Encode(nil, make([]float32, 100), local)
				if !errors.Is(err, ErrDiverged) || payload != nil {
					t.Errorf("%s: %g at %d: %x, %v", name, bad, at, payload, err)
				}
			}
		}
	}
}

// The largest difference that is sent, and the next.
func TestEncodeStopsAtItsBound(t *testing.T) {
	for name, bound := range map[string]float32{
		"one bit": 8 * MaxScale, "two bits": MaxScale, "int8": MaxScale, "fp4": MaxScale,
		"fp16": math.Nextafter32(65520, 0), "fp32": math.Nextafter32(1<<64, 0),
	} {
		c := codecs(t, Whole([]int{8}), 8)[name]
		for _, sign := range []float32{1, -1} {
			d := make([]float32, 8)
			d[5] = sign * bound
			payload, err := c.Encode(nil, d, nil)
			if err != nil || c.Check(payload) != nil {
				t.Errorf("%s: %g: %v", name, d[5], err)
			}
			d[5] = sign * math.Nextafter32(bound, math.MaxFloat32)
			if name == "one bit" {
				d[5] = sign * 8 * math.Nextafter32(MaxScale, math.MaxFloat32)
			}
			if _, err := c.Encode(nil, d, nil); !errors.Is(err, ErrDiverged) {
				t.Errorf("%s: %g: %v", name, d[5], err)
			}
		}
	}
}

func TestSizesAndWeightsAreChecked(t *testing.T) {
	cover := Whole([]int{10})
	for name, c := range codecs(t, cover, 8) {
		checksSizesAndWeights(t, name, c)
	}
	for name, c := range keepers(t, cover, 8, 2) {
		checksSizesAndWeights(t, name, c)
	}
}

// checksSizesAndWeights is for a codec of ten parameters.
func checksSizesAndWeights(t *testing.T, name string, c codec) {
	if _, err := c.Encode(nil, make([]float32, 10), make([]float32, 9)); err == nil {
		t.Errorf("%s: a short vector was encoded", name)
	}
	if _, err := c.Encode(nil, make([]float32, 11), nil); err == nil {
		t.Errorf("%s: a long vector was encoded", name)
	}
	if err := c.Subtract(make([]float32, 10), make([]float32, 11), nil, nil); err == nil {
		t.Errorf("%s: a long vector was subtracted from", name)
	}
	payload, err := c.Encode(nil, make([]float32, 10), nil)
	if err != nil {
		t.Fatal(name, err)
	}
	for _, w := range []float64{4.01, -4.01, math.NaN(), math.Inf(1)} {
		if c.Subtract(make([]float32, 10), make([]float32, 10), []Term{{payload, w}}, nil) == nil {
			t.Errorf("%s: weight %g: accepted", name, w)
		}
	}
	dst := make([]float32, 10)
	if err := c.Subtract(dst, slices.Repeat([]float32{3}, 10), nil, nil); err != nil || slices.Min(dst) != 3 {
		t.Errorf("%s: no terms: %v, %v", name, dst, err)
	}
}

// What no encoder writes is refused, and then nothing is subtracted.
func TestCheckRefuses(t *testing.T) {
	d := []float32{1, -2, 3, -4, 5, -6, 7, -8, 1, -2, 3, 0, 0, 0} // chunks of 8, 3 and 3
	all := codecs(t, Whole([]int{11, 3}), 8)
	float := func(at int, f float64) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[at:], math.Float32bits(float32(f)))
			return b
		}
	}
	set := func(at int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], v); return b }
	}
	anyway := spoils{
		"empty":   func([]byte) []byte { return nil },
		"short":   func(b []byte) []byte { return b[:len(b)-1] },
		"long":    func(b []byte) []byte { return append(b, 0) },
		"magic":   set(0, 'x'),
		"version": set(4, 2),
		"kind":    set(5, 3),
		"chunk":   set(6, 16),
		"params":  set(8, 13),
	}
	minusZero, nan := math.Copysign(0, -1), math.NaN()
	above := func(f float32) float64 { return float64(math.Nextafter32(f, math.MaxFloat32)) }
	for name, own := range map[string]spoils{
		"one bit": {
			"negative scale": float(16, -1), "scale −0": float(16, minusZero), "huge scale": float(16, above(MaxScale)),
			"infinite scale": float(16, math.Inf(1)), "NaN scale": float(24, nan),
			"filling, inner": set(29, 0x1f), "filling, last": set(30, 0x8f),
		},
		"two bits": {
			"negative low": float(16, -1), "low −0": float(16, minusZero), "huge high": float(20, above(MaxScale)),
			"NaN low": float(16, nan), "NaN high": float(20, nan), "low above high": float(20, 0.5),
			"filling of signs": set(16+24+2, 0x10), "filling of levels": set(16+24+3, 0x80), "filling, last": set(16+24+5, 8),
		},
		"fp32": {
			"infinite": float(16, math.Inf(-1)), "NaN": float(16+4*13, nan), "2^64": float(20, 1<<64),
			"−2^64": float(20, -(1 << 64)), "−0": float(24, minusZero),
		},
		"fp16": {"infinite": set(16, 0, 0x7c), "minus infinite": set(16, 0, 0xfc), "NaN": set(16+2*13, 1, 0x7e), "−0": set(18, 0, 0x80)},
		"int8": {
			"code −128": set(28+3, 0x80), "no code of 127": set(28+7, 1), "a code where all is zero": set(28+13, 1),
			"scale where all is zero": float(24, 1), "no scale": float(16, 0), "subnormal scale": float(16, 1e-39),
			"scale −0": float(24, minusZero), "negative": float(16, -1), "huge": float(16, above(float32(MaxScale)/127)), "NaN": float(20, nan),
		},
		"fp4": {
			"−0": set(28, 0x8f), "−0 above": set(28, 0x87), "no code of 7": set(28, 0x11, 0x11, 0x11, 0x11), "a code where all is zero": set(28+6, 1),
			"scale where all is zero": float(24, 1), "no scale": float(16, 0), "scale −0": float(24, minusZero),
			"filling": set(28+5, 0x73), "negative": float(16, -1), "huge": float(16, above(MaxScale)), "NaN": float(20, nan),
		},
	} {
		refuses(t, name, all[name], d, anyway, own)
	}
}

// spoils are ways to spoil a payload.
type spoils map[string]func([]byte) []byte

// refuses checks that a codec takes the payload of d, and none that is spoilt.
func refuses(t *testing.T, name string, c codec, d []float32, lists ...spoils) {
	good, err := c.Encode(nil, d, nil)
	if err != nil || c.Check(good) != nil {
		t.Fatalf("%s: %x: %v, %v", name, good, err, c.Check(good))
	}
	for _, list := range lists {
		for what, spoil := range list {
			bad := spoil(slices.Clone(good))
			if err := c.Check(bad); !errors.Is(err, ErrPayload) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			dst := make([]float32, len(d))
			err := c.Subtract(dst, slices.Repeat([]float32{1}, len(d)), []Term{{good, 1}, {bad, 1}}, nil)
			if !errors.Is(err, ErrPayload) || slices.Max(dst) != 0 {
				t.Errorf("%s: %s: subtracted, %v", name, what, err)
			}
		}
	}
}

func TestSplitChangesNothing(t *testing.T) {
	const n = 8 * blockSpan * 20
	head, local := make([]float32, n), make([]float32, n)
	for i := range head {
		head[i], local[i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)))
	}
	for name, c := range codecs(t, Whole([]int{n - 100, 100}), 8) {
		splitChangesNothing(t, name, c, &frameOf(c).split, head, local)
	}
}

// splitChangesNothing sets a codec's number of goroutines.
func splitChangesNothing(t *testing.T, name string, c codec, split *int, head, local []float32) {
	n := len(head)
	nan := slices.Clone(local)
	nan[n-1], nan[70] = float32(math.NaN()), float32(math.Inf(1))
	*split = 1
	one, _ := c.Encode(nil, head, local)
	a := make([]float32, n)
	if err := c.Subtract(a, head, []Term{{one, 1}, {one, .3}}, nil); err != nil {
		t.Fatal(name, err)
	}
	_, first := c.Encode(nil, head, nan)
	for _, *split = range []int{0, 2, 7, 100} {
		many, _ := c.Encode(nil, head, local)
		if !slices.Equal(one, many) {
			t.Fatalf("%s: %d goroutines make another payload", name, *split)
		}
		b := make([]float32, n)
		if err := c.Subtract(b, head, []Term{{one, 1}, {one, .3}}, nil); err != nil {
			t.Fatal(name, err)
		}
		equalBits(t, b, a)
		if _, err := c.Encode(nil, head, nan); err == nil || err.Error() != first.Error() {
			t.Fatalf("%s: %v and %v", name, err, first)
		}
	}
}

func equalBits(t interface{ Fatalf(string, ...any) }, got, want []float32) {
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("parameter %d: %x, want %x", i, math.Float32bits(got[i]), math.Float32bits(want[i]))
		}
	}
}
