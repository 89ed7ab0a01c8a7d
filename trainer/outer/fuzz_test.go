package outer

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

// Whatever bytes come, for whatever method: no panic; what Check accepts is applied and stays finite, what it refuses
// changes nothing.
func FuzzHostilePayload(f *testing.F) {
	var methods []Method
	s := noise(5)
	n := size(tensors())
	r := Round{Height: 7, Tokens: 3000}
	var good [][]byte
	for i, v := range variants() {
		m := method(f, v.method, v.change)
		payload, err := m.Encode(nil, r, s.vector(n, 9), nil)
		if err != nil {
			f.Fatal(err)
		}
		methods, good = append(methods, m), append(good, payload)
		f.Add(uint8(i), payload)
	}
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		m, good := methods[int(which)%len(methods)], good[int(which)%len(methods)]
		kept := bytes.Clone(payload)
		head := make([]float32, m.State())
		for i := range head {
			head[i] = .5
		}
		checked := m.Check(r.Height, payload)
		for _, updates := range [][]Update{{{payload, 1}}, {{payload, 1}, {good, 1}, {payload, 1 << 40}, {good, 3}}} {
			dst := slices.Clone(head)
			if err := m.Apply(dst, head, r, updates); (err == nil) != (checked == nil) {
				t.Fatalf("check says %v, apply %v", checked, err)
			}
			judge(t, dst, checked)
		}
		dst := slices.Clone(head[:n])
		if err := m.AddDecoded(dst, r.Height, payload, 1); (err == nil) != (checked == nil) {
			t.Fatalf("check says %v, add %v", checked, err)
		}
		judge(t, dst, checked)
		if !bytes.Equal(kept, payload) {
			t.Fatal("the payload was written to")
		}
	})
}

func judge(t *testing.T, dst []float32, checked error) {
	for i, x := range dst {
		if checked != nil && x != .5 {
			t.Fatalf("refused, and parameter %d is %g", i, x)
		}
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatalf("parameter %d is %g", i, x)
		}
	}
}
