package dct

const (
	// MaxValue bounds the coefficients that the inverses take.
	MaxValue = 1 << 28
	// Fraction is how many bits of what the inverses give lie behind the point.
	Fraction = 2*tableBits - between

	tableBits = 24
	between   = 22 // bits cut off between the two dimensions, towards zero, so that −x gives −z
)

// Inverse sets dst to 2^Fraction times the block whose coefficients are values at the indices at, which ascend, and zero
// elsewhere.
//
// With |values| ≤ 2^28 and |table| < 2^21.51, a row's sum of 64 products is below 2^55.6, below 2^33.6 without its lowest
// 22 bits, and a column's sum of 64 products of that below 2^61.1: nothing overflows.
func (t *Transform) Inverse(dst *[Area]int64, at []uint16, values []int64) {
	var list [2][half]uint8 // even and odd rows that hold something: they are mirrored with the same and the other sign
	var n [2]int
	for len(at) > 0 {
		u := int(at[0]) / Size % Size
		k := 1
		for k < len(at) && int(at[k])/Size == u {
			k++
		}
		t.row((*[Size]int64)(dst[u*Size:]), at[:k], values[:k])
		list[u&1][n[u&1]%half] = uint8(u)
		n[u&1]++
		at, values = at[k:], values[k:]
	}
	even, odd := list[0][:min(n[0], half)], list[1][:min(n[1], half)]
	for y := 0; y < Size; y += 8 { // eight columns at a time, whose rows are set aside
		var rows [Size][8]int64
		for _, some := range [2][]uint8{even, odd} {
			for _, u := range some {
				rows[u&63] = [8]int64(dst[int(u)*Size+y:])
			}
		}
		for x := range half {
			e0, e1, e2, e3, e4, e5, e6, e7 := sum(&t.down[x], &rows, even)
			o0, o1, o2, o3, o4, o5, o6, o7 := sum(&t.down[x], &rows, odd)
			a, b := (*[8]int64)(dst[x*Size+y:]), (*[8]int64)(dst[(Size-1-x)*Size+y:])
			a[0], b[0] = e0+o0, e0-o0
			a[1], b[1] = e1+o1, e1-o1
			a[2], b[2] = e2+o2, e2-o2
			a[3], b[3] = e3+o3, e3-o3
			a[4], b[4] = e4+o4, e4-o4
			a[5], b[5] = e5+o5, e5-o5
			a[6], b[6] = e6+o6, e6-o6
			a[7], b[7] = e7+o7, e7-o7
		}
	}
}

// sum is Σ table[u]·rows[u] over the rows listed.
func sum(table *[Size]int32, rows *[Size][8]int64, list []uint8) (s0, s1, s2, s3, s4, s5, s6, s7 int64) {
	for _, u := range list {
		c, r := int64(table[u&63]), &rows[u&63]
		s0 += c * r[0]
		s1 += c * r[1]
		s2 += c * r[2]
		s3 += c * r[3]
		s4 += c * r[4]
		s5 += c * r[5]
		s6 += c * r[6]
		s7 += c * r[7]
	}
	return
}

// row transforms one row's coefficients back: 2^(24−22) times its numbers.
func (t *Transform) row(dst *[Size]int64, at []uint16, values []int64) {
	sums := t.halves(at, values)
	e, o := &sums[0], &sums[1]
	for y := range half {
		dst[y] = (e[y] + o[y]) / (1 << between)
		dst[Size-1-y] = (e[y] - o[y]) / (1 << between)
	}
}

// InverseLine sets dst to 2^Fraction times the line whose coefficients are values at the indices at, and zero elsewhere.
func (t *Transform) InverseLine(dst *[Size]int64, at []uint16, values []int64) {
	sums := t.halves(at, values)
	e, o := &sums[0], &sums[1]
	for y := range half {
		dst[y] = (e[y] + o[y]) << (Fraction - tableBits)
		dst[Size-1-y] = (e[y] - o[y]) << (Fraction - tableBits)
	}
}

// halves are 2^24 times what the even and the odd coefficients make of the first half of a line.
func (t *Transform) halves(at []uint16, values []int64) (sums [2][half]int64) {
	for i, index := range at {
		v := values[i]
		sum := &sums[index&1]
		for y, c := range &t.across[index&63] {
			sum[y] += v * int64(c)
		}
	}
	return sums
}
