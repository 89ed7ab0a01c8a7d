package round

import (
	"slices"
	"testing"
	"time"
)

// since is the true branch from a snapshot height up to a commit, as an answer.
func (s *swarm) since(height uint64, tip Commit) (f Foreign) {
	for c := tip; c.Height >= height; c = s.commits[c.Parent] {
		f.Branch = append(f.Branch, c)
		for _, id := range c.Updates {
			f.Updates = append(f.Updates, s.updates[id])
		}
	}
	slices.Reverse(f.Branch)
	return f
}

// TestStateThatCameByTheTree has a node ask for a state below which it shares commits after all: once it is there by those, no state is on its way any more
// (one of three places was taken for good).
func TestStateThatCameByTheTree(t *testing.T) {
	s, b := enrolled(6, 1, 1, true)
	s.states = 3 * time.Second
	first, v := s.nodes[0], s.nodes[5]
	until := func(height uint64) {
		for first.m.head.Height < height {
			s.pass(50*time.Millisecond, nil)
			if s.now%(500*time.Millisecond) == 0 {
				b.takePart()
			}
		}
	}
	until(52)
	s.cut = func(x, y int) bool { return (x == v.i) != (y == v.i) }
	until(64)
	s.cut = func(int, int) bool { return false }
	tip := first.m.head.Commit
	for _, x := range s.nodes[:5] { // their heartbeats reach it first
		v.step(Heartbeat{From: x.id, Head: tip.ID, Height: tip.Height, Interval: time.Second})
	}
	v.step(s.since(60, tip))
	asked := len(v.m.entering)
	took := s.whole(time.Minute, b.takePart)
	s.pass(10*time.Second, b.takePart)
	if left := len(v.m.entering); asked != 1 || left > 0 || took > 10*time.Second {
		t.Errorf("%d states asked for, %d of them for ever; together after %v", asked, left, took)
	}
}

// TestOldVotes has three of seven members come back at once from longer than two snapshot heights. Another shows those who were awake the true branch as it was long before the
// three left, on which their newest updates are that those know: nobody goes back there.
func TestOldVotes(t *testing.T) {
	s, b := enrolled(6, 1, 1, true)
	s.change = func(c *Config) { usualTimes(c); c.Max = time.Minute }
	s.states = 3 * time.Second
	for _, x := range s.nodes { // who is away longer than that is nowhere
		x.m.cfg.Max = time.Minute
	}
	k := b.keys[0]
	s.pass(2*time.Minute, b.takePart)
	left := s.nodes[0].m.head.Height
	tip := s.commits[s.nodes[0].m.head.Parent]
	f := s.since(left/s.snapshot*s.snapshot-s.snapshot, tip)
	b.commits[f.Branch[0].ID] = f.Branch[0] // it keeps that state
	for _, x := range s.nodes[3:] {
		x.crash()
	}
	s.pass(2*time.Minute, b.takePart)
	for _, x := range s.nodes[3:] {
		x.start()
	}
	s.pass(700*time.Millisecond, nil)
	f.Updates = append(f.Updates, b.sign(k, tip))
	shown, lowest := false, left
	s.pass(30*time.Second, func() {
		for _, x := range s.nodes {
			x.step(Heartbeat{From: k, Head: tip.ID, Height: tip.Height, Interval: 5 * time.Second})
			if !shown {
				x.step(f)
			}
		}
		shown = true
		for _, x := range s.nodes[:3] {
			lowest = min(lowest, x.m.head.Height)
		}
	})
	if lowest < left/s.snapshot*s.snapshot {
		t.Errorf("three left at height %d, and who was awake goes back to %d", left, lowest)
	}
}

// TestHalfComesBackAtRest has half of a swarm go to rest, be away for longer than two snapshot heights and start at rest: it comes to where the others are
// (never, until the others had learned twice as much as when it left: neither half outvotes the other).
func TestHalfComesBackAtRest(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, n := range []int{2, 4} {
			s := usualSwarm(n, 1, closed)
			s.pass(150*time.Second, nil)
			left := s.nodes[0].m.head.Height
			for _, x := range s.nodes[n/2:] {
				x.paused = true
				x.step(Training{On: false})
				x.crash()
			}
			for s.nodes[0].m.head.Height < left+45 {
				s.pass(time.Second, nil)
			}
			for _, x := range s.nodes[n/2:] {
				x.start()
			}
			s.pass(10*time.Second, nil)
			if hs := s.heights(); !s.together() || slices.Max(hs) > slices.Min(hs)+3 {
				t.Errorf("closed %v, %d nodes: after 10 s they stand at %v", closed, n, hs)
			}
		}
	}
}

// TestKnownAfterARestart cuts an open swarm whose members are all past probation in two, before its first snapshot height or for more than KnownPast of them, and starts the smaller side
// again, whose disk holds no commit that lists the others any more: the sides become one (never: each took the other for strangers).
func TestKnownAfterARestart(t *testing.T) {
	for _, c := range []struct{ at, snapshot, rounds uint64 }{{16, 20, 65}, {16, 3, 68 * 3}} {
		s := newSwarm(6, 1)
		s.snapshot = c.snapshot
		s.change = func(c *Config) { c.Grace, c.ViewTimeout, c.Max = 10*time.Second, 5*time.Second, time.Minute }
		for _, x := range s.nodes {
			x.stepTime = 100 * time.Millisecond
			x.start()
		}
		for s.nodes[0].m.head.Height < c.at {
			s.pass(200*time.Millisecond, nil)
		}
		s.cut = func(x, y int) bool { return (x < 4) != (y < 4) }
		for min(s.nodes[0].m.head.Height, s.nodes[4].m.head.Height) < c.at+c.rounds {
			s.pass(time.Second, nil)
		}
		for _, x := range s.nodes[4:] {
			x.crash()
			x.start()
		}
		s.pass(10*time.Second, nil)
		s.cut = func(int, int) bool { return false }
		if took := s.whole(2*time.Minute, nil); took > 20*time.Second {
			t.Errorf("%+v: together after %v", c, took)
		}
	}
}
