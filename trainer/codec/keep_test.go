package codec

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// keepers are the codecs that keep some numbers of each unit, for one cover: keep of each chunk or block.
func keepers(t interface{ Fatal(...any) }, c Cover, chunk, keep int) map[string]codec {
	sparse, err := NewSparse(c, chunk, keep)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]codec{"sparse": sparse}
	for name, format := range map[string]CosineFormat{"cosine fp32": CosineFP32, "cosine fp16": CosineFP16, "cosine bit": CosineBit} {
		if all[name], err = NewCosine(c, keep, format); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func streamOf(c codec) *stream {
	if s, ok := c.(*Sparse); ok {
		return &s.stream
	}
	return &c.(*Cosine).stream
}

// drawMatrices draws some matrices and lines with gaps between some.
func drawMatrices(t *rapid.T) (c Cover) {
	gap := rapid.SampledFrom([]int{0, 0, 1, 77})
	for range rapid.IntRange(1, 4).Draw(t, "tensors") {
		r := Range{From: c.Total + gap.Draw(t, "gap")}
		if rapid.Bool().Draw(t, "matrix") {
			r.Cols = rapid.IntRange(1, 150).Draw(t, "cols")
			r.To = r.From + r.Cols*rapid.IntRange(1, 150).Draw(t, "rows")
		} else {
			r.To = r.From + rapid.IntRange(1, 300).Draw(t, "size")
		}
		c.Total = r.To
		c.Ranges = append(c.Ranges, r)
	}
	c.Total += gap.Draw(t, "gap")
	return c
}

// drawCoarse draws numbers in ±3 of which many are equal and some zero, or −0.
func drawCoarse(t *rapid.T, n int, name string) []float32 {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 0))
	steps := rapid.SampledFrom([]float64{1, 8, 1 << 20}).Draw(t, "steps")
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Round((6*r.Float64()-3)*steps) / steps)
	}
	return v
}

// What is sent and what is kept make the whole, payloads are no longer than Max, nil stands for zeros, and what lies
// between the tensors is neither read nor changed.
func TestKeepersSendAndKeepAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover := drawMatrices(t)
		head, local := drawCoarse(t, cover.Total, "head"), drawCoarse(t, cover.Total, "local")
		d, inside := make([]float32, cover.Total), make([]bool, cover.Total)
		for _, r := range cover.Ranges {
			for i := r.From; i < r.To; i++ {
				inside[i] = true
			}
		}
		for i := range d {
			if d[i] = head[i] - local[i]; !inside[i] {
				head[i], d[i] = float32(math.NaN()), float32(math.Inf(1)) // not to be looked at
			}
		}
		for name, c := range keepers(t, cover, 128, rapid.SampledFrom([]int{1, 8, 100, 128}).Draw(t, "keep")) {
			payload, err := c.Encode(nil, head, local)
			if err != nil {
				t.Fatal(name, err)
			}
			if err := c.Check(payload); err != nil || len(payload) > c.Max() {
				t.Fatalf("%s: %d bytes, at most %d: %v", name, len(payload), c.Max(), err)
			}
			same, err := c.Encode(slices.Repeat([]byte{0xff}, c.Max()), d, nil)
			if err != nil || !slices.Equal(payload, same) {
				t.Fatalf("%s: %v, or the difference from nothing is another payload", name, err)
			}
			kept := slices.Clone(d)
			if err := c.Subtract(kept, d, []Term{{payload, 1}}, nil); err != nil {
				t.Fatal(name, err)
			}
			z := decoded(t, c, payload, cover.Total)
			var was, is float64
			for i := range z {
				if !inside[i] {
					if z[i] != 0 || math.Float32bits(kept[i]) != math.Float32bits(d[i]) {
						t.Fatalf("%s: parameter %d is not covered, %g was sent and %g kept", name, i, z[i], kept[i])
					}
					continue
				}
				if kept[i] != d[i]-z[i] {
					t.Fatalf("%s: %g sent and %g kept of %g", name, z[i], kept[i], d[i])
				}
				was += float64(d[i]) * float64(d[i])
				is += float64(kept[i]) * float64(kept[i])
			}
			if is > was*1.0001 {
				t.Fatalf("%s: what is kept grew from %g to %g", name, was, is)
			}
		}
	})
}

func TestKeepersReuseStorage(t *testing.T) {
	head := make([]float32, 100)
	head[3] = 1
	for name, c := range keepers(t, Whole([]int{100}), 64, 8) {
		first, _ := c.Encode(nil, head, nil)
		dirty := slices.Repeat([]byte{0xff}, c.Max()+9)
		again, err := c.Encode(dirty, head, make([]float32, 100))
		if err != nil || !slices.Equal(first, again) || &again[0] != &dirty[0] {
			t.Errorf("%s: %v: %x, want %x in the same storage", name, err, again, first)
		}
	}
}

func TestKeepersRefuseDivergence(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	cover := Cover{Total: 5000, Ranges: []Range{{From: 0, To: 4900, Cols: 70}, {From: 4900, To: 5000}}}
	for name, c := range keepers(t, cover, 64, 8) {
		for _, bad := range []float32{inf, -inf, nan, 3e38, -MaxScale * 65} {
			for _, at := range []int{0, 7, 4899, 4999} {
				local := make([]float32, 5000)
				local[at] = bad
				payload, err := c.Encode(nil, make([]float32, 5000), local)
				if !errors.Is(err, ErrDiverged) || payload != nil {
					t.Errorf("%s: %g at %d: %d bytes, %v", name, bad, at, len(payload), err)
				}
			}
		}
		d := make([]float32, 5000)
		for i := range d {
			d[i] = MaxScale / 64
		}
		if payload, err := c.Encode(nil, d, nil); err != nil || c.Check(payload) != nil {
			t.Errorf("%s: the largest that surely goes: %v", name, err)
		}
	}
}

func TestKeepersAreChecked(t *testing.T) {
	whole := Whole([]int{640})
	for name, err := range map[string]error{
		"sparse, none":        second(NewSparse(whole, 64, 0)),
		"sparse, too many":    second(NewSparse(whole, 64, 65)),
		"sparse, chunk":       second(NewSparse(whole, 63, 8)),
		"sparse, cover":       second(NewSparse(Cover{}, 64, 8)),
		"cosine, none":        second(NewCosine(whole, 0, CosineBit)),
		"cosine, too many":    second(NewCosine(whole, 4097, CosineBit)),
		"cosine, format":      second(NewCosine(whole, 8, 2)),
		"cosine, cover":       second(NewCosine(Cover{}, 8, CosineBit)),
		"cosine, 2 GiB":       second(NewCosine(Cover{1 << 29, []Range{{0, 1 << 29, 1 << 14}}}, 4096, CosineFP32)),
		"cosine, many blocks": second(NewCosine(Cover{1<<30 + 64, []Range{{0, 1<<30 + 64, 1}}}, 8, CosineBit)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A node that keeps less sends payloads that the others take; not the other way round.
func TestFewerMayBeKept(t *testing.T) {
	cover := Cover{Total: 9000, Ranges: []Range{{From: 0, To: 8700, Cols: 87}, {From: 8700, To: 9000}}}
	s := noise(3)
	d := s.vector(cover.Total, 4)
	many := keepers(t, cover, 128, 16)
	for name, few := range keepers(t, cover, 128, 3) {
		payload, err := few.Encode(nil, d, nil)
		if err != nil || many[name].Check(payload) != nil {
			t.Errorf("%s: %v, %v", name, err, many[name].Check(payload))
		}
		equalBits(t, decoded(t, many[name], payload, cover.Total), decoded(t, few, payload, cover.Total))
		payload, err = many[name].Encode(nil, d, nil)
		if err != nil || !errors.Is(few.Check(payload), ErrPayload) {
			t.Errorf("%s: %v, %v", name, err, few.Check(payload))
		}
	}
}

// MaxBits grows with k, so payloads that keep less are not longer: checked here through Max.
func TestMaxGrowsWithKeep(t *testing.T) {
	cover := Cover{Total: 8192 + 100, Ranges: []Range{{From: 0, To: 8192, Cols: 128}, {From: 8192, To: 8292}}}
	last := map[string]int{}
	for keep := 1; keep <= 4096; keep++ {
		for name, c := range keepers(t, cover, 4096, keep) {
			if c.Max() < last[name] {
				t.Fatalf("%s: %d bytes at keep %d, %d before", name, c.Max(), keep, last[name])
			}
			last[name] = c.Max()
		}
	}
}

func TestKeepersSplitChangesNothing(t *testing.T) {
	const side = 64 * 12
	cover := Cover{Total: side*side + 70, Ranges: []Range{{From: 0, To: side * side, Cols: side}, {From: side * side, To: side*side + 70}}}
	s := noise(2)
	head, local := s.vector(cover.Total, 2), s.vector(cover.Total, 2)
	for name, c := range keepers(t, cover, 512, 8) {
		splitChangesNothing(t, name, c, &streamOf(c).split, head, local)
	}
}
