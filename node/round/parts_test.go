package round

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// enrolled starts honest nodes at usual times, and has hostile keys become voters.
func enrolled(honest, hostile int, seed uint64, closed bool) (*swarm, *mob) {
	s := newSwarm(honest, seed)
	s.closed, s.snapshot, s.change = closed, 20, usualTimes
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
		x.start()
	}
	s.run(40 * time.Second)
	b := newMob(s, hostile, hostile, seed)
	b.enrol(b.keys)
	s.done = 0
	return s, b
}

// pass lets time pass, and calls each every half a second.
func (s *swarm) pass(d time.Duration, each func()) {
	for end := s.now + d; s.now < end; s.run(50 * time.Millisecond) {
		s.done = 0
		if each != nil && s.now%(500*time.Millisecond) == 0 {
			each()
		}
	}
}

// whole is how long it takes until all nodes are on one branch; most if they are not by then.
func (s *swarm) whole(most time.Duration, each func()) time.Duration {
	began := s.now
	for s.now < began+most && !s.together() {
		s.pass(500*time.Millisecond, each)
	}
	return s.now - began
}

// takePart has the mob be an honest voter.
func (b *mob) takePart() {
	h := b.s.nodes[0].m.head
	b.say(b.keys, h.Commit, h.Height)
	b.publishOnce(b.keys, h.Commit)
}

// TestHeldState has a node be away for longer than two snapshot heights. A voter answers its question with the true branch from an old snapshot
// height on, of which it alone still has the state, and lets that trickle: the state that the others keep is fetched in its place.
func TestHeldState(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, takes := range []time.Duration{0, 10 * time.Second} {
			s, b := enrolled(6, 1, 1, closed)
			s.states = takes
			k, first := b.keys[0], s.nodes[0]
			out := func(i int) bool { return i == 5 }
			s.pass(90*time.Second, b.takePart)
			s.cut = func(x, y int) bool { return out(x) != out(y) }
			s.pass(3*time.Minute, nil)
			fork := s.fork(first, s.nodes[5])
			s.cut = func(int, int) bool { return false }
			shown := map[proto.ID]bool{}
			b.instead = func(n *simNode, effect Effect) bool {
				switch e := effect.(type) {
				case CatchUp:
					if e.Sources[0] != k || b.commits[e.Target].ID != e.Target || !out(n.i) {
						return false
					}
					var f Foreign
					at := -1
					for c := b.commits[e.Target]; c.Height > fork.Height; c = s.commits[c.Parent] {
						f.Branch = append(f.Branch, c)
						if c.Height%s.snapshot == 0 && !shown[c.ID] && first.m.blocks[c.ID] == nil {
							at = len(f.Branch)
						}
					}
					if at < 0 {
						return false
					}
					f.Branch = f.Branch[:at]
					slices.Reverse(f.Branch)
					shown[f.Branch[0].ID] = true
					for _, c := range f.Branch {
						for _, id := range c.Updates {
							f.Updates = append(f.Updates, s.updates[id])
						}
					}
					n.later(100*time.Millisecond, func() {
						n.step(f)
						n.step(CaughtUp{Target: e.Target})
					})
					return true
				case Enter:
					if shown[e.Commit.ID] {
						n.later(10*time.Minute, func() { n.step(NotLanded{Commit: e.Commit.ID}) })
						return true
					}
				}
				return false
			}
			var top Commit
			took := s.whole(2*time.Minute, func() {
				if h := first.m.head.Commit; top.Parent != h.ID {
					top = b.close(h, b.keys, false)
				}
				s.nodes[5].step(Heartbeat{From: k, Head: top.ID, Height: top.Height, Interval: time.Second})
			})
			if took > takes+30*time.Second {
				t.Errorf("closed %v, where a state takes %v: together after %v", closed, takes, took)
			}
		}
	}
}

// fork is the newest commit that the branches of two nodes share.
func (s *swarm) fork(x, y *simNode) Commit {
	c := x.m.head.Commit
	for !s.above(y.m.head.Commit, c) {
		c = s.commits[c.Parent]
	}
	return c
}

// TestSidesChangePlaces parts a swarm for longer than two snapshot heights. Once it is whole, a voter says in turn that it stands on the one side, on the other,
// and nowhere: the sides become one, and do not go over to each other again and again.
func TestSidesChangePlaces(t *testing.T) {
	for _, closed := range []bool{true, false} {
		const left = 3
		s, b := enrolled(6, 1, 1, closed)
		s.states = 5 * time.Second
		s.cut = func(x, y int) bool { return (x < left) != (y < left) }
		s.pass(3*time.Minute, nil)
		s.cut = func(int, int) bool { return false }
		n, apart := 0, time.Duration(0)
		mended := s.now
		s.pass(2*time.Minute, func() {
			var sides []Commit
			for _, x := range s.nodes {
				h := x.m.head.Commit
				if !slices.ContainsFunc(sides, func(c Commit) bool { return s.above(h, c) || s.above(c, h) }) {
					sides = append(sides, h)
				}
			}
			n++
			h := Commit{ID: payloadOf("nowhere", uint64(n/4), 1), Height: sides[0].Height}
			if len(sides) > 1 && n%4 < len(sides) {
				h = sides[n%4]
			}
			b.tell(Heartbeat{From: b.keys[0], Head: h.ID, Height: h.Height, Interval: 5 * time.Second})
			if !s.together() {
				apart = s.now - mended
			}
		})
		if apart > 40*time.Second {
			t.Errorf("closed %v: apart until %v", closed, apart)
		}
	}
}

// TestPlacesForBranches parts a swarm for half a minute. Voters, and fresh keys where all may come, say that they stand on commits that are nowhere, answer as late as
// they may with one that is none, and name the next: the sides ask each other all the same.
func TestPlacesForBranches(t *testing.T) {
	for _, c := range []struct {
		closed                      bool
		left, right, hostile, fresh int
	}{{true, 5, 4, 4, 0}, {false, 3, 2, 2, 2}, {false, 5, 4, 4, 4}} {
		s, b := enrolled(c.left+c.right, c.hostile, 1, c.closed)
		for i := range c.fresh {
			b.keys = append(b.keys, proto.PeerID(fmt.Sprintf("fresh-%02d", i)))
		}
		n, named, junk := 0, map[string]Commit{}, map[proto.ID]bool{}
		invent := func(x *simNode) Commit {
			n++
			p := x.m.head
			if p.parent != nil {
				p = p.parent
			}
			c := Commit{Parent: p.ID, Height: p.Height + 1, Closer: proto.PeerID(fmt.Sprintf("nobody-%d", n)), Root: payloadOf("junk", uint64(n), 0)}
			c.ID = idOf(c)
			s.commits[c.ID], junk[c.ID] = c, true
			return c
		}
		stand := func(x *simNode, k proto.PeerID) {
			h := named[x.name+string(k)]
			x.step(Heartbeat{From: k, Head: h.ID, Height: h.Height, Interval: 5 * time.Second})
		}
		b.instead = func(x *simNode, effect Effect) bool {
			e, ok := effect.(CatchUp)
			if !ok || !junk[e.Target] {
				return false
			}
			x.later(9900*time.Millisecond, func() {
				named[x.name+string(e.Sources[0])] = invent(x)
				stand(x, e.Sources[0])
				x.step(Pulled{Commits: []Commit{s.commits[e.Target]}})
				x.step(CaughtUp{Target: e.Target})
			})
			return true
		}
		hold := func() {
			for _, x := range s.nodes {
				for _, k := range b.keys {
					if named[x.name+string(k)].Height == 0 {
						named[x.name+string(k)] = invent(x)
					}
					stand(x, k)
				}
			}
		}
		s.pass(12*time.Second, hold)
		s.cut, s.bridged = func(x, y int) bool { return (x < c.left) != (y < c.left) }, true
		s.pass(25*time.Second, hold)
		s.cut, s.bridged = func(int, int) bool { return false }, false
		if took := s.whole(time.Minute, hold); took > 15*time.Second {
			t.Errorf("%+v: together after %v", c, took)
		}
	}
}

// TestLedFurther has a node be away for fewer than two snapshot heights. A voter, whom it hears first, answers with the true branch and three commits of
// its own, up to a snapshot height of which it has the state: most stand on the branch, and nobody there.
func TestLedFurther(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s, b := enrolled(6, 1, 1, closed)
		k, first, v := b.keys[0], s.nodes[0], s.nodes[5]
		until := func(height uint64) {
			for first.m.head.Height%s.snapshot != height || first.m.head.Height < 60 {
				s.pass(50*time.Millisecond, nil)
				b.takePart()
			}
		}
		until(1)
		s.cut = func(x, y int) bool { return x == v.i != (y == v.i) }
		v.crash()
		until(17)
		top := first.m.head.Commit
		for top.Height%s.snapshot != 0 {
			u := b.sign(k, top)
			c := Derive(s.config("mob"), top, []Update{u}, nil, top.Notices)
			c.Root, c.Closer = payloadOf("invented", c.Height, 1), k
			c.ID = idOf(c)
			s.commits[c.ID], b.commits[c.ID] = c, c
			top = c
		}
		entered := false
		b.instead = func(n *simNode, effect Effect) bool {
			switch e := effect.(type) {
			case CatchUp:
				if n != v || e.Sources[0] != k || e.Target != top.ID {
					return false
				}
				var f Pulled
				for c := top; c.Height > 0 && !slices.Contains(e.Have, c.ID); c = s.commits[c.Parent] {
					f.Commits = append([]Commit{c}, f.Commits...)
					for _, id := range c.Updates {
						f.Updates = append(f.Updates, s.updates[id])
					}
				}
				n.later(50*time.Millisecond, func() {
					n.step(f)
					n.step(CaughtUp{Target: e.Target})
				})
				return true
			case Enter:
				if e.Commit.ID == top.ID {
					entered = true
					n.later(300*time.Millisecond, func() { n.land(e.Commit) })
					return true
				}
			}
			return false
		}
		v.start()
		began := s.now
		s.pass(30*time.Second, func() {
			if s.now >= began+time.Second {
				s.cut = func(int, int) bool { return false }
			}
			v.step(Heartbeat{From: k, Head: top.ID, Height: top.Height, Interval: time.Second})
		})
		if entered || !s.together() {
			t.Errorf("closed %v: the invented state is asked for: %v; together: %v", closed, entered, s.together())
		}
	}
}
