package codec

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// bitReader reads bits one at a time, lowest first.
type bitReader struct {
	buf []byte
	at  int
}

func bitsOf(buf []byte) *bitReader { return &bitReader{buf: buf} }

func (r *bitReader) next(n int) (v uint64) {
	for i := range n {
		v |= uint64(r.buf[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

// naiveSet reads a set of k of n as package pack describes it.
func naiveSet(r *bitReader, n, k int) (set []int) {
	b := max(0, bits.Len(uint((n-k)/(k+1)))-1)
	at, room := 0, n-k
	for range k {
		run := 0
		for run < room>>b && r.next(1) == 0 {
			run++
		}
		gap := run<<b + int(r.next(b))
		set = append(set, at+gap)
		at, room = at+gap+1, room-gap
	}
	return set
}

// naiveStream calls unit for each of so many units with the bits from where it begins, and checks that spans end where
// the table says.
func naiveStream(t interface{ Fatalf(string, ...any) }, payload []byte, units int, unit func(r *bitReader, u int)) {
	spans := (units + 63) / 64
	body := payload[20+4*spans:]
	r := bitsOf(body)
	for u := range units {
		unit(r, u)
		if u%64 == 63 || u == units-1 {
			r.at = (r.at + 7) / 8 * 8
			if end := int(binary.LittleEndian.Uint32(payload[20+4*(u/64):])); r.at != 8*end {
				t.Fatalf("span %d ends at bit %d, the table says byte %d", u/64, r.at, end)
			}
		}
	}
	if r.at != 8*len(body) {
		t.Fatalf("%d bits read of %d bytes", r.at, len(body))
	}
}

// naiveSparse decodes a payload of Sparse by its description: for each coordinate its z, and whether it was sent.
func naiveSparse(t interface{ Fatalf(string, ...any) }, payload []byte, cover Cover, chunk int) (z []float32, sent []bool) {
	z, sent = make([]float32, cover.Total), make([]bool, cover.Total)
	keep := int(binary.LittleEndian.Uint16(payload[16:]))
	var starts, sizes []int
	for _, r := range cover.Ranges {
		for at := r.From; at < r.To; at += chunk {
			starts, sizes = append(starts, at), append(sizes, min(chunk, r.To-at))
		}
	}
	naiveStream(t, payload, len(starts), func(r *bitReader, c int) {
		low, high := math.Float32frombits(uint32(r.next(16))<<16), math.Float32frombits(uint32(r.next(16))<<16)
		k := max(1, int(math.Floor(float64(keep*sizes[c])/float64(chunk)+.5)))
		for _, i := range naiveSet(r, sizes[c], k) {
			z[starts[c]+i], sent[starts[c]+i] = low, true
		}
		for i := range sizes[c] {
			if at := starts[c] + i; sent[at] {
				sign, level := r.next(1), r.next(1)
				if level == 1 {
					z[at] = high
				}
				if sign == 1 {
					z[at] = -z[at]
				}
			}
		}
	})
	return z, sent
}

// The payload says what the type's comment says: the largest of each chunk, of equal ones the first, with their signs
// and the levels of the least square error.
func TestSparseKeepsTheLargest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover := drawMatrices(t)
		chunk := rapid.SampledFrom([]int{8, 64, 128, 4096}).Draw(t, "chunk")
		keep := rapid.IntRange(1, min(chunk, 200)).Draw(t, "keep")
		d := drawCoarse(t, cover.Total, "d")
		c, err := NewSparse(cover, chunk, keep)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := c.Encode(nil, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		z, sent := naiveSparse(t, payload, cover, chunk)
		for u := range c.grid.chunks() {
			lo, hi := c.grid.start[u], c.grid.end[u]
			order := make([]int, hi-lo)
			for i := range order {
				order[i] = lo + i
			}
			slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(math.Abs(float64(d[j])), math.Abs(float64(d[i]))) })
			k := max(1, int(math.Floor(float64(keep*(hi-lo))/float64(chunk)+.5)))
			var size []float64 // descending
			for n, i := range order {
				if sent[i] != (n < k) {
					t.Fatalf("chunk %d: parameter %d, %g, is number %d: sent %v", u, i, d[i], n, sent[i])
				}
				if n < k {
					size = append(size, math.Abs(float64(d[i])))
					if d[i] != 0 && math.Signbit(float64(z[i])) != (d[i] < 0) {
						t.Fatalf("chunk %d: %g is sent as %g", u, d[i], z[i])
					}
				}
			}
			const rounding = 1. / (1 << 16) // of a level: its square, 2^-9 at most, and somewhat more
			var was float64
			for _, i := range order[:k] {
				off := math.Abs(float64(d[i])) - math.Abs(float64(z[i]))
				was += off * off
			}
			for part := range k {
				if best := apart(size[:part]) + apart(size[part:]); was > best+rounding*float64(k)*size[0]*size[0]+1e-9 {
					t.Fatalf("chunk %d: square error %g, with %d high %g", u, was, part, best)
				}
			}
		}
	})
}

// apart is the square error of numbers around their mean.
func apart(v []float64) (e float64) {
	var mean float64
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		e += (x - mean) * (x - mean)
	}
	return e
}

// Subtract against its formula, one coordinate at a time: the same bits, in place or not, and whatever the terms keep.
func TestSparseSubtractIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover := drawMatrices(t)
		src := drawCoarse(t, cover.Total, "src")
		want := slices.Clone(src)
		var terms []Term
		var levels [][]float32
		for range rapid.IntRange(0, 6).Draw(t, "terms") {
			few, err := NewSparse(cover, 64, rapid.IntRange(1, 20).Draw(t, "keep"))
			if err != nil {
				t.Fatal(err)
			}
			payload, err := few.Encode(nil, drawVector(t, cover.Total, "d"), nil)
			if err != nil {
				t.Fatal(err)
			}
			w := rapid.Float64Range(-4, 4).Draw(t, "weight")
			terms = append(terms, Term{payload, w})
			z, _ := naiveSparse(t, payload, cover, 64)
			levels = append(levels, z)
		}

		bound := rapid.Float32Range(.1, 4).Draw(t, "bound")
		var most Most
		if rapid.Bool().Draw(t, "bounded") {
			most = func(int, []float32) float32 { return bound }
		} else {
			bound = MaxScale
		}
		for k, z := range levels {
			for i, v := range z {
				if v != 0 {
					size := float32(terms[k].Weight * float64(min(float32(math.Abs(float64(v))), bound)))
					if v < 0 {
						size = -size
					}
					want[i] -= size
				}
			}
		}
		c, err := NewSparse(cover, 64, 20)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]float32, cover.Total)
		if err := c.Subtract(dst, src, terms, most); err != nil {
			t.Fatal(err)
		}
		equalBits(t, dst, want)
		if err := c.Subtract(src, src, terms, most); err != nil {
			t.Fatal(err)
		}
		equalBits(t, src, want)
	})
}

// The k largest of floats of all kinds, against sorting.
func TestPick(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := newPicker(maxChunk)
	for _, n := range []int{1, 2, 7, 64, 1000, 4096, maxChunk} {
		for what, float := range map[string]func() uint32{
			"any bits": r.Uint32,
			"normal":   func() uint32 { return math.Float32bits(float32(r.NormFloat64() * 1e-4)) },
			"equal":    func() uint32 { return math.Float32bits(-.75) },
			"one bin":  func() uint32 { return math.Float32bits(1) + r.Uint32N(1<<20) },
			"two":      func() uint32 { return math.Float32bits(1) + r.Uint32N(2) },
			"zeros":    func() uint32 { return r.Uint32N(2) << 31 },
		} {
			v := make([]uint32, n)
			for i := range v {
				v[i] = float()
			}
			order := make([]uint16, n)
			for i := range order {
				order[i] = uint16(i)
			}
			slices.SortStableFunc(order, func(i, j uint16) int { return cmp.Compare(v[j]&^(1<<31), v[i]&^(1<<31)) })
			for _, k := range []int{1, 2, n / 64, n / 2, n - 1, n} {
				if k < 1 || k > n {
					continue
				}
				want := slices.Sorted(slices.Values(order[:k]))
				if got := p.pick(v, k); !slices.Equal(got, want) {
					t.Fatalf("%s: %d of %d: %v, want %v", what, k, n, got, want)
				}
			}
		}
	}
}
