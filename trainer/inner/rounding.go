package inner

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
)

// Stochastic rounding to bfloat16: up with the probability by which the value lies above the lower neighbour, so that small steps are not
// lost but in the mean (Gupta et al. 2015, arXiv 1502.02551). Noise is a hash of peer, step, tensor and index, in the manner of a
// counter-based generator (Salmon et al. 2011): the same on each backend, and none is kept.

// key draws a tensor's noise in one use of one step.
type key [2]uint32

// Uses of noise.
const (
	forUpdate = iota // new parameters and moments
	forSum           // sums of gradients, or of parameters and a delta
	forLoad          // what comes from the host; vector k adds k
)

// key of a tensor, from the peer's seed. count is of steps, with additions since the last one below.
func (r *replica) key(use int, count int64, tensor int) key {
	h := r.params.Seed
	for _, x := range []uint64{uint64(use), uint64(count), uint64(tensor)} { // SplitMix64's finaliser
		h += x + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return key{uint32(h), uint32(h >> 32)}
}

// Multipliers of two hashes of 32 bits that mix well.
const (
	mixA, mixB = 0x21f0aaad, 0xd35a2d97
	mixC       = 0x2c1b3c6d
)

// noise is two draws of 16 bits for element i, and a third.
func (k key) noise(i uint32) (first, second, third uint32) {
	h := i + k[0]
	h = (h ^ h>>16) * mixA
	h = (h ^ h>>15 ^ k[1]) * mixB
	h ^= h >> 15
	return h & 0xffff, h >> 16, (h * mixC) >> 16
}

// round writes float32 as bfloat16, by the first draws of a key.
func (k key) round(dst []bfloat16.BFloat16, src []float32) {
	for i, x := range src {
		first, _, _ := k.noise(uint32(i))
		dst[i] = bfloat16.BFloat16((math.Float32bits(x) + first) >> 16)
	}
}

// draws builds the noise of key k, uint32 [2], for values of x's shape.
func draws(x, k *graph.Node) [3]*graph.Node {
	g := x.Graph()
	shape := x.Shape().Clone()
	shape.DType = dtypes.Uint32
	word := func(at int) *graph.Node { return graph.Reshape(graph.Slice(k, graph.AxisRange(at, at+1))) }
	times := func(x *graph.Node, by uint32) *graph.Node { return graph.Mul(x, graph.Const(g, by)) }
	down := func(x *graph.Node, bits uint32) *graph.Node { return graph.BitwiseShiftRightLogicalScalar(x, bits) }
	h := graph.Add(graph.IotaFull(g, shape), word(0))
	h = times(graph.BitwiseXor(h, down(h, 16)), mixA)
	h = times(graph.BitwiseXor(graph.BitwiseXor(h, down(h, 15)), graph.BroadcastToShape(word(1), shape)), mixB)
	h = graph.BitwiseXor(h, down(h, 15))
	return [3]*graph.Node{
		graph.BitwiseAnd(h, graph.BroadcastToShape(graph.Const(g, uint32(0xffff)), shape)),
		down(h, 16),
		down(times(h, mixC), 16),
	}
}

// keyOf is tensor i's of a group's keys, uint32 [tensors, 2].
func keyOf(keys *graph.Node, i int) *graph.Node {
	return graph.Reshape(graph.Slice(keys, graph.AxisRange(i, i+1), graph.AxisRange()), 2)
}

// rounded builds x, float32, as bfloat16.
func rounded(x, draw *graph.Node) *graph.Node {
	bits := graph.Add(graph.Bitcast(x, dtypes.Uint32), draw)
	bits = graph.BitwiseAnd(bits, graph.BroadcastToShape(graph.Const(x.Graph(), uint32(0xffff0000)), bits.Shape()))
	return graph.ConvertDType(graph.Bitcast(bits, dtypes.Float32), dtypes.BFloat16)
}
