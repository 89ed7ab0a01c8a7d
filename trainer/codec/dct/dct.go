// Package dct transforms blocks of 64 and of 64x64 numbers to cosines and back: the orthonormal DCT-II,
//
//	X[u] = c(u) · Σ x[n] cos(π(2n+1)u/128),   c(0) = √(1/64), otherwise √(2/64),
//
// over both dimensions of a 64x64 block. Coefficient (u, v) of a block has the index 64u+v, u running down columns.
//
// [Transform.Forward] and [Transform.Line] are for encoders: float64, the fast algorithm of Lee (1984). Every product is
// rounded by itself, so they too give the same bits everywhere.
//
// [Transform.Inverse] and [Transform.InverseLine] are for decoders that must agree on every sign: integers all through,
// with a cosine table of 24 bits that is part of the format. They take the coefficients that are not zero, and their
// time grows with the number of rows these lie in: half a multiplication for each row and number of the block.
//
// The package knows neither payloads nor tensors.
package dct

const (
	// Size is the length of a line and the side of a block.
	Size = 64
	// Area is how many numbers a block holds.
	Area = Size * Size
	half = Size / 2
)

// Transform holds tables. It may be used from many goroutines.
type Transform struct {
	steps []step
	sums  [][2]int
	place [Size]int           // where coefficient u is after the steps
	scale [Size][Size]float64 // c(u)·c(v)

	across [Size][half]int32 // across[v][y] = 2^24·c(v)·cos(π(2y+1)v/128) for y in the first half; the rest mirrors it
	down   [half][Size]int32 // the same table, down[x][u]
}

// New makes the tables.
func New() *Transform {
	t := &Transform{}
	t.plan()
	table := integers()
	for u := range Size {
		for x := range half {
			t.across[u][x] = entry(&table, u, x)
			t.down[x][u] = t.across[u][x]
		}
	}
	return t
}

// entry is 2^24·c(u)·cos(π(2x+1)u/128), from the table of a quarter wave.
func entry(table *[Size + 1]int32, u, x int) int32 {
	if u == 0 {
		return table[half] // √(1/64) = √(2/64)·cos(π/4)
	}
	switch angle := (2*x + 1) * u % (4 * Size); { // of 256, the whole wave
	case angle <= Size:
		return table[angle]
	case angle <= 2*Size:
		return -table[2*Size-angle]
	case angle <= 3*Size:
		return -table[angle-2*Size]
	default:
		return table[4*Size-angle]
	}
}
