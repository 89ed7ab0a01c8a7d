package dct

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// precise is bits of cos(jπ/128): both tables are checked against it.
const bits = 200

func bigFloat(x float64) *big.Float { return new(big.Float).SetPrec(bits).SetFloat64(x) }

// quarter returns cos(jπ/128) for j = 0 … 64, by halving the angle π/2 seven times and adding it up again:
// cos(a/2) = √((1+cos a)/2), cos((j+1)a) = 2·cos(a)·cos(ja) − cos((j−1)a).
func quarter() (c [Size + 1]*big.Float) {
	step := bigFloat(0) // cos(π/2)
	for range 6 {
		step.Add(step, bigFloat(1)).Quo(step, bigFloat(2)).Sqrt(step)
	}
	c[0], c[1] = bigFloat(1), step
	for j := 2; j <= Size; j++ {
		next := bigFloat(2)
		next.Mul(next, step).Mul(next, c[j-1])
		c[j] = next.Sub(next, c[j-2])
	}
	return c
}

func TestTables(t *testing.T) {
	floats, ints := cosines(), integers()
	root := bigFloat(1. / 32)
	root.Sqrt(root)
	for j, c := range quarter() {
		if want, _ := c.Float64(); math.Abs(floats[j]-want) > 1e-50 {
			t.Errorf("cos(%dπ/128) is %v, want %v", j, floats[j], want)
		}
		scaled := bigFloat(1 << tableBits)
		scaled.Mul(scaled, root).Mul(scaled, c)
		off := scaled.Sub(scaled, bigFloat(float64(ints[j])))
		if d, _ := off.Float64(); math.Abs(d) >= .5 {
			t.Errorf("entry %d is %d, off by %v", j, ints[j], d)
		}
	}
	tr := New()
	for u := range Size {
		for x := range half {
			want := math.Sqrt(2./64) * math.Cos(math.Pi*float64((2*x+1)*u)/128)
			if u == 0 {
				want = 1. / 8
			}
			if got := float64(tr.across[u][x]) / (1 << tableBits); math.Abs(got-want) > 1./(1<<tableBits) || tr.down[x][u] != tr.across[u][x] {
				t.Errorf("basis %d at %d is %g, want %g", u, x, got, want)
			}
		}
	}
}

// naive is the definition, in float64, for one dimension.
func naive(x []float64) []float64 {
	out := make([]float64, len(x))
	for u := range out {
		for n, v := range x {
			out[u] += v * math.Cos(math.Pi*float64((2*n+1)*u)/float64(2*len(x)))
		}
		out[u] *= math.Sqrt(2 / float64(len(x)))
	}
	out[0] /= math.Sqrt2
	return out
}

func naiveBlock(x *[Size][Size]float64) (out [Size][Size]float64) {
	for i := range x {
		out[i] = [Size]float64(naive(x[i][:]))
	}
	for j := range Size {
		var column [Size]float64
		for i := range Size {
			column[i] = out[i][j]
		}
		for i, v := range naive(column[:]) {
			out[i][j] = v
		}
	}
	return out
}

func noise(r *rand.Rand) (x [Size][Size]float64) {
	for i := range x {
		for j := range x[i] {
			x[i][j] = r.NormFloat64()
		}
	}
	return x
}

func TestForwardIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tr := New()
	for range 4 {
		x := noise(r)
		line, want := x[3], naive(x[3][:])
		var got [Size]float32
		tr.Line(&got, &line)
		for u := range want {
			if math.Abs(float64(got[u])-want[u]) > 1e-6 {
				t.Fatalf("line: coefficient %d is %g, want %g", u, got[u], want[u])
			}
		}
		all := naiveBlock(&x)
		var block [Area]float32
		tr.Forward(&block, &x)
		for i, v := range block {
			if math.Abs(float64(v)-all[i/Size][i%Size]) > 1e-6 {
				t.Fatalf("block: coefficient %d is %g, want %g", i, v, all[i/Size][i%Size])
			}
		}
	}
}

// Forward and back: what comes out is what went in, to within the table's and the coefficients' rounding.
func TestInverseUndoesForward(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tr := New()
	var at [Area]uint16
	for i := range at {
		at[i] = uint16(i)
	}
	for range 4 {
		x := noise(r)
		was := x
		var c [Area]float32
		tr.Forward(&c, &x)
		values := make([]int64, Area)
		for i, v := range c {
			values[i] = int64(math.RoundToEven(float64(v) * (1 << 24)))
		}
		var back [Area]int64
		tr.Inverse(&back, at[:], values)
		var square float64
		for i, v := range back {
			d := math.Ldexp(float64(v), -Fraction-24) - was[i/Size][i%Size]
			square += d * d
		}
		if rms := math.Sqrt(square / Area); rms > 3e-7 {
			t.Errorf("block: off by %g", rms)
		}
		line := was[5]
		var lc [Size]float32
		tr.Line(&lc, &line)
		for i, v := range lc {
			values[i] = int64(math.RoundToEven(float64(v) * (1 << 24)))
		}
		var lineBack [Size]int64
		tr.InverseLine(&lineBack, at[:Size], values[:Size])
		for i, v := range lineBack {
			if d := math.Ldexp(float64(v), -Fraction-24) - line[i]; math.Abs(d) > 1e-6 {
				t.Errorf("line: number %d off by %g", i, d)
			}
		}
	}
}

// The sparse inverse against plain integer sums in big numbers: the same, with the largest coefficients too.
func TestInverseIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	tr := New()
	table := integers()
	basis := func(u, x int) *big.Int {
		e := entry(&table, u, x%half)
		if x >= half {
			e = entry(&table, u, Size-1-x)
			if u%2 == 1 {
				e = -e
			}
		}
		return big.NewInt(int64(e))
	}
	for _, count := range []int{0, 1, 8, 32, Area} {
		var at []uint16
		var values []int64
		for i := range Area {
			if r.IntN(Area-i) < count-len(at) {
				v := r.Int64N(2*MaxValue+1) - MaxValue
				if count == Area { // the worst that the bounds allow at the first number
					v = MaxValue * int64(basis(i/Size, 0).Sign()*basis(i%Size, 0).Sign())
				}
				at, values = append(at, uint16(i)), append(values, v)
			}
		}
		var got [Area]int64
		tr.Inverse(&got, at, values)
		for _, n := range []int{0, 1, 63, 64, 2000, Area - 64, Area - 1} {
			rows := map[int]*big.Int{}
			for k, index := range at {
				u, v := int(index)/Size, int(index)%Size
				if rows[u] == nil {
					rows[u] = new(big.Int)
				}
				rows[u].Add(rows[u], new(big.Int).Mul(big.NewInt(values[k]), basis(v, n%Size)))
			}
			want := new(big.Int)
			for u, sum := range rows {
				want.Add(want, sum.Quo(sum, big.NewInt(1<<between)).Mul(sum, basis(u, n/Size)))
			}
			if !want.IsInt64() || want.Int64() != got[n] {
				t.Fatalf("%d coefficients: number %d is %d, want %v", count, n, got[n], want)
			}
		}
		if len(at) > 0 {
			var line [Size]int64
			k := min(len(at), 9)
			for i := range k {
				at[i] %= Size
			}
			tr.InverseLine(&line, at[:k], values[:k])
			want := new(big.Int)
			for i := range k {
				want.Add(want, new(big.Int).Mul(big.NewInt(values[i]), basis(int(at[i]), 37)))
			}
			if want.Lsh(want, Fraction-tableBits).Int64() != line[37] {
				t.Fatalf("line of %d: %d, want %v", k, line[37], want)
			}
		}
	}
}

func BenchmarkForward(b *testing.B) {
	tr := New()
	x := noise(rand.New(rand.NewPCG(1, 2)))
	var dst [Area]float32
	for b.Loop() {
		w := x
		tr.Forward(&dst, &w)
	}
}

func BenchmarkInverse(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	tr := New()
	for name, count := range map[string]int{"8": 8, "32": 32, "all": Area} {
		b.Run(name, func(b *testing.B) {
			var at []uint16
			var values []int64
			for i := range Area {
				if r.IntN(Area-i) < count-len(at) {
					at, values = append(at, uint16(i)), append(values, r.Int64N(MaxValue))
				}
			}
			var dst [Area]int64
			for b.Loop() {
				tr.Inverse(&dst, at, values)
			}
		})
	}
}
