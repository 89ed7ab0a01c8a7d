package data

import (
	"encoding/binary"
	"math/bits"

	"lukechampine.com/blake3"
)

// feistelRounds is twice the four that make a Feistel network of random functions a strong pseudo-random permutation.
const feistelRounds = 8

// Permute returns the sample, below n, that stands at a position. Positions e·n … e·n+n−1 are epoch e, and within an
// epoch every sample stands at one position. n must be at least 1.
//
// It is a Feistel network on the smallest even number of bits that holds n−1, walked until the value is below n (fewer
// than four walks in the mean). Its eight round keys are the first 64 bytes of BLAKE3(key ‖ epoch), little-endian.
func Permute(key [32]byte, n, position uint64) uint64 {
	var seed [40]byte
	copy(seed[:], key[:])
	binary.LittleEndian.PutUint64(seed[32:], position/n)
	h := blake3.New(8*feistelRounds, nil)
	_, _ = h.Write(seed[:]) // a hash never refuses
	keys := h.Sum(nil)

	half := max(1, (bits.Len64(n-1)+1)/2)
	mask := uint64(1)<<half - 1
	x := position % n
	for {
		l, r := x>>half, x&mask
		for i := range feistelRounds {
			l, r = r, l^mix(r^binary.LittleEndian.Uint64(keys[8*i:]))&mask
		}
		if x = l<<half | r; x < n {
			return x
		}
	}
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes half the output bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
