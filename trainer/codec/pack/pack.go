// Package pack writes sets of small numbers in few bits.
//
// A set of k distinct indices below n ≤ 32768 is written as its gaps: how many indices are left out before each member.
// A gap g takes the Rice code (Golomb 1966, with a power of two) of parameter b = ⌊log2 ⌊(n−k)/(k+1)⌋⌋, or 0: g>>b
// zeros, a one, then the lowest b bits of g. The one is left out where no longer run is possible, because the gaps
// before leave just that much room; so a set that holds everything takes no bits, and a set of one takes no more than
// its number would. k and n are not written: both sides know them.
//
// On uniformly random sets this takes 1–3 % more than log2 C(n,k) bits for k = 1 … n/8 at n = 4096. A set has one
// encoding, and the encodings of different sets of k out of n are different.
//
// Bits fill bytes from the lowest up. The package knows nothing of what is indexed.
package pack

import "math/bits"

// MaxRange is the largest n.
const MaxRange = 1 << 15

// rice is the parameter b for k out of n: 2^b is between half and all of the mean gap, where a Rice code is at its best.
func rice(n, k int) int {
	return max(0, bits.Len(uint((n-k)/(k+1)))-1)
}

// MaxBits is how many bits the longest encoding of k indices below n takes.
func MaxBits(n, k int) int {
	b := rice(n, k)
	return k*(b+1) + (n-k)>>b
}
