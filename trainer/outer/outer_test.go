package outer

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"lukechampine.com/blake3"

	"github.com/murmurnet/murmur/trainer/codec"
)

func TestWeights(t *testing.T) {
	for name, c := range map[string]struct {
		tokens []uint64
		want   []float64 // nil: refused
	}{
		"one":                            {[]uint64{7}, []float64{1}},
		"the less of two":                {[]uint64{1, 3}, []float64{.5, .5}},
		"up to the median":               {[]uint64{2, 1, 8}, []float64{.4, .2, .4}},
		"up to the lower median of four": {[]uint64{1, 1, 3, 4}, []float64{.25, .25, .25, .25}},
		"no updates":                     {},
		"no tokens":                      {[]uint64{1, 0}, nil},
		"more tokens than are exact":     {[]uint64{1, maxTokens}, nil},
		"tokens that wrap around":        {[]uint64{2, math.MaxUint64}, nil},
	} {
		updates := make([]Update, len(c.tokens))
		for i, n := range c.tokens {
			updates[i].Tokens = n
		}
		got, err := weigh(updates)
		if (err == nil) != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// What a scale may be follows from the commit's, and where there are fewer than three from those before.
func TestUsualScales(t *testing.T) {
	for name, c := range map[string]struct {
		past   float32
		scales []float32
		most   float32
		then   float32
	}{
		"the first alone":             {0, []float32{7}, 7, 7},
		"alone, as always":            {2, []float32{3}, 3, 3},
		"alone, far above":            {2, []float32{60000}, 4, 4},
		"alone, less":                 {2, []float32{1}, 1, 1.875},
		"the less of two":             {2, []float32{3, 2}, 2, 2},
		"two, both far above":         {2, []float32{50, 60}, 4, 4},
		"one of two has nothing":      {2, []float32{0, 3}, 3, 3},
		"neither has":                 {8, []float32{0, 0}, 0, 7},
		"the median of three":         {1, []float32{9, 2, 60000}, 9, 9},
		"the lower median of four":    {1, []float32{9, 2, 60000, 8}, 8, 8},
		"most of three have nothing":  {1, []float32{0, 5, 0}, 0, .875},
		"one of four lies downwards":  {4, []float32{4, 0, 4, 4}, 4, 4},
		"one of three lies downwards": {4, []float32{4, 0, 4}, 4, 4},
	} {
		past := []float32{-1, c.past}
		most := Settings{}.usual(past)(1, c.scales)
		if most != c.most || past[1] != c.then || past[0] != -1 {
			t.Errorf("%s: at most %g, and %g from then on; want %g and %g", name, most, past[1], c.most, c.then)
		}
	}
}

// What is refused changes nothing.
func TestApplyRefusesAndLeavesDst(t *testing.T) {
	each(t, func(t *testing.T, m Method) {
		s := noise(4)
		head := state(m, &s)
		r := Round{Height: 3, Tokens: 700}
		good, err := m.Encode(nil, r, s.vector(size(tensors()), 9), nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, updates := range map[string][]Update{
			"no updates": nil,
			"no tokens":  {{good, 0}},
			"bad second": {{good, 1}, {good[1:], 1}},
		} {
			dst := slices.Repeat([]float32{5}, len(head))
			if err := m.Apply(dst, head, r, updates); err == nil || slices.Min(dst) != 5 {
				t.Errorf("%s: %v, dst %g", name, err, slices.Min(dst))
			}
		}
		if err := m.Apply(head[:len(head)-1], head, r, []Update{{good, 1}}); err == nil {
			t.Error("a short destination was accepted")
		}
		theta := head[:size(tensors())]
		for _, weight := range []float32{-1.5, 2, float32(math.NaN())} {
			if m.AddDecoded(theta, r.Height, good, weight) == nil {
				t.Errorf("weight %g was accepted", weight)
			}
		}
		if err := m.AddDecoded(theta, r.Height, good[1:], 1); !errors.Is(err, codec.ErrPayload) {
			t.Errorf("a short payload: %v", err)
		}
		d := s.vector(len(theta), 9)
		d[len(d)/2+7000] = float32(math.NaN())
		for h := range uint64(3) { // the fragment that has it, too
			if _, err = m.Encode(nil, Round{Height: h}, d, nil); err != nil {
				break
			}
		}
		if !errors.Is(err, codec.ErrDiverged) {
			t.Errorf("encoding what is no number: %v", err)
		}
	})
}

// In place or not is the same.
func TestApplyInPlace(t *testing.T) {
	each(t, func(t *testing.T, m Method) {
		s := noise(6)
		head := state(m, &s)
		r := Round{Height: 4, Tokens: 900}
		var updates []Update
		for range 3 {
			p, err := m.Encode(nil, r, s.vector(size(tensors()), 9), nil)
			if err != nil {
				t.Fatal(err)
			}
			updates = append(updates, Update{p, 5})
		}
		dst := make([]float32, len(head))
		if err := m.Apply(dst, head, r, updates); err != nil {
			t.Fatal(err)
		}
		if err := m.Apply(head, head, r, updates); err != nil {
			t.Fatal(err)
		}
		equalBits(t, dst, head)
	})
}

// Two commits of ten updates each, of which one is clipped, fixed for good: CI compares payloads and states on amd64,
// amd64 at level v3 and arm64.
func TestApplyIsTheSameEverywhere(t *testing.T) {
	want := map[string]string{
		"bitloco":                  "81572a6aad8a2ca22a6ba11b38529d0e",
		"bitloco, 2 bits":          "f02f8194f77bba2b94ca1f95c6b56abb",
		"bitloco, momentum":        "dc188993f74e4a897a8c1c4006003a84",
		"bitloco, apart":           "ca2b8be57ddd0172a0e874bdda2bd19b",
		"sparseloco, apart":        "197a62946685b8a28b174f99e3dd0153",
		"bitloco, buffer":          "81572a6aad8a2ca22a6ba11b38529d0e",
		"sparseloco":               "25e4963d520e1ca2304910de36aec09b",
		"sparseloco, in the model": "25e4963d520e1ca2304910de36aec09b",
		"distro":                   "b3c9ff2952d9f37e711542edb33cdbe0",
		"distro, fp16":             "7a8f8d0f5302bdc001a38a3ec76bf4e9",
		"diloco":                   "78387c08628cecc3f6c092892f4dd2cd",
		"diloco, fp16":             "6c68321aef43dc81db405c309fc9d8ef",
		"diloco, int8":             "500e7a085c633fd47d3b93d3835d2492",
		"diloco, fp4":              "7db5e58322da1beae07a71e569723b71",
		"streaming":                "27a7a3d3ea2aef7674b6c5aab064d6f0",
		"fedavg":                   "cf6de4efb545d358c7a4f19acf3ff0e1",
		"allreduce":                "eca32ae27836f9b1f1682dc0f255df7c",
	}
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			m := method(t, v.method, v.change)
			s := noise(1)
			head := state(m, &s)
			h := blake3.New(32, nil)
			for height := uint64(5); height < 7; height++ {
				r := Round{Height: height, Tokens: 1000 * height}
				var updates []Update
				for i := range 10 {
					exponent := 9
					if i == 4 {
						exponent = 6
					}
					p, err := m.Encode(nil, r, s.vector(size(tensors()), exponent), nil)
					if err != nil {
						t.Fatal(err)
					}
					updates = append(updates, Update{p, uint64(1000 + 77*i)})
				}
				if err := m.Apply(head, head, r, updates); err != nil {
					t.Fatal(err)
				}
			}
			for _, x := range head {
				_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
			}
			if got := hex.EncodeToString(h.Sum(nil)[:16]); got != want[v.name] {
				t.Fatalf("BLAKE3 of the state is %q, want %q", got, want[v.name])
			}
		})
	}
}

// AdamW squares gradients: what it cannot square is refused.
func TestAllReduceRefusesGiants(t *testing.T) {
	m := method(t, AllReduce, nil)
	g := make([]float32, size(tensors()))
	g[5] = 1e18
	if _, err := m.Encode(nil, Round{}, g, nil); !errors.Is(err, codec.ErrDiverged) {
		t.Errorf("encoding it: %v", err)
	}
	plain, err := method(t, FedAvg, nil).Encode(nil, Round{}, g, nil) // the same bytes
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(1, plain); !errors.Is(err, codec.ErrPayload) {
		t.Errorf("checking it: %v", err)
	}
	if err := m.Apply(make([]float32, m.State()), make([]float32, m.State()), Round{Height: 1}, []Update{{plain, 1}}); !errors.Is(err, codec.ErrPayload) {
		t.Errorf("applying it: %v", err)
	}
}

func TestSettings(t *testing.T) {
	for _, name := range Names() {
		s, err := Defaults(name)
		if err == nil {
			err = s.Validate()
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, _ := Defaults(SparseLoCo)
	s.Schedule = []Point{{Tokens: 100, H: 40}, {Tokens: 200, Keep: 16}, {Tokens: 300, OuterLR: .65, H: 50}}
	for _, c := range []struct {
		tokens uint64
		h      uint32
		keep   uint32
		rate   float64
	}{{99, 0, 64, 1}, {100, 40, 64, 1}, {250, 40, 16, 1}, {1 << 40, 50, 16, .65}} {
		if at, h := s.At(c.tokens); h != c.h || at.Keep != c.keep || at.OuterLR != c.rate {
			t.Errorf("at %d tokens: h %d, keep %d, outer_lr %g", c.tokens, h, at.Keep, at.OuterLR)
		}
	}
	for name, change := range map[string]func(*Settings){
		"unordered":               func(s *Settings) { s.Schedule[1].Tokens = 100 },
		"more than the most":      func(s *Settings) { s.Schedule[1].Keep = 65 },
		"an outer rate too large": func(s *Settings) { s.Schedule[1].OuterLR = 3 },
		"too long":                func(s *Settings) { s.Schedule = make([]Point, MaxPoints+1) },
		"a key of another method": func(s *Settings) { s.Fragments = 3 },
		"no method":               func(s *Settings) { s.Name = "" },
	} {
		bad := s
		bad.Schedule = slices.Clone(s.Schedule)
		if change(&bad); bad.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
