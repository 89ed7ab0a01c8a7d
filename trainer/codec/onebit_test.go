package codec

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestOneBitKeepsSignsAndMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover, chunk := drawCover(t)
		head, local := drawVector(t, cover.Total, "head"), drawVector(t, cover.Total, "local")
		payload, err := codecs(t, cover, chunk)["one bit"].Encode(nil, head, local)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range naive("one bit", payload, cover, chunk) {
			var sum float64
			for j, unit := range p.units {
				d := head[p.from+j] - local[p.from+j]
				if sum += math.Abs(float64(d)); (unit < 0) != (d < 0) {
					t.Fatalf("d %g is sent as %g", d, unit)
				}
			}
			if mean := sum / float64(len(p.units)); math.Abs(mean-float64(p.level[0])) > 1e-5*mean {
				t.Fatalf("mean %g, scale %g", mean, p.level[0])
			}
		}
	})
}

// −0, and what rounds to it, is sent as 0 is.
func TestZeroIsPositive(t *testing.T) {
	minus := slices.Repeat([]float32{float32(math.Copysign(0, -1))}, 11)
	for name, c := range codecs(t, Whole([]int{11}), 8) {
		want, err := c.Encode(nil, make([]float32, 11), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := c.Encode(nil, minus, make([]float32, 11))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %x; 0 is %x", name, err, got, want)
		}
		payload, err := c.Encode(nil, []float32{1, -1e-9, 0, 0, 0, 0, 0, 0, -1, 1e-9, 0}, nil)
		if err != nil || c.Check(payload) != nil {
			t.Errorf("%s: %v, %v", name, err, c.Check(payload))
		}
	}
}
