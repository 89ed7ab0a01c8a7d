package codec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// fewest is the least square error that two levels of magnitude can have, by trying every place to part them.
func fewest(d []float32) float64 {
	m := make([]float64, len(d))
	var all, squares float64
	for i, v := range d {
		m[i] = math.Abs(float64(v))
		all, squares = all+m[i], squares+m[i]*m[i]
	}
	slices.Sort(m)
	least, below := squares-all*all/float64(len(m)), 0.0
	for k := 1; k < len(m); k++ {
		below += m[k-1]
		least = min(least, squares-below*below/float64(k)-(all-below)*(all-below)/float64(len(m)-k))
	}
	return least
}

// Levels are the means of their sides, and no other place to part them makes the error less by more than a
// hundredth; where coordinates are few, the width of a bin tells more.
func TestTwoLevelsAreNearlyTheBest(t *testing.T) {
	source := rand.NewPCG(1, 2)
	r := rand.New(source)
	for name, draw := range map[string]func() float64{
		"uniform":         func() float64 { return 2*r.Float64() - 1 },
		"normal":          r.NormFloat64,
		"laplace":         func() float64 { return r.ExpFloat64() * float64(1-2*r.IntN(2)) },
		"wild scales":     func() float64 { return r.NormFloat64() * math.Exp(r.NormFloat64()) },
		"few large":       func() float64 { return r.NormFloat64() * math.Pow(10, float64(2*(r.IntN(50)/49))) },
		"two values":      func() float64 { return 1e-3 * float64(1-2*r.IntN(2)) * float64(1+3*r.IntN(2)) },
		"zeros and a few": func() float64 { return float64(r.IntN(20)/19) * r.NormFloat64() },
	} {
		for n, slack := range map[int]float64{4096: 1.01, 1000: 1.02, 37: 1.1} {
			source.Seed(uint64(n), 1)
			d, zero := make([]float32, n), make([]float32, n)
			for i := range d {
				d[i] = float32(draw())
			}
			signs, levels := make([]byte, (n+7)/8), make([]byte, (n+7)/8)
			low, high := quantiseTwo(signs, levels, d, zero)
			var squares float64
			var sums [2]float64
			var counts [2]int
			for i, v := range d {
				side, z := levels[i/8]>>(i%8)&1, low
				if side == 1 {
					z = high
				}
				m := math.Abs(float64(v))
				sums[side] += m
				counts[side]++
				squares += (m - float64(z)) * (m - float64(z))
				if (signs[i/8]>>(i%8)&1 == 1) != (v < 0) {
					t.Fatalf("%s: sign of %g is wrong", name, v)
				}
			}
			for side, level := range []float32{low, high} {
				if mean := sums[side] / float64(max(1, counts[side])); math.Abs(mean-float64(level)) > 1e-5*mean {
					t.Errorf("%s, %d: level %g, mean %g", name, n, level, mean)
				}
			}
			if least := fewest(d); squares > slack*least+1e-9*sums[0]*sums[0] {
				t.Errorf("%s, %d: square error %g, can be %g", name, n, squares, least)
			}
		}
	}
}

func TestOneLevelIsEnough(t *testing.T) {
	for _, d := range [][]float32{{0}, {-3}, {0, 0, 0}, slices.Repeat([]float32{.1, -.1}, 100), {1e-40, -1e-40, 1e-40}} {
		n := (len(d) + 7) / 8
		signs, levels := make([]byte, n), slices.Repeat([]byte{0xff}, n)
		low, high := quantiseTwo(signs, levels, d, make([]float32, len(d)))
		want := math.Abs(float64(d[0]))
		if low != high || math.Abs(float64(low)-want) > 1e-6*want || slices.Max(levels) != 0 {
			t.Errorf("%v: %g and %g, levels %x", d[0], low, high, levels)
		}
	}
}
