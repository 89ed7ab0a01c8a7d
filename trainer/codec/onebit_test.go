package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func newCodec(t interface{ Fatal(...any) }, sizes []int, chunk int) *OneBit {
	o, err := NewOneBit(sizes, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// decode is the layout read naively: the chunks of each tensor in turn, bits by index.
func decode(payload []byte, sizes []int, chunk int) []float32 {
	chunks := 0
	for _, s := range sizes {
		chunks += (s + chunk - 1) / chunk
	}
	var z []float32
	c, at := 0, 16+4*chunks
	for _, left := range sizes {
		for left > 0 {
			n := min(chunk, left)
			scale := math.Float32frombits(binary.LittleEndian.Uint32(payload[16+4*c:]))
			for j := range n {
				if payload[at+j/8]>>(j%8)&1 == 1 {
					z = append(z, -scale)
				} else {
					z = append(z, scale)
				}
			}
			c, at, left = c+1, at+(n+7)/8, left-n
		}
	}
	return z
}

// drawSizes draws a layout; one in four has chunks of up to 6144, longer than a strip.
func drawSizes(t *rapid.T) (sizes []int, chunk int) {
	times := rapid.SampledFrom([]int{1, 1, 1, 64}).Draw(t, "times")
	chunk = 8 * times * rapid.IntRange(1, 12).Draw(t, "chunk/8")
	return rapid.SliceOfN(rapid.IntRange(1, 300*times), 1, 6).Draw(t, "sizes"), chunk
}

// drawVector draws a vector in ±3 with some zeros.
func drawVector(t *rapid.T, n int, name string) []float32 {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 0))
	v := make([]float32, n)
	for i := range v {
		if r.IntN(10) > 0 {
			v[i] = 6*r.Float32() - 3
		}
	}
	return v
}

func total(sizes []int) (n int) {
	for _, s := range sizes {
		n += s
	}
	return n
}

func TestEncodeKeepsSignsAndMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes, chunk := drawSizes(t)
		n := total(sizes)
		head, local := drawVector(t, n, "head"), drawVector(t, n, "local")
		o := newCodec(t, sizes, chunk)
		payload, err := o.Encode(nil, head, local)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Check(payload); err != nil {
			t.Fatal(err)
		}
		z := decode(payload, sizes, chunk)
		at, norm := 0, 0.0
		for _, left := range sizes {
			for left > 0 {
				m, sum := min(chunk, left), 0.0
				for i := at; i < at+m; i++ {
					d := head[i] - local[i]
					sum += math.Abs(float64(d))
					if math.Signbit(float64(z[i])) != (d < 0) {
						t.Fatalf("d %g decodes to %g", d, z[i])
					}
				}
				scale := math.Abs(float64(z[at]))
				if mean := sum / float64(m); math.Abs(mean-scale) > 1e-5*mean {
					t.Fatalf("mean %g, scale %g", mean, scale)
				}
				norm += float64(m) * scale * scale
				at, left = at+m, left-m
			}
		}
		if got := o.Norm(payload); math.Abs(got-math.Sqrt(norm)) > 1e-9*got {
			t.Fatalf("norm %g, want %g", got, math.Sqrt(norm))
		}
	})
}

func TestZeroIsPositive(t *testing.T) {
	o := newCodec(t, []int{11}, 8)
	zero, minus := make([]float32, 11), make([]float32, 11)
	for i := range minus {
		minus[i] = float32(math.Copysign(0, -1))
	}
	payload, err := o.Encode(nil, minus, zero)
	if err != nil {
		t.Fatal(err)
	}
	if signs := payload[16+8:]; signs[0] != 0 || signs[1] != 0 {
		t.Fatalf("signs of zero are %x", signs)
	}
}

func TestEncodeReusesStorage(t *testing.T) {
	o := newCodec(t, []int{100}, 64)
	head := make([]float32, 100)
	head[3] = 1
	first, _ := o.Encode(nil, head, make([]float32, 100))
	dirty := slices.Repeat([]byte{0xff}, o.Size()+9)
	again, err := o.Encode(dirty, head, make([]float32, 100))
	if err != nil || !slices.Equal(first, again) || &again[0] != &dirty[0] {
		t.Fatalf("%v: %x, want %x in the same storage", err, again, first)
	}
}

func TestEncodeRefusesDivergence(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, bad := range []float32{inf, -inf, nan, 3e38, 8 * (MaxScale + 1)} {
		for _, at := range []int{0, 7, 8, 99} {
			o := newCodec(t, []int{96, 4}, 8)
			local := make([]float32, 100)
			local[at] = bad
			payload, err := o.Encode(nil, make([]float32, 100), local)
			if !errors.Is(err, ErrDiverged) || payload != nil {
				t.Errorf("%g at %d: %x, %v", bad, at, payload, err)
			}
		}
	}
}

func TestSizesAreChecked(t *testing.T) {
	o := newCodec(t, []int{10}, 8)
	if _, err := o.Encode(nil, make([]float32, 10), make([]float32, 9)); err == nil {
		t.Error("a short vector was encoded")
	}
	if err := o.Subtract(make([]float32, 10), make([]float32, 11), nil); err == nil {
		t.Error("a long vector was subtracted from")
	}
	for _, bad := range []struct {
		sizes []int
		chunk int
	}{
		{nil, 8},
		{[]int{8, 0}, 8},
		{[]int{8, -1}, 8},
		{[]int{8}, 0},
		{[]int{8}, 12},
		{[]int{8}, maxChunk + 8},
		{[]int{8, math.MaxInt}, maxChunk},
		{[]int{8 * maxChunks, 1}, 8},
	} {
		if _, err := newGrid(bad.sizes, bad.chunk); err == nil {
			t.Errorf("tensors %d in chunks of %d: accepted", bad.sizes, bad.chunk)
		}
	}
}

func TestCheckRefusals(t *testing.T) {
	o := newCodec(t, []int{12, 3}, 8)
	good, err := o.Encode(nil, make([]float32, 15), slices.Repeat([]float32{1}, 15))
	if err != nil || o.Check(good) != nil || len(good) != 16+4*3+3 {
		t.Fatalf("%x: %v", good, err)
	}
	scale := func(f float32) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], math.Float32bits(f)); return b }
	}
	set := func(at int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[at] = v; return b }
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"short":          func(b []byte) []byte { return b[:len(b)-1] },
		"long":           func(b []byte) []byte { return append(b, 0) },
		"magic":          set(0, 'x'),
		"version":        set(4, 2),
		"bits":           set(5, 2),
		"chunk":          set(6, 16),
		"params":         set(8, 14),
		"negative scale": scale(-1),
		"minus zero":     scale(float32(math.Copysign(0, -1))),
		"huge scale":     scale(math.Nextafter32(MaxScale, math.MaxFloat32)),
		"infinite scale": scale(float32(math.Inf(1))),
		"NaN scale":      scale(float32(math.NaN())),
		"filling, inner": set(29, 0x1f),
		"filling, last":  set(30, 0x8f),
	} {
		bad := spoil(slices.Clone(good))
		if err := o.Check(bad); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
		dst := make([]float32, 15)
		if err := o.Subtract(dst, slices.Repeat([]float32{1}, 15), []Term{{good, 1}, {bad, 1}}); err == nil || slices.Max(dst) != 0 {
			t.Errorf("%s: subtracted, %v", name, err)
		}
	}
	for _, w := range []float64{1.5, -1.5, math.NaN(), math.Inf(1)} {
		if o.Subtract(make([]float32, 15), make([]float32, 15), []Term{{good, w}}) == nil {
			t.Errorf("weight %g: accepted", w)
		}
	}
	if err := o.Check(scale(MaxScale)(slices.Clone(good))); err != nil {
		t.Errorf("the largest scale: %v", err)
	}
}

// Subtract against the documented formula, one coordinate at a time, for any number of terms and goroutines, in place
// and not: the same bits.
func TestSubtractIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes, chunk := drawSizes(t)
		n := total(sizes)
		o := newCodec(t, sizes, chunk)
		var terms []Term
		var zs [][]float32
		src := drawVector(t, n, "src")
		for range rapid.IntRange(0, 19).Draw(t, "terms") {
			payload, err := o.Encode(nil, drawVector(t, n, "d"), make([]float32, n))
			if err != nil {
				t.Fatal(err)
			}
			terms = append(terms, Term{payload, rapid.Float64Range(-1, 1).Draw(t, "weight")})
			zs = append(zs, decode(payload, sizes, chunk))
		}
		want := slices.Clone(src)
		for i := range want {
			for g := 0; g < len(terms); g += 8 {
				var sum float32
				for k := g; k < min(g+8, len(terms)); k++ {
					s := float32(terms[k].Weight * float64(zs[k][i]))
					if k == g {
						sum = s
					} else {
						sum += s
					}
				}
				want[i] -= sum
			}
		}
		for _, split := range []int{1, 2, 5} {
			o.split = split
			dst := make([]float32, n)
			if err := o.Subtract(dst, src, terms); err != nil {
				t.Fatal(err)
			}
			equalBits(t, dst, want)
		}
		if err := o.Subtract(src, src, terms); err != nil {
			t.Fatal(err)
		}
		equalBits(t, src, want)
	})
}

func TestSplitChangesNothing(t *testing.T) {
	const n = 8 * blockSpan * 20
	o := newCodec(t, []int{n - 100, 100}, 8)
	head, local := make([]float32, n), make([]float32, n)
	for i := range head {
		head[i], local[i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)))
	}
	o.split = 1
	one, _ := o.Encode(nil, head, local)
	a := make([]float32, n)
	if err := o.Subtract(a, head, []Term{{one, 1}, {one, .3}}); err != nil {
		t.Fatal(err)
	}
	for _, split := range []int{0, 2, 7, 100} {
		o.split = split
		many, _ := o.Encode(nil, head, local)
		if !slices.Equal(one, many) {
			t.Fatalf("%d goroutines make another payload", split)
		}
		b := make([]float32, n)
		if err := o.Subtract(b, head, []Term{{one, 1}, {one, .3}}); err != nil {
			t.Fatal(err)
		}
		equalBits(t, b, a)
	}
	local[n-1], local[70] = float32(math.NaN()), float32(math.Inf(1))
	_, err := o.Encode(nil, head, local)
	o.split = 1
	if _, first := o.Encode(nil, head, local); err == nil || first == nil || err.Error() != first.Error() {
		t.Fatalf("%v and %v", err, first)
	}
}

func equalBits(t interface{ Fatalf(string, ...any) }, got, want []float32) {
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("parameter %d: %x, want %x", i, math.Float32bits(got[i]), math.Float32bits(want[i]))
		}
	}
}
