package codec

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// naiveBlock is a block of 64x64, or a line of 64, and where its numbers are in the flat vector; −1 where they are not.
type naiveBlock struct {
	rows, cols int // 64 or 1, 64
	at         []int
}

func naiveBlocks(c Cover) (blocks []naiveBlock) {
	for _, r := range c.Ranges {
		rows, cols, high := 1, r.To-r.From, 1
		if r.Cols > 0 {
			rows, cols, high = (r.To-r.From)/r.Cols, r.Cols, 64
		}
		for i := 0; i < rows; i += high {
			for j := 0; j < cols; j += 64 {
				b := naiveBlock{rows: high, cols: 64}
				for y := range high {
					for x := range 64 {
						if at := -1; i+y < rows && j+x < cols {
							b.at = append(b.at, r.From+(i+y)*cols+j+x)
						} else {
							b.at = append(b.at, at)
						}
					}
				}
				blocks = append(blocks, b)
			}
		}
	}
	return blocks
}

// basis is the value of basis function u at n, for lines of 64.
var basis = sync.OnceValue(func() (b [64][64]float64) {
	for u := range b {
		for n := range b[u] {
			b[u][n] = math.Sqrt(2./64) * math.Cos(math.Pi*float64((2*n+1)*u)/128)
		}
	}
	for n := range b[0] {
		b[0][n] = 1. / 8
	}
	return b
})

// lines transforms each line of 64 numbers by the definition in float64, or with back transforms it back.
func lines(x []float64, back bool) {
	basis := basis()
	for ; len(x) > 0; x = x[64:] {
		var out [64]float64
		for u := range basis {
			for n, b := range &basis[u] {
				if back {
					out[n] += b * x[u]
				} else {
					out[u] += b * x[n]
				}
			}
		}
		copy(x, out[:])
	}
}

// naiveDCT transforms a block, or with back a block of coefficients, in place.
func naiveDCT(x []float64, back bool) {
	lines(x, back)
	if len(x) == 64 {
		return
	}
	turn(x)
	lines(x, back)
	turn(x)
}

func turn(x []float64) {
	for i := range 64 {
		for j := range i {
			x[64*i+j], x[64*j+i] = x[64*j+i], x[64*i+j]
		}
	}
}

// naiveCosine reads a payload by its description: the coefficients of each block, and which were sent.
func naiveCosine(t interface{ Fatalf(string, ...any) }, payload []byte, blocks []naiveBlock) (c [][]float64, sent [][]bool) {
	keep, format := int(binary.LittleEndian.Uint16(payload[16:])), int(payload[18])
	half := func(v uint64) float64 {
		sign := 1 - 2*float64(v>>15)
		if v>>10&31 == 0 {
			return sign * math.Ldexp(float64(v&1023), -24+int(int8(payload[19]))-15)
		}
		return sign * math.Ldexp(1+float64(v&1023)/1024, int(v>>10&31)-15+int(int8(payload[19]))-15)
	}
	naiveStream(t, payload, len(blocks), func(r *bitReader, u int) {
		n := len(blocks[u].at)
		values, held := make([]float64, n), make([]bool, n)
		mean := 0.
		if format == 1 {
			mean = half(r.next(16))
		}
		for _, i := range naiveSet(r, n, min(keep, n)) {
			held[i] = true
		}
		for i := range values {
			if !held[i] {
				continue
			}
			switch format {
			case 32:
				values[i] = float64(math.Float32frombits(uint32(r.next(32))))
			case 16:
				values[i] = half(r.next(16))
			case 1:
				values[i] = mean * (1 - 2*float64(r.next(1)))
			}
		}
		c, sent = append(c, values), append(sent, held)
	})
	return c, sent
}

var cosineFormats = map[CosineFormat]float64{CosineFP32: 1e-6, CosineFP16: 1. / 2048, CosineBit: 0} // with their precision

func newCosine(t interface{ Fatal(...any) }, c Cover, keep int, format CosineFormat) *Cosine {
	o, err := NewCosine(c, keep, format)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// The payload says what the type's comment says: the largest coefficients of each block with their values, and z is what
// they transform to.
func TestCosineKeepsTheLargest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover := drawMatrices(t)
		keep := rapid.SampledFrom([]int{1, 8, 64, 70}).Draw(t, "keep")
		d := drawVector(t, cover.Total, "d")
		blocks := naiveBlocks(cover)
		for format, precision := range cosineFormats {
			o := newCosine(t, cover, keep, format)
			payload, err := o.Encode(nil, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, sent := naiveCosine(t, payload, blocks)
			z := decoded(t, o, payload, cover.Total)
			for u, b := range blocks {
				want := make([]float64, len(b.at))
				order := make([]int, len(b.at))
				for i, at := range b.at {
					if order[i] = i; at >= 0 {
						want[i] = float64(d[at])
					}
				}
				naiveDCT(want, false)
				slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(math.Abs(want[j]), math.Abs(want[i])) })
				k := min(keep, len(order))
				least, mean := math.Abs(want[order[k-1]]), 0.
				for n, i := range order {
					if n < k {
						mean += math.Abs(want[i]) / float64(k)
					}
					if size := math.Abs(want[i]); sent[u][i] != (n < k) && math.Abs(size-least) > 1e-5 {
						t.Fatalf("format %d, block %d: coefficient %d, %g, is number %d of %d: sent %v", format, u, i, want[i], n, k, sent[u][i])
					}
				}
				for _, i := range order {
					right := want[i]
					if format == CosineBit {
						right = math.Copysign(mean, right)
					}
					if off := math.Abs(c[u][i] - right); sent[u][i] && math.Abs(want[i]) > 1e-5 && off > precision*math.Abs(right)+mean/2048+1e-5 {
						t.Fatalf("format %d, block %d: coefficient %d is %g, want %g", format, u, i, c[u][i], right)
					}
				}
				naiveDCT(c[u], true)
				for i, at := range b.at {
					if at >= 0 && math.Abs(c[u][i]-float64(z[at])) > 1e-5 {
						t.Fatalf("format %d, block %d: parameter %d is %g, want %g", format, u, at, z[at], c[u][i])
					}
				}
			}
		}
	})
}

// Halves are relative to the payload's largest, so that what is learned slowly is sent as exactly.
func TestCosineKeepsSmallDifferences(t *testing.T) {
	cover := Cover{Total: 64*64 + 64, Ranges: []Range{{From: 0, To: 4096, Cols: 64}, {From: 4096, To: 4160}}}
	s := noise(6)
	d := s.vector(cover.Total, 0)
	for _, format := range []CosineFormat{CosineFP16, CosineBit} {
		o := newCosine(t, cover, 8, format)
		large, err := o.Encode(nil, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, exponent := range []int{-100, -30, 5} {
			small := make([]float32, len(d))
			for i, v := range d {
				small[i] = float32(math.Ldexp(float64(v), exponent))
			}
			payload, err := o.Encode(nil, small, nil)
			if err != nil || o.Check(payload) != nil {
				t.Fatal(err, o.Check(payload))
			}
			if int(int8(payload[19])) != int(int8(large[19]))+exponent {
				t.Errorf("exponent %d, %d for differences 2^%d times", int8(large[19]), int8(payload[19]), exponent)
			}
			if payload[19] = large[19]; !slices.Equal(payload, large) {
				t.Errorf("format %d: another payload for differences 2^%d times", format, exponent)
			}
		}
	}
}
