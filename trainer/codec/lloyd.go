package codec

import "math"

// quantiseTwo writes two bits for each coordinate of d = head − local, eight a byte from the lowest bit of either plane:
// 1 in signs where d < 0, 1 in levels where |d| is above a threshold. It returns the mean |d| of either side, which is
// what serves the side best (Lloyd 1982); a side without coordinates gets the other's. A mean is not finite where
// some d is not. Sums are built as quantise builds them.
func quantiseTwo(signs, levels []byte, head, local []float32) (low, high float32) {
	warm(head)
	warm(local)
	n, t := len(head), threshold(head, local)
	var ends [2][8]float32
	var l0, l1, l2, l3, h0, h1, h2, h3 float32
	for at := range signs {
		h, l := eight(&head, &ends[0]), eight(&local, &ends[1])
		b0, b1, b2, b3 := diff(h[0], l[0]), diff(h[1], l[1]), diff(h[2], l[2]), diff(h[3], l[3])
		m0, m1, m2, m3 := over(b0, t), over(b1, t), over(b2, t), over(b3, t)
		l0, l1, l2, l3 = l0+size(b0&^m0), l1+size(b1&^m1), l2+size(b2&^m2), l3+size(b3&^m3)
		h0, h1, h2, h3 = h0+size(b0&m0), h1+size(b1&m1), h2+size(b2&m2), h3+size(b3&m3)
		s, v := b0>>31|b1>>31<<1|b2>>31<<2|b3>>31<<3, m0&1|m1&2|m2&4|m3&8
		b0, b1, b2, b3 = diff(h[4], l[4]), diff(h[5], l[5]), diff(h[6], l[6]), diff(h[7], l[7])
		m0, m1, m2, m3 = over(b0, t), over(b1, t), over(b2, t), over(b3, t)
		l0, l1, l2, l3 = l0+size(b0&^m0), l1+size(b1&^m1), l2+size(b2&^m2), l3+size(b3&^m3)
		h0, h1, h2, h3 = h0+size(b0&m0), h1+size(b1&m1), h2+size(b2&m2), h3+size(b3&m3)
		signs[at] = byte(s | b0>>31<<4 | b1>>31<<5 | b2>>31<<6 | b3>>31<<7)
		levels[at] = byte(v | m0&16 | m1&32 | m2&64 | m3&128)
	}
	k := ones(levels)
	low, high = mean(n-k, l0, l1, l2, l3), mean(k, h0, h1, h2, h3)
	switch k {
	case 0:
		high = low
	case n:
		low = high
	}
	return min(low, high), high // rounding may have swapped means that are equal
}

// bins is how many the magnitudes of floats fall into: eight an octave.
const (
	bins     = 1 << 11
	binShift = 31 - 11
	binSpan  = 8 * 16 // below the highest: 16 octaves. What is smaller yet counts as zero
)

// threshold is the bits of the magnitude that parts a chunk's small coordinates from its large ones with the least
// square error, where levels are the means of their sides, to within the width of a bin. Moving a threshold by Lloyd's
// algorithm until it rests takes tens of passes where few coordinates are much larger than the rest; this takes one.
func threshold(head, local []float32) uint32 {
	n := len(head)
	var counts [2][bins]uint16 // two, as an increment waits for the one before it in the same bin
	var ends [2][8]float32
	for len(head) > 0 {
		h, l := eight(&head, &ends[0]), eight(&local, &ends[1])
		counts[0][bin(h[0], l[0])]++
		counts[1][bin(h[1], l[1])]++
		counts[0][bin(h[2], l[2])]++
		counts[1][bin(h[3], l[3])]++
		counts[0][bin(h[4], l[4])]++
		counts[1][bin(h[5], l[5])]++
		counts[0][bin(h[6], l[6])]++
		counts[1][bin(h[7], l[7])]++
	}
	top := bins - 1
	for top > 0 && counts[0][top]|counts[1][top] == 0 {
		top--
	}
	var all float64
	for b := top; b >= max(0, top-binSpan); b-- {
		all += float64(float64(counts[0][b]+counts[1][b]) * middle(b))
	}
	// The square error is Σ|d|² less, for either side, (Σ|d|)²/n.
	var sum, most float64
	k, t := 0, bins // all are small
	for b := top; b >= max(0, top-binSpan); b-- {
		here := counts[0][b] + counts[1][b]
		if here == 0 {
			continue
		}
		k += int(here)
		if k >= n {
			break
		}
		sum += float64(float64(here) * middle(b))
		if gain := float64(sum*sum)/float64(k) + float64((all-sum)*(all-sum))/float64(n-k); gain > most {
			most, t = gain, b
		}
	}
	return uint32(t)<<binShift - 1
}

// bin is that of |h − l|.
func bin(h, l float32) uint32 { return diff(h, l) << 1 >> (binShift + 1) % bins }

// middle is the magnitude in the middle of a bin.
func middle(b int) float64 { return float64(math.Float32frombits(uint32(2*b+1) << (binShift - 1))) }

// over is all ones where the magnitude of the float with bits b is above the one with bits t, else zero.
func over(b, t uint32) uint32 { return uint32(int32(t-b&^signBit) >> 31) }
