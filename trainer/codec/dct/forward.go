package dct

import "math"

// A step is two levels of Lee's algorithm, each of which halves a transform of length N: of numbers the same distance
// from either end, x[n] and x[N−1−n], the sum goes on to the even coefficients, and the difference, divided by
// 2cos(π(2n+1)/2N), to the odd ones. The step takes x[i] and x[N/2−1−i], at a and b, and their partners, at d and c. It
// leaves at a and b what goes to the coefficients 4k and 4k+2, at d and c to 4k+1 and 4k+3.
type step struct {
	a, b, c, d int
	fa, fb, g  float64 // what differences are multiplied with: of a and d, of b and c, and of the second level
}

// plan lists the steps for a line, in place, and the sums after them: of an odd half's coefficients H, each becomes
// H[k]+H[k+1].
func (t *Transform) plan() {
	var line [Size]int
	for i := range line {
		line[i] = i
	}
	cos := cosines()
	factor := func(i, n int) float64 { return 1 / (2 * cos[(2*i+1)*Size/n]) }
	var split func(at []int) []int // at: where the numbers are; returned: where the coefficients are
	split = func(at []int) []int {
		n := len(at)
		if n == 1 {
			return at
		}
		var quarter [4][]int // by the coefficient's number modulo 4
		for i := range n / 4 {
			j := n/2 - 1 - i
			s := step{at[i], at[j], at[n-1-j], at[n-1-i], factor(i, n), factor(j, n), factor(i, n/2)}
			t.steps = append(t.steps, s)
			quarter[0], quarter[2] = append(quarter[0], s.a), append(quarter[2], s.b)
			quarter[1], quarter[3] = append(quarter[1], s.d), append(quarter[3], s.c)
		}
		even := t.merge(split(quarter[0]), split(quarter[2]))
		return t.merge(even, t.merge(split(quarter[1]), split(quarter[3])))
	}
	t.place = [Size]int(split(line[:]))
	for u := range Size {
		for v := range Size {
			t.scale[u][v] = 1. / 64
			if u > 0 {
				t.scale[u][v] *= math.Sqrt2
			}
			if v > 0 {
				t.scale[u][v] *= math.Sqrt2
			}
		}
	}
}

// merge notes the sums of the odd coefficients and returns both in their order.
func (t *Transform) merge(even, odd []int) (all []int) {
	for k, at := range odd {
		all = append(all, even[k], at)
		if k+1 < len(odd) {
			t.sums = append(t.sums, [2]int{at, odd[k+1]})
		}
	}
	return all
}

// Line transforms the 64 numbers x into dst.
func (t *Transform) Line(dst *[Size]float32, x *[Size]float64) {
	w := *x
	for _, s := range t.steps {
		a, b, c, d := &w[s.a&63], &w[s.b&63], &w[s.c&63], &w[s.d&63]
		*a, *b, *c, *d = double(*a, *b, *c, *d, s.fa, s.fb, s.g)
	}
	for _, s := range t.sums {
		w[s[0]&63] += w[s[1]&63]
	}
	for u, from := range t.place {
		dst[u] = float32(w[from&63] * 8 * t.scale[u][0])
	}
}

// Forward transforms the block x, which is used up, into dst.
func (t *Transform) Forward(dst *[Area]float32, x *[Size][Size]float64) {
	t.columns(x)
	for i := range x { // columns become rows; their order is put right at the end
		for j := range i {
			x[i][j], x[j][i] = x[j][i], x[i][j]
		}
	}
	t.columns(x)
	for u, atU := range t.place {
		row := (*[Size]float32)(dst[u*Size:])
		for v, atV := range t.place {
			row[v] = float32(x[atV&63][atU&63] * t.scale[u][v])
		}
	}
}

// columns does the steps for all columns at once: coefficient u of each goes to row place[u].
func (t *Transform) columns(x *[Size][Size]float64) {
	for _, s := range t.steps {
		s.rows(&x[s.a&63], &x[s.b&63], &x[s.c&63], &x[s.d&63])
	}
	for _, s := range t.sums {
		add(&x[s[0]&63], &x[s[1]&63])
	}
}

// rows does the step for 64 lines.
func (s *step) rows(a, b, c, d *[Size]float64) {
	fa, fb, g := s.fa, s.fb, s.g
	for i := range a {
		a[i], b[i], c[i], d[i] = double(a[i], b[i], c[i], d[i], fa, fb, g)
	}
}

func double(a, b, c, d, fa, fb, g float64) (float64, float64, float64, float64) {
	e, f := a+d, b+c
	p, q := float64((a-d)*fa), float64((b-c)*fb)
	return e + f, float64((e - f) * g), float64((p - q) * g), p + q
}

func add(a, b *[Size]float64) {
	for i, q := range b {
		a[i] += q
	}
}
