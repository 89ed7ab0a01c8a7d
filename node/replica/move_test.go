package replica

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/murmurnet/murmur/proto"
)

func TestDistance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct {
		name string
		size int
		move func(i int) float32
		off  float64 // of the exact norm, at most
	}{
		{"nothing", 0, func(int) float32 { return 0 }, 0},
		{"a few", 7, func(i int) float32 { return float32(i) }, 1e-9},
		{"all that are looked at", looked, func(i int) float32 { return float32(i % 3) }, 1e-9},
		{"more, all moved", 3*looked + 5, func(int) float32 { return float32(rng.NormFloat64()) }, .01},
		{"more, one in 64 moved", 3*looked + 5, func(i int) float32 { return float32(i % 64 / 63) }, .01},
		{"more, one matrix moved far", 8 * looked, func(i int) float32 { return float32(60000 * (i >> 16 / 127)) }, .01},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := make([]float32, tc.size), make([]float32, tc.size)
			var want float64
			for i := range a {
				a[i] = float32(rng.NormFloat64())
				b[i] = a[i] + tc.move(i)
				d := float64(b[i]) - float64(a[i])
				want += d * d
			}
			want = math.Sqrt(want)
			for draw := range 4 {
				got := distance(a, b, proto.Sum([]byte{byte(draw)}))
				if math.Abs(got-want) > tc.off*want {
					t.Errorf("%g, want %g", got, want)
				}
			}
		})
	}
}

// BenchmarkDistance25M is to be compared with BenchmarkApply8x25M of trainer/outer.
func BenchmarkDistance25M(b *testing.B) {
	x, y := make([]float32, 25_000_000), make([]float32, 25_000_000)
	for i := range x {
		x[i], y[i] = float32(i%7), float32(i%5)
	}
	b.Run("looked at", func(b *testing.B) {
		for b.Loop() {
			distance(x, y, proto.ID{1})
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			var sum float64
			for lo := 0; lo < len(x); lo += looked {
				d := distance(x[lo:min(lo+looked, len(x))], y[lo:min(lo+looked, len(x))], proto.ID{1})
				sum += d * d
			}
			if sum == 0 {
				b.Fatal("nothing moved")
			}
		}
	})
}
