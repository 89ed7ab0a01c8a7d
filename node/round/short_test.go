package round

import (
	"testing"
	"time"
)

// TestShortRounds has four nodes commit every step, where a heartbeat is often a
// round old: nobody is left out for that, so no node ever leaves a branch.
func TestShortRounds(t *testing.T) {
	for seed := range uint64(20) {
		s := newSwarm(4, seed)
		s.short = true
		g := Genesis(testGenesis().ID, testGenesis().Root, 1, stepTokens)
		s.commits[g.ID] = g
		for _, n := range s.nodes {
			n.base, n.head, n.stepTime = g, g.ID, time.Duration(60+15*n.i)*time.Millisecond
			n.start()
		}
		s.run(60 * time.Second)
		for _, n := range s.nodes {
			if height := int(n.m.head.Height); n.turns > 0 || height < 80 || n.included < height-1 {
				t.Errorf("seed %d: %s took %d turns to height %d, %d updates of its own in it", seed, n.name, n.turns, height, n.included)
			}
		}
		for _, f := range s.faults {
			t.Errorf("seed %d: %s", seed, f)
		}
	}
}
