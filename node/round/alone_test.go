package round

import (
	"testing"
	"time"
)

// TestAloneAfterJoining: a node joins at a snapshot height a swarm whose only trainer has paused (it serves still), and trains alone. Nobody makes
// commits for it to check, so it waits for grace and a view timeout in each of its rounds, for good; one that joined while the other trained does not.
func TestAloneAfterJoining(t *testing.T) {
	rounds := map[uint64]int{}
	for _, above := range []uint64{0, 1, 5} { // rounds that the newcomer has to check
		s := newSwarm(2, 1)
		s.closed, s.snapshot, s.change = true, 20, usualTimes
		a, v := s.nodes[0], s.nodes[1]
		a.stepTime, v.stepTime = 100*time.Millisecond, 100*time.Millisecond
		a.start()
		for a.m.head.Height < 60+above {
			s.pass(50*time.Millisecond, nil)
		}
		a.paused = true
		a.step(Training{On: false})
		s.pass(2*restsAfter, nil)
		v.start()
		s.pass(40*time.Second, nil)
		if a.m.head.ID != v.m.head.ID && v.m.blocks[a.m.head.ID] == nil && a.m.blocks[v.m.head.ID] == nil {
			t.Fatalf("they are apart: %d and %d", a.m.head.Height, v.m.head.Height)
		}
		s.pass(2*time.Minute, nil) // it is a voter by now, and alone one
		from := v.m.head.Height
		s.pass(10*time.Minute, nil)
		rounds[above] = int(v.m.head.Height - from)
		t.Logf("joined %d rounds above a snapshot, unproven %d: %d rounds in ten minutes", above, v.m.unproven, rounds[above])
	}
	if 2*rounds[0] < rounds[5] || 2*rounds[1] < rounds[5] {
		t.Errorf("rounds in ten minutes by the rounds that there were to check: %v", rounds)
	}
}
