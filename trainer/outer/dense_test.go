package outer

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/murmurnet/murmur/trainer/codec"
)

func newDense(t testing.TB, n int) *Dense {
	t.Helper()
	d, err := NewDense(Params{Sizes: []int{n}, Bits: 32})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// With one peer the shared state becomes its local model; with several, the mean by tokens.
func TestDenseIsTheMean(t *testing.T) {
	const n = 3*denseSpan + 7
	d, s := newDense(t, n), noise(3)
	head := s.vector(n, 2)
	var locals [][]float32
	var updates []Update
	for k := range 3 {
		local := s.vector(n, 2)
		p, err := d.Encode(nil, head, local)
		if err != nil {
			t.Fatal(err)
		}
		locals, updates = append(locals, local), append(updates, Update{Payload: p, Tokens: uint64(k + 1)})
	}
	dst := slices.Clone(head)
	if err := d.Apply(dst, dst, updates[:1]); err != nil {
		t.Fatal(err)
	}
	for i := range dst {
		if math.Abs(float64(dst[i]-locals[0][i])) > 1e-7 {
			t.Fatalf("parameter %d is %g, the only peer has %g", i, dst[i], locals[0][i])
		}
	}
	if err := d.Apply(dst, head, updates); err != nil {
		t.Fatal(err)
	}
	for i := range dst {
		mean := (float64(locals[0][i]) + 2*float64(locals[1][i]) + 3*float64(locals[2][i])) / 6
		if math.Abs(float64(dst[i])-mean) > 1e-6 {
			t.Fatalf("parameter %d is %g, the mean is %g", i, dst[i], mean)
		}
	}
	back := slices.Clone(dst)
	for _, sign := range []float32{1, -1} {
		if err := d.AddDecoded(back, updates[0].Payload, sign); err != nil {
			t.Fatal(err)
		}
	}
	for i := range back {
		if math.Abs(float64(back[i]-dst[i])) > 1e-6 {
			t.Fatalf("parameter %d is %g after adding and taking away, was %g", i, back[i], dst[i])
		}
	}
}

func TestDenseClipsAgainstTheMedian(t *testing.T) {
	const n = 64
	d := newDense(t, n)
	head := make([]float32, n)
	var updates []Update
	for _, v := range []float32{1, 1, 100} {
		p, err := d.Encode(nil, slices.Repeat([]float32{v}, n), head)
		if err != nil {
			t.Fatal(err)
		}
		updates = append(updates, Update{Payload: p, Tokens: 1})
	}
	if err := d.Apply(head, head, updates); err != nil {
		t.Fatal(err)
	}
	if got := -head[0]; math.Abs(float64(got)-1) > 1e-6 {
		t.Fatalf("the mean of 1, 1 and a clipped 100 is %g, want 1", got)
	}
}

func TestDenseRefuses(t *testing.T) {
	d := newDense(t, 2)
	nan := float32(math.NaN())
	if _, err := d.Encode(nil, []float32{1, nan}, []float32{0, 0}); !errors.Is(err, codec.ErrDiverged) {
		t.Errorf("encoding a NaN: %v", err)
	}
	good := []byte{0, 0, 128, 63, 0, 0, 128, 63}
	for name, bad := range map[string][]byte{
		"short": good[:7], "long": append(slices.Clone(good), 0), "infinite": {0, 0, 128, 63, 0, 0, 128, 127}, "NaN": {0, 0, 192, 127, 0, 0, 128, 63},
	} {
		dst := []float32{5, 5}
		if err := d.Apply(dst, dst, []Update{{Payload: good, Tokens: 1}, {Payload: bad, Tokens: 1}}); !errors.Is(err, codec.ErrPayload) || dst[0] != 5 {
			t.Errorf("%s: %v, %v", name, err, dst)
		}
		if err := d.AddDecoded(dst, bad, 1); !errors.Is(err, codec.ErrPayload) || dst[1] != 5 {
			t.Errorf("adding %s: %v, %v", name, err, dst)
		}
	}
	for _, p := range []Params{{Sizes: []int{4}, Bits: 1}, {Bits: 32}} {
		if _, err := NewDense(p); err == nil {
			t.Errorf("%+v: accepted", p)
		}
	}
	if _, err := New("carrier pigeon", Params{}); err == nil {
		t.Error("a method of no name was made")
	}
}
