package outer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/murmurnet/murmur/trainer/codec"
)

// Whatever payloads pass Check: no parameter moves by more than α times the median scale of its chunk, nor with momentum,
// over all rounds that follow, by more than that over 1 − μ; and by twice what was usual where fewer than three are listed.
func TestNoUpdateMovesMore(t *testing.T) {
	const n, chunk = 100, 8
	for _, v := range []variant{
		{"bitloco", Bitloco, nil},
		{"bitloco, 2 bits", Bitloco, func(s *Settings) { s.Bits = 2 }},
		{"bitloco, momentum", Bitloco, func(s *Settings) { s.Momentum, s.OuterLR = .5, .8 }},
		{"sparseloco", SparseLoCo, func(s *Settings) { s.Keep = 3 }},
		{"fedavg", FedAvg, nil},
		{"diloco", DiLoCo, nil},
		{"diloco, fp16", DiLoCo, func(s *Settings) { s.Values = "fp16" }},
		{"diloco, int8", DiLoCo, func(s *Settings) { s.Values = "int8" }},
		{"diloco, fp4", DiLoCo, func(s *Settings) { s.Values = "fp4" }},
	} {
		t.Run(v.name, func(t *testing.T) {
			p := params(t, v.method, v.change)
			p.Tensors, p.Settings.Chunk = []Tensor{{Shape: []int{n}, Layer: 0}}, chunk
			m, err := New(p)
			if err != nil {
				t.Fatal(err)
			}
			a := m.(*averaging)
			rapid.Check(t, func(t *rapid.T) {
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				var updates []Update
				var ts []codec.Term
				for range rapid.IntRange(1, 20).Draw(t, "updates") {
					payload, err := m.Encode(nil, Round{Height: 1}, wild(r, n, chunk), nil)
					if err != nil {
						t.Fatal(err)
					}
					updates = append(updates, Update{payload, 1 + r.Uint64N(1<<r.IntN(30))})
					ts = append(ts, codec.Term{Payload: payload})
				}
				head := make([]float32, m.State())
				past := head[len(head)-a.chunks:]
				copy(past, slices.Repeat([]float32{.01}, a.chunks))
				bound := make([]float64, a.chunks)
				if err := a.parts[0].reader.Subtract(make([]float32, n), make([]float32, n), ts, func(c int, scales []float32) float32 {
					if bound[c] = rise * float64(past[c]); len(scales) >= crowd {
						slices.Sort(scales)
						bound[c] = float64(scales[(len(scales)-1)/2])
					}
					return 1
				}); err != nil {
					t.Fatal(err)
				}
				times := a.settings.OuterLR / (1 - a.settings.Momentum)
				if a.settings.Momentum == 0 {
					times = a.settings.rate(len(updates))
				}
				nothing, err := m.Encode(nil, Round{Height: 1}, make([]float32, n), nil)
				if err != nil {
					t.Fatal(err)
				}
				for h := range uint64(40) {
					if err := m.Apply(head, head, Round{Height: h}, updates); err != nil {
						t.Fatal(err)
					}
					for j, x := range head[:n] {
						if most := times * bound[j/chunk]; math.Abs(float64(x)) > most*(1+1e-5) {
							t.Fatalf("after %d rounds parameter %d has moved by %g, at most %g is allowed", h+1, j, x, most)
						}
					}
					updates = []Update{{nothing, 1}}
				}
			})
		})
	}
}

// wild is a vector whose chunks have scales of all orders; some are zeros, and some have one number alone.
func wild(r *rand.Rand, n, chunk int) []float32 {
	v := make([]float32, n)
	for at := 0; at < n; at += chunk {
		scale := math.Pow(10, 8*r.Float64()-4)
		one := r.IntN(5) == 0
		for j := at; j < min(at+chunk, n) && r.IntN(40) > 0; j++ {
			v[j] = float32(scale * r.NormFloat64())
			if one {
				break
			}
		}
	}
	return v
}
