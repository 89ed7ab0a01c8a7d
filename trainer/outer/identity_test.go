package outer

import (
	"math"
	"slices"
	"testing"

	"github.com/murmurnet/murmur/trainer/inner/adam"
)

// commit has nodes publish on a state and applies what they publish.
func commit(t *testing.T, m Method, head []float32, r Round, ds ...[]float32) []float32 {
	t.Helper()
	var updates []Update
	for i, d := range ds {
		p, err := m.Encode(nil, r, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		updates = append(updates, Update{Payload: p, Tokens: uint64(i + 1)})
	}
	dst := make([]float32, len(head))
	if err := m.Apply(dst, head, r, updates); err != nil {
		t.Fatal(err)
	}
	return dst
}

// An averaging method with one peer and no compression is its inner optimizer.
func TestAloneWithoutCompression(t *testing.T) {
	for _, v := range []variant{
		{"fedavg", FedAvg, nil},
		{"diloco", DiLoCo, func(s *Settings) { s.OuterLR, s.Momentum = 1, 0 }},
		{"streaming", Streaming, func(s *Settings) { s.Values, s.Fragments, s.OuterLR, s.Momentum = "fp32", 1, 1, 0 }},
	} {
		m, s := method(t, v.method, v.change), noise(2)
		n := size(tensors())
		head, local := grown(m, s.vector(n, 4)), s.vector(n, 4)
		d := make([]float32, n)
		for i := range d {
			d[i] = head[i] - local[i]
		}
		got := commit(t, m, head, Round{Height: 1}, d)
		if far := off(got[:n], local); far > 1e-8 { // one rounding of numbers up to 1/16
			t.Errorf("%s: %g off the local model", v.name, far)
		}
	}
}

// Equal updates have no scale above the others, so their bounded mean is the mean.
func TestDiLoCoWithoutMomentumAverages(t *testing.T) {
	s := noise(3)
	plain, average := method(t, DiLoCo, func(s *Settings) { s.OuterLR, s.Momentum = 1, 0 }), method(t, FedAvg, nil)
	n := size(tensors())
	head, a := grown(plain, s.vector(n, 4)), s.vector(n, 9)
	b, c := slices.Clone(a), slices.Clone(a)
	slices.Reverse(b[:40*96]) // of the same length in each chunk, but for rounding
	r := Round{Height: 9}
	got := commit(t, plain, head, r, a, b, c)
	equalBits(t, got, commit(t, average, head, r, a, b, c))
	for i := range n {
		mean := float64(head[i]) - (float64(a[i])+2*float64(b[i])+2*float64(c[i]))/5
		if math.Abs(float64(got[i])-mean) > 1e-8 {
			t.Fatalf("parameter %d is %g, the mean is %g", i, got[i], mean)
		}
	}
}

func TestStreamingOneFragmentIsDiLoCo(t *testing.T) {
	s := noise(4)
	whole := method(t, DiLoCo, func(s *Settings) { s.Values = "fp4" })
	one := method(t, Streaming, func(s *Settings) { s.Fragments, s.Mix = 1, 0 })
	if whole.Learning().Mix != one.Learning().Mix {
		t.Error("they move the local model differently")
	}
	head := state(whole, &s)
	n := size(tensors())
	for h := range uint64(3) {
		a, b := s.vector(n, 9), s.vector(n, 9)
		next := commit(t, whole, head, Round{Height: h}, a, b)
		equalBits(t, commit(t, one, head, Round{Height: h}, a, b), next)
		head = next
	}
}

// A round of streaming moves one fragment and no other, each in its turn.
func TestStreamingMovesAFragment(t *testing.T) {
	m, s := method(t, Streaming, nil), noise(5)
	n := size(tensors())
	head := grown(m, s.vector(n, 4))
	for h := range uint64(3) {
		next := commit(t, m, head, Round{Height: h}, s.vector(n, 6))
		at := 0
		for _, ts := range tensors() {
			moved := !slices.Equal(next[at:at+ts.size()], head[at:at+ts.size()])
			if moved != (uint64(max(ts.Layer, 0)%3) == h) {
				t.Errorf("height %d: tensor of layer %d moved: %v", h, ts.Layer, moved)
			}
			at += ts.size()
		}
	}
}

func TestAllReduceAloneIsAdamW(t *testing.T) {
	p := params(t, AllReduce, nil)
	m, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	s := noise(6)
	n := size(tensors())
	got := grown(m, s.vector(n, 4))
	want := slices.Clone(got)
	for step := int64(1); step <= 5; step++ {
		g := s.vector(n, 6)
		tokens := uint64(step-1) * 1024
		got = commit(t, m, got, Round{Height: uint64(step), Tokens: tokens}, g)
		adamStep(p.Optimizer, want, g, p.Schedule.Rate(int64(tokens)), step)
		equalBits(t, got[:3*n], want[:3*n])
	}
}

func adamStep(a adam.AdamW, state, g []float32, rate float64, step int64) {
	n, at := len(g), 0
	for _, ts := range tensors() {
		end := at + ts.size()
		a.Apply(state[at:end], state[n+at:n+end], state[2*n+at:2*n+end], g[at:end], rate, step, len(ts.Shape) > 1)
		at = end
	}
}

// With all coefficients sent nothing is kept back: one peer's distro is sign descent, signum without momentum.
func TestDisTrOWithAllCoefficientsIsSignum(t *testing.T) {
	p := params(t, DisTrO, func(s *Settings) { s.Keep, s.Values = 4096, "fp16" })
	p.Optimizer.WeightDecay = 0
	m, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	s := noise(7)
	n := size(tensors())
	head, g := grown(m, s.vector(n, 4)), s.vector(n, 4)
	r := Round{Height: 1, Tokens: 5000}
	rate := float32(p.Schedule.Rate(5000))
	got := commit(t, m, head, r, g)
	ties := 0
	for i := range g {
		want := head[i] - rate
		if g[i] < 0 {
			want = head[i] + rate
		}
		if got[i] != want {
			ties++
			if math.Abs(float64(g[i])) > 1e-3*0.0625 { // half precision has 11 bits of numbers that sum 4096 others
				t.Fatalf("parameter %d with gradient %g went from %g to %g", i, g[i], head[i], got[i])
			}
		}
	}
	if ties > n/200 {
		t.Errorf("%d of %d signs are lost to rounding", ties, n)
	}
}

// For each payload: what is sent and what is kept are what there was, and no payload is longer than said.
func TestSentAndKept(t *testing.T) {
	each(t, func(t *testing.T, m Method) {
		s := noise(8)
		n := size(tensors())
		for h := range uint64(3) {
			d := s.vector(n, 9)
			p, err := m.Encode(nil, Round{Height: h}, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(p) > m.MaxPayload() {
				t.Errorf("a payload of %d bytes, at most %d were said", len(p), m.MaxPayload())
			}
			kept := slices.Clone(d)
			if err := m.AddDecoded(kept, h, p, -1); err != nil {
				t.Fatal(err)
			}
			sent := make([]float32, n)
			if err := m.AddDecoded(sent, h, p, 1); err != nil {
				t.Fatal(err)
			}
			for i := range d {
				if math.Abs(float64(sent[i])+float64(kept[i])-float64(d[i])) > 1e-9 {
					t.Fatalf("parameter %d: sent %g, kept %g, there was %g", i, sent[i], kept[i], d[i])
				}
			}
		}
	})
}
