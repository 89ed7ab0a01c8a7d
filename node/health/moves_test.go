package health

import (
	"math"
	"testing"
)

func TestMoves(t *testing.T) {
	steady := func(n int, norm float64) (v []float64) {
		for range n {
			v = append(v, norm)
		}
		return v
	}
	ramp := func(n int) (v []float64) {
		for i := range n {
			v = append(v, float64(i+1))
		}
		return v
	}
	for _, tc := range []struct {
		name  string
		norms []float64
		jumps []int // which of them are
	}{
		{"nothing", nil, nil},
		{"steady", steady(100, 2), nil},
		{"a warm-up of a thousand rounds", ramp(1000), nil},
		{"decay", []float64{64, 32, 16, 8, 4, 2, 1, .5, .25, .125, .0625}, nil},
		{"fragments in turn", []float64{1, 9, 3, 1, 9, 3, 1, 9, 3, 1, 9, 3}, nil},
		{"eight updates, then one", append(steady(20, 1), steady(20, math.Sqrt(8))...), nil},
		{"too early to say", []float64{1, 1, 1, 1e6}, nil},
		{"one jump", append(steady(20, .1), 60000, .1, .1), []int{20}},
		{"a jump early", []float64{1, 1, 1, 1, 60000}, []int{4}},
		{"it stays wild", append(steady(20, .1), steady(20, 600)...), []int{20, 21, 22, 23, 24, 25, 26, 27}},
		{"beyond all numbers", append(steady(20, .1), math.Inf(1), math.NaN(), .1), []int{20, 21}},
		{"rounds without anything learned", append(append(steady(8, 1), steady(20, 0)...), 61, 0, 1), []int{28}},
		{"just within", append(steady(20, 1), mostMove), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var m Moves
			want := map[int]bool{}
			for _, i := range tc.jumps {
				want[i] = true
			}
			for i, norm := range tc.norms {
				ratio := m.Note(norm)
				if Jump(ratio) != want[i] {
					t.Errorf("move %d of %g is %g times the usual", i, norm, ratio)
				}
				if !(ratio >= 0 && ratio <= mostRatio) || len(m.recent) > usualMoves {
					t.Errorf("move %d: ratio %g, %d are kept", i, ratio, len(m.recent))
				}
			}
		})
	}
}
