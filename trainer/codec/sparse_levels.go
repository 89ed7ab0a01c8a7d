package codec

import (
	"math"
	"slices"
)

// leveller finds the two levels that serve some magnitudes best. It serves one goroutine at a time.
type leveller struct{ keys []uint32 }

// levels returns the upper halves of the two levels for the floats at those places of bits: a magnitude above over is
// for the high one. ok is false where some magnitude is not finite or above MaxScale.
//
// All n−1 ways to part the sorted magnitudes are tried. The square error of one, where levels are the means of their
// sides, is Σ|d|² less (Σ|d|)²/n of either side.
func (l *leveller) levels(bits []uint32, at []uint16) (low, high, over uint32, ok bool) {
	l.keys = l.keys[:0]
	var all float64
	for _, i := range at {
		l.keys = append(l.keys, bits[i]&^(1<<31))
	}
	slices.Sort(l.keys)
	n := len(l.keys)
	if l.keys[n-1] > math.Float32bits(MaxScale) {
		return 0, 0, 0, false
	}
	for _, key := range l.keys {
		all += float64(math.Float32frombits(key))
	}
	most, part, best := 0., n, 0. // no part is high
	var sum float64
	for i := n - 1; i > 0; i-- {
		sum += float64(math.Float32frombits(l.keys[i]))
		if l.keys[i] == l.keys[i-1] {
			continue
		}
		rest := all - sum
		if gain := float64(sum*sum)/float64(n-i) + float64(rest*rest)/float64(i); gain > most {
			most, part, best = gain, i, sum
		}
	}
	if part == n {
		low = upper(all / float64(n))
		return low, low, math.MaxUint32, true
	}
	low, high = upper((all-best)/float64(part)), upper(best/float64(n-part))
	if low == high {
		return low, low, math.MaxUint32, true
	}
	return low, high, l.keys[part-1], true
}

// upper is the upper half of the float32 nearest to v ≥ 0, rounded, ties to even.
func upper(v float64) uint32 {
	b := math.Float32bits(float32(v))
	return (b + 1<<15 - 1 + b>>16&1) >> 16
}
