package round

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestBeginning has swarms of several sizes begin at genesis, open and closed, their nodes
// one after the other: all come to one head, and each has its work in.
func TestBeginning(t *testing.T) {
	for _, closed := range []bool{false, true} {
		for _, n := range []int{1, 2, 3, 8} {
			t.Run(fmt.Sprintf("closed %v, %d nodes", closed, n), func(t *testing.T) {
				for seed := range uint64(5) {
					s := newSwarm(n, seed)
					s.closed = closed
					for _, x := range s.nodes {
						x.start()
						s.run(time.Duration(s.rng.IntN(1500)) * time.Millisecond)
					}
					s.run(40 * time.Second)
					for _, x := range s.nodes {
						// Of newcomers to an open swarm with seniors a round lists one for each four.
						if height := x.m.head.Height; height < 12 || x.included < 3 {
							t.Errorf("seed %d: %s stands at height %d, with %d updates in", seed, x.name, height, x.included)
						}
						x.paused = true
						x.step(Training{On: false})
					}
					s.run(10 * time.Second)
					if h := s.heads(); len(h) != 1 {
						t.Errorf("seed %d: %d heads", seed, len(h))
					}
					for _, f := range s.faults {
						t.Errorf("seed %d: %s", seed, f)
					}
				}
			})
		}
	}
}

// TestHostileHalf has half of the first eight members of a closed swarm, and any keys that
// they draw, do their worst from genesis on: the other four go on, agree, and have their
// work in.
func TestHostileHalf(t *testing.T) {
	for seed := range uint64(8) {
		s := newSwarm(4, seed)
		s.closed = true
		b := newMob(s, 14, 4, seed)
		for _, x := range s.nodes {
			x.start()
		}
		for range 80 {
			s.run(time.Second / 2)
			b.act()
		}
		s.run(20 * time.Second) // it has done its worst
		for _, x := range s.nodes {
			if x.m.head.Height < 8 || x.included < 4 || x.deepest > 1 {
				t.Errorf("seed %d: %s stands at height %d, with %d updates in; %d commits were undone at once", seed, x.name, x.m.head.Height, x.included, x.deepest)
			}
			x.paused = true
			x.step(Training{On: false})
		}
		s.run(15 * time.Second)
		if h := s.heads(); len(h) != 1 {
			t.Errorf("seed %d: %d heads", seed, len(h))
		}
		for _, f := range s.faults {
			t.Errorf("seed %d: %s", seed, f)
		}
	}
}

// TestJoiningTogether has several join at once a swarm whose base is genesis still: they come to where the others are.
func TestJoiningTogether(t *testing.T) {
	for _, closed := range []bool{false, true} {
		for _, old := range []int{2, 3, 5} {
			for _, fresh := range []int{1, 4, 6} {
				s := newSwarm(old+fresh, 5)
				s.closed, s.snapshot = closed, 200
				for _, x := range s.nodes[:old] {
					x.start()
				}
				s.run(30 * time.Second)
				was := s.nodes[0].m.head
				for _, x := range s.nodes[old:] {
					x.start()
				}
				for range 100 {
					if s.run(100 * time.Millisecond); !s.nodes[0].m.head.under(was.parent) {
						t.Fatalf("closed %v, %d and %d: who was there went back from height %d to another branch", closed, old, fresh, was.Height)
					}
				}
				if hs := s.heights(); slices.Max(hs)-slices.Min(hs) > 2 || slices.Min(hs) <= was.Height {
					t.Errorf("closed %v, %d and %d: heights %v, from %d", closed, old, fresh, hs, was.Height)
				}
			}
		}
	}
}
