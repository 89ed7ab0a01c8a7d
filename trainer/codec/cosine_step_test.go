package codec

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Step against its formula in float64, for weights and for the mean over senders, wherever the sum is not within
// rounding of 0; in place or not, the same.
func TestStepIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover := drawMatrices(t)
		src := drawVector(t, cover.Total, "src")
		format := rapid.SampledFrom([]CosineFormat{CosineFP32, CosineFP16, CosineBit}).Draw(t, "format")
		senders := rapid.Bool().Draw(t, "senders")
		rate, decay := rapid.Float32Range(0, 1).Draw(t, "rate"), rapid.Float32Range(0, 1).Draw(t, "decay")
		blocks := naiveBlocks(cover)
		sum, count := make([][]float64, len(blocks)), make([][]float64, len(blocks))
		var terms []Term
		for range rapid.IntRange(0, 4).Draw(t, "terms") {
			payload, err := newCosine(t, cover, rapid.IntRange(1, 12).Draw(t, "keep"), format).Encode(nil, drawVector(t, cover.Total, "d"), nil)
			if err != nil {
				t.Fatal(err)
			}
			w := rapid.Float64Range(0, 1).Draw(t, "weight")
			terms = append(terms, Term{payload, w})
			if senders {
				w = 1
			}
			c, sent := naiveCosine(t, payload, blocks)
			for u := range blocks {
				if sum[u] == nil {
					sum[u], count[u] = make([]float64, len(c[u])), make([]float64, len(c[u]))
				}
				for i, v := range c[u] {
					if sent[u][i] {
						sum[u][i] += w * v
						count[u][i]++
					}
				}
			}
		}
		want := make([]float64, cover.Total)
		for u, b := range blocks {
			if sum[u] == nil {
				continue
			}
			for i, n := range count[u] {
				if senders && n > 0 {
					sum[u][i] /= n
				}
			}
			naiveDCT(sum[u], true)
			for i, at := range b.at {
				if at >= 0 {
					want[at] = sum[u][i]
				}
			}
		}
		o := newCosine(t, cover, 12, format)
		dst := make([]float32, cover.Total)
		if err := o.Step(dst, src, terms, nil, rate, decay, senders); err != nil {
			t.Fatal(err)
		}
		inside := 0
		for i, x := range src {
			for inside < len(cover.Ranges) && i >= cover.Ranges[inside].To {
				inside++
			}
			if inside == len(cover.Ranges) || i < cover.Ranges[inside].From {
				if dst[i] != x {
					t.Fatalf("parameter %d is not covered and became %g", i, dst[i])
				}
				continue
			}
			x = float32(decay * x)
			near := math.Abs(want[i]) < 1e-5
			if down, up := x-rate, x+rate; !(want[i] > 0 && dst[i] == down || want[i] < 0 && dst[i] == up || near && (dst[i] == x || dst[i] == down || dst[i] == up)) {
				t.Fatalf("parameter %d went from %g to %g at rate %g for %g", i, x, dst[i], rate, want[i])
			}
		}
		if err := o.Step(src, src, terms, nil, rate, decay, senders); err != nil {
			t.Fatal(err)
		}
		equalBits(t, src, dst)
	})
}

// The mean is over all updates: a coefficient that one of four sends alone does not outweigh what three agree on, as it
// does in the reference's mean over its senders.
func TestMeanIsOverAllUpdates(t *testing.T) {
	cover := Whole([]int{64})
	wave := func(u int, c float64) []float32 {
		v := make([]float32, 64)
		for n := range v {
			v[n] = float32(c * basis()[u][n])
		}
		return v
	}
	o := newCosine(t, cover, 1, CosineFP32)
	var terms []Term
	for _, d := range [][]float32{wave(0, 1), wave(0, 1), wave(0, 1), wave(5, -1.5)} {
		payload, err := o.Encode(nil, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		terms = append(terms, Term{payload, .25})
	}
	all, among := make([]float32, 64), make([]float32, 64)
	if err := o.Step(all, all, terms, nil, 1, 1, false); err != nil {
		t.Fatal(err)
	}
	if err := o.Step(among, among, terms, nil, 1, 1, true); err != nil {
		t.Fatal(err)
	}
	up := 0
	for n := range all {
		if all[n] != -1 { // ¾·c(0) against ¼·1.5·c(5)·cos, at most .53·c(0)
			t.Errorf("number %d went %+g", n, all[n])
		}
		if among[n] == 1 { // c(0) against 1.5·c(5)·cos, up to 2.1·c(0)
			up++
		}
	}
	if up < 16 || up > 32 {
		t.Errorf("over senders, %d of 64 went up", up)
	}
}

// With all coefficients of one peer, the step is signum's: the sign of each difference that is not nearly 0.
func TestAllCoefficientsGiveTheSigns(t *testing.T) {
	cover := Cover{Total: 100*70 + 90, Ranges: []Range{{From: 0, To: 7000, Cols: 70}, {From: 7000, To: 7090}}}
	s := noise(4)
	d := s.vector(cover.Total, 3)
	for _, format := range []CosineFormat{CosineFP32, CosineFP16} {
		o := newCosine(t, cover, 4096, format)
		payload, err := o.Encode(nil, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, cover.Total)
		if err := o.Step(x, x, []Term{{payload, 1}}, nil, 1, 1, false); err != nil {
			t.Fatal(err)
		}
		for i, v := range x {
			if math.Abs(float64(d[i])) > .125*3*cosineFormats[format] && v != -float32(math.Copysign(1, float64(d[i]))) {
				t.Fatalf("format %d: %g gives a step of %g", format, d[i], v)
			}
		}
	}
}

func TestStepChecks(t *testing.T) {
	o := newCosine(t, Whole([]int{64}), 4, CosineBit)
	payload, err := o.Encode(nil, make([]float32, 64), nil)
	if err != nil {
		t.Fatal(err)
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		n           int
		payload     []byte
		weight      float64
		rate, decay float32
	}{
		{63, payload, 1, .1, 1},
		{64, payload[1:], 1, .1, 1},
		{64, payload, 5, .1, 1},
		{64, payload, 1, -.1, 1},
		{64, payload, 1, inf, 1},
		{64, payload, 1, nan, 1},
		{64, payload, 1, .1, -.1},
		{64, payload, 1, .1, 1.1},
		{64, payload, 1, .1, nan},
	} {
		x := slices.Repeat([]float32{1}, c.n)
		if err := o.Step(x, x, []Term{{c.payload, c.weight}}, nil, c.rate, c.decay, false); err == nil || slices.Min(x) != 1 {
			t.Errorf("%+v: accepted", c)
		}
	}
	x := slices.Repeat([]float32{2}, 64)
	if err := o.Step(x, x, []Term{{payload, 1}}, nil, .1, .5, false); err != nil || slices.Min(x) != 1 || slices.Max(x) != 1 {
		t.Errorf("a step of nothing with decay .5 made %v of 2: %v", x, err)
	}
}

// Weights so small that no float64 could scale them up: a block of nothing.
func TestTinyWeights(t *testing.T) {
	o := newCosine(t, Cover{Total: 4096, Ranges: []Range{{To: 4096, Cols: 64}}}, 4, CosineFP32)
	s := noise(9)
	payload, err := o.Encode(nil, s.vector(4096, 9), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []float64{0, 1e-300, 1e-320} {
		x := slices.Repeat([]float32{1}, 4096)
		if err := o.Subtract(x, x, []Term{{payload, w}}, nil); err != nil || slices.Min(x) != 1 || slices.Max(x) != 1 {
			t.Errorf("weight %g: subtracted, %v", w, err)
		}
		if err := o.Step(x, x, []Term{{payload, w}}, nil, .5, 1, false); err != nil || slices.Min(x) != 1 || slices.Max(x) != 1 {
			t.Errorf("weight %g: a step was made, %v", w, err)
		}
	}
}
