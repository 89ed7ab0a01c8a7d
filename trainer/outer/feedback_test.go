package outer

import (
	"math"
	"testing"
)

// Three nodes that learn different things for 300 rounds, publish every round and are left out of some: own payloads on
// the branch plus residual are all that each learned, and no residual grows beyond some rounds' learning.
func TestNothingLearnedIsLost(t *testing.T) {
	const n, nodes, rounds = 500, 3, 300
	s := noise(9)
	b := newBitloco(t, 64, 300, 200)
	theta := s.vector(n, 4)
	type node struct {
		local           []float32
		learned, sent   []float64
		drift           []float32 // what it is after, each round
		payload         []byte
		largest, stride float64
	}
	swarm := make([]*node, nodes)
	for i := range swarm {
		swarm[i] = &node{local: append([]float32(nil), theta...), learned: make([]float64, n), sent: make([]float64, n), drift: s.vector(n, 12)}
	}
	for round := range rounds {
		var updates []Update
		for i, v := range swarm {
			var step float64
			for j := range v.local {
				was := v.local[j]
				v.local[j] += v.drift[j] + s.next(11)
				moved := float64(was) - float64(v.local[j])
				v.learned[j] += moved
				step += moved * moved
			}
			v.stride = max(v.stride, math.Sqrt(step))
			payload, err := b.Encode(v.payload, theta, v.local)
			if err != nil {
				t.Fatal(err)
			}
			if v.payload = payload; round%4 != i { // every fourth round leaves one out
				updates = append(updates, Update{payload, uint64(100 * (i + 1))})
			}
		}
		next := make([]float32, n)
		if err := b.Apply(next, theta, updates); err != nil {
			t.Fatal(err)
		}
		for i, v := range swarm {
			delta := make([]float32, n)
			for j := range delta {
				delta[j] = next[j] - theta[j]
			}
			if round%4 != i {
				if err := b.AddDecoded(delta, v.payload, 1); err != nil {
					t.Fatal(err)
				}
				z := make([]float32, n)
				if err := b.AddDecoded(z, v.payload, 1); err != nil {
					t.Fatal(err)
				}
				for j := range z {
					v.sent[j] += float64(z[j])
				}
			}
			var residual float64
			for j := range delta {
				v.local[j] += delta[j]
				d := float64(next[j] - v.local[j])
				residual += d * d
				if off := math.Abs(v.sent[j] + d - v.learned[j]); off > 1e-5 {
					t.Fatalf("round %d, node %d, parameter %d: sent %g and residual %g, learned %g", round, i, j, v.sent[j], d, v.learned[j])
				}
			}
			v.largest = max(v.largest, math.Sqrt(residual))
		}
		theta = next
	}
	for i, v := range swarm {
		if v.largest > 10*v.stride {
			t.Errorf("node %d: residual reached %g, a round learns %g", i, v.largest, v.stride)
		}
		t.Logf("node %d: largest residual is %.1f rounds of learning", i, v.largest/v.stride)
	}
}
