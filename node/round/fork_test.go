package round

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestPartedCrash cuts seven voters 3 to 4, and two of the four crash before they publish on what these closed: when the cut is mended, all go
// where most of those are who are left.
func TestPartedCrash(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, gone := range []int{2, -2} { // -2: two pause instead, and stay connected
			s := usualSwarm(7, 21, closed)
			s.run(40 * time.Second)
			for len(s.heads()) > 1 || len(s.of(s.nodes[0].m.head.Commit)) > 0 {
				s.run(10 * time.Millisecond)
			}
			p := s.nodes[0].m.head
			s.cut = func(a, b int) bool { return (a < 3) != (b < 3) }
			up := func(i int) bool { return s.nodes[i].m.head.Height > p.Height }
			for !up(3) || !up(4) || !up(5) || !up(6) {
				s.run(10 * time.Millisecond)
			}
			for i := range gone {
				s.nodes[6-i].crash()
			}
			if gone < 0 {
				for _, x := range s.nodes[5:] {
					x.paused = true
					x.step(Training{On: false})
				}
			}
			for !up(0) || !up(1) || !up(2) {
				s.run(10 * time.Millisecond)
			}
			s.run(2 * time.Second)
			s.cut = func(int, int) bool { return false }
			mended, apart := s.now, time.Duration(0)
			for s.now < mended+time.Minute {
				s.run(100 * time.Millisecond)
				a, d := s.nodes[0].m.head.Commit, s.nodes[3].m.head.Commit
				for a.Height > p.Height+1 {
					a = s.commits[a.Parent]
				}
				for d.Height > p.Height+1 {
					d = s.commits[d.Parent]
				}
				if a.ID != d.ID && a.Height > p.Height {
					apart = s.now - mended
				}
			}
			if apart > 15*time.Second {
				t.Errorf("closed %v, %d gone: %v", closed, gone, apart)
			}
		}
	}
}

// TestGenesisNight lets a swarm sleep but for one or two, while genesis is its base: a branch from there that lists one member alone takes
// back no more than what came since the others left.
func TestGenesisNight(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, awake := range []int{1, 2} {
			s := usualSwarm(5, 21, closed)
			s.run(50 * time.Second)
			left := s.nodes[0].m.head.Height
			for _, x := range s.nodes[awake:] {
				x.paused = true
				x.step(Training{On: false})
			}
			s.run(15 * time.Second)
			before := s.heights()
			heads := map[int]*block{}
			for _, x := range s.nodes {
				heads[x.i] = x.m.head
			}
			b := newMob(s, 1, 1, 1)
			c := testGenesis()
			b.commits[c.ID] = c
			var e Pulled
			for range 60 {
				c = b.close(c, b.keys, false)
				c.Closer = "invented"
				b.commits[c.ID], s.commits[c.ID] = c, c
				e.Commits = append(e.Commits, c)
				for _, id := range c.Updates {
					e.Updates = append(e.Updates, s.updates[id])
				}
			}
			// As the answer to what its heartbeat has them ask.
			u := b.sign(b.keys[0], c)
			undone := uint64(0)
			for range 200 {
				if s.now%time.Second == 0 {
					b.tell(Heartbeat{From: b.keys[0], Head: c.ID, Height: c.Height, Interval: 5 * time.Second})
					b.tell(e)
					b.tell(Seen{Update: u})
				}
				s.run(50 * time.Millisecond)
				for _, x := range s.nodes {
					if f := common(heads[x.i], x.m.head); f != nil {
						undone = max(undone, heads[x.i].Height-f.Height)
					} else if h := s.commits[x.m.head.ID]; !s.above(h, heads[x.i].Commit) { // its base is another branch's
						undone = heads[x.i].Height
					}
				}
			}
			if undone > before[0]-left+1 {
				t.Errorf("closed %v, %d awake: %d commits undone, %d since the others left", closed, awake, undone, before[0]-left)
			}
		}
	}
}

// above tells whether a commit lies on or above another, by all ever made.
func (s *swarm) above(c, on Commit) bool {
	for c.Height > on.Height {
		c = s.commits[c.Parent]
	}
	return c.ID == on.ID
}

// TestTwoBirths begins a swarm of members twice, out of each other's reach: once they are connected there is one, whether genesis is still the base
// or not, and where an answer about a branch takes longer than a round. In an open swarm nothing tells which of the two groups is invented.
func TestTwoBirths(t *testing.T) {
	for _, sizes := range [][2]int{{3, 3}, {2, 5}} {
		for _, c := range []struct{ apart, answer time.Duration }{{30 * time.Second, 0}, {3 * time.Minute, 0}, {3 * time.Minute, 4 * time.Second}} {
			s := newSwarm(sizes[0]+sizes[1], 21)
			s.closed, s.snapshot = true, 20
			s.change = func(c *Config) { c.Grace, c.ViewTimeout, c.Max = 10*time.Second, 5*time.Second, time.Minute }
			s.cut = func(a, b int) bool { return (a < sizes[0]) != (b < sizes[0]) }
			for _, x := range s.nodes {
				x.stepTime = 100 * time.Millisecond
				x.start()
			}
			s.run(c.apart)
			s.cut, s.answer = func(int, int) bool { return false }, c.answer
			mended, together := s.now, time.Duration(-1)
			for s.now < mended+30*time.Second && together < 0 {
				s.run(200 * time.Millisecond)
				on := map[proto.ID]bool{}
				for _, x := range s.nodes {
					h := x.m.head.Commit
					for h.Height > 1 {
						h = s.commits[h.Parent]
					}
					on[h.ID] = true
				}
				if len(on) == 1 {
					together = s.now - mended
				}
			}
			if together < 0 {
				t.Errorf("%v, apart for %v, answers after %v: still apart after 30 s, heights %v", sizes, c.apart, c.answer, s.heights())
			}
		}
	}
}

// TestCutAndRestart cuts a swarm in two for longer than two snapshot heights, and starts the nodes of one side, or all, again: whom they know is on
// their disks.
func TestCutAndRestart(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, left := range []int{3} {
			for _, restart := range []string{"one side", "all"} {
				s := newSwarm(7, 21)
				s.closed, s.snapshot = closed, 20
				s.change = func(c *Config) { c.Grace, c.ViewTimeout, c.Max = 10*time.Second, 5*time.Second, time.Minute }
				for _, x := range s.nodes {
					x.stepTime = 100 * time.Millisecond
					x.start()
				}
				s.run(time.Minute)
				s.cut = func(a, b int) bool { return (a < left) != (b < left) }
				s.run(3 * time.Minute)
				for _, x := range s.nodes {
					if restart == "all" || restart == "one side" && x.i < left {
						x.crash()
						s.run(time.Second)
						x.start()
					}
				}
				s.run(20 * time.Second)
				s.cut = func(int, int) bool { return false }
				mended, together := s.now, time.Duration(-1)
				for s.now < mended+time.Minute && together < 0 {
					s.run(200 * time.Millisecond)
					lowest := s.nodes[0].m.head.Commit
					for _, x := range s.nodes {
						if h := x.m.head.Commit; h.Height < lowest.Height {
							lowest = h
						}
					}
					all := true
					for _, x := range s.nodes {
						h := x.m.head.Commit
						for h.Height > lowest.Height {
							h = s.commits[h.Parent]
						}
						all = all && h.ID == lowest.ID
					}
					if all {
						together = s.now - mended
					}
				}
				if together < 0 {
					t.Errorf("closed %v, %s restarted: still apart after a minute, heights %v", closed, restart, s.heights())
				}
			}
		}
	}
}

// TestCaptiveNewcomer has a newcomer of a swarm of members be shown a branch of one member's own first, and hear the others then: it goes to where
// most members are who can prove it.
func TestCaptiveNewcomer(t *testing.T) {
	for _, c := range []struct {
		first time.Duration
		names int // of nobody, in the roster of the invented state
	}{{0, 0}, {2 * time.Second, 0}, {2 * time.Second, 8}, {2 * time.Second, 200}} {
		s := newSwarm(6, 21)
		s.closed, s.snapshot = true, 20
		s.change = usualTimes
		for _, x := range s.nodes[:5] {
			x.stepTime = 100 * time.Millisecond
			x.start()
		}
		s.run(time.Minute)
		b := newMob(s, 1, 1, 1)
		v := s.nodes[5]
		v.stepTime = 100 * time.Millisecond
		s.cut = func(a, c int) bool { return a == 5 || c == 5 }
		v.start()
		base := Commit{
			Height: 20 * 50, NextH: 20, Target: 20 * stepTokens, Tokens: 1e9, Root: payloadOf("root", 1, 1), Parent: payloadOf("parent", 1, 2),
			Roster: []Member{{Peer: b.keys[0], Seen: probation}}, Closer: b.keys[0],
		}
		for i := range c.names {
			base.Roster = append(base.Roster, Member{Peer: proto.PeerID(fmt.Sprintf("nobody-%03d", i)), Seen: probation})
		}
		slices.SortFunc(base.Roster, func(x, y Member) int { return cmp.Compare(x.Peer, y.Peer) })
		base.ID = idOf(base)
		s.commits[base.ID], b.commits[base.ID] = base, base
		tip := b.close(base, b.keys, false)
		f := Foreign{Branch: []Commit{base, tip}, Updates: append(b.authored(b.keys[0]), b.sign(b.keys[0], tip))}
		beat := func() {
			v.step(Heartbeat{From: b.keys[0], Head: tip.ID, Height: tip.Height, Interval: 5 * time.Second})
		}
		began := s.now
		joined := time.Duration(-1)
		for s.now < began+time.Minute {
			if (s.now-began)%time.Second == 0 {
				beat()
			}
			if s.now-began == 100*time.Millisecond {
				v.step(f)
			}
			if s.now-began == c.first {
				s.cut = func(int, int) bool { return false }
			}
			s.run(100 * time.Millisecond)
			if h := s.commits[v.m.head.ID]; joined < 0 && h.Height > 0 && s.nodes[0].m.blocks[h.ID] != nil {
				joined = s.now - began
			}
		}
		if joined < 0 {
			t.Errorf("alone with it for %v, %d names: never with the others", c.first, c.names)
		}
	}
}

// TestPrivateVote has a voter of five close two commits in its turn, one for each half, and vote so that the halves know different things of it: an update
// for an invalid commit that the one half alone was given, an update that only a commit shown to the one half lists, one of a height that nobody asks for, one for a commit that is nowhere, eight of those.
func TestPrivateVote(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, mode := range []string{"invalid", "listed", "low", "junk", "flood"} {
			privateVote(t, closed, mode)
		}
	}
}

func privateVote(t *testing.T, closed bool, mode string) {
	const honestN = 4
	s, b := withVoters(honestN, 1, func(s *swarm) {
		s.closed, s.snapshot = closed, 20
		s.change = usualTimes
	})
	s.lag = 60 * time.Millisecond
	k, first := b.keys[0], s.nodes[0]
	big := honestN / 2
	tries, apart, longest, since := 0, time.Duration(0), time.Duration(0), time.Duration(0)
	ready := func(h *block, others int) bool {
		us, _ := first.m.candidates(h)
		turns := first.m.closers(us)
		return len(s.heads()) == 1 && first.m.round.due && len(turns) > 0 && turns[0] == k && len(s.of(h.Commit)) == others &&
			!slices.ContainsFunc(s.nodes, func(x *simNode) bool { us, _ := x.m.candidates(x.m.head); return len(x.m.heldOf(us)) <= others })
	}
	span, most, back := time.Minute, 12*time.Second, uint64(2)
	if mode == "invalid" {
		span, most, back = 2*time.Minute, 5*time.Second, 1
	}
	var dx Commit
	far := func() bool {
		if dx.Height == 0 {
			return false
		}
		on := map[bool]bool{}
		for _, n := range s.nodes {
			h := n.m.head.Commit
			for h.Height > dx.Height {
				h = s.commits[h.Parent]
			}
			if h.Height == dx.Height {
				on[h.ID == dx.ID] = true
			}
		}
		return len(on) == 2
	}
	last := time.Duration(-time.Minute)
	undone := uint64(0)
	heads := map[int]*block{}
	for end := s.now + span; s.now < end; s.run(50 * time.Millisecond) {
		for _, n := range s.nodes {
			if old := heads[n.i]; old != nil {
				if c := common(old, n.m.head); c != nil {
					undone = max(undone, old.Height-c.Height)
				}
			}
			heads[n.i] = n.m.head
		}
		if far() {
			apart, since = apart+50*time.Millisecond, since+50*time.Millisecond
			longest = max(longest, since)
			continue
		}
		since = 0
		if s.now-last < 4*time.Second {
			continue
		}
		b.mute = false
		h := first.m.head
		b.say(b.keys, h.Commit, h.Height)
		b.publishOnce(b.keys, h.Commit)
		if !ready(h, honestN) {
			continue
		}
		last = s.now
		tries++
		b.mute = true
		honest := s.of(h.Commit)
		byAuthor(honest)
		all := slices.Clone(honest)
		for _, u := range b.authored(k) {
			if u.Parent == h.ID {
				all = append(all, u)
			}
		}
		byAuthor(all)
		x, y := b.made(h.Commit, honest, k), b.made(h.Commit, all, k)
		dx = x
		forX, forY := []Event{}, []Event{}
		switch mode {
		case "invalid":
			z := Commit{Parent: x.ID, Height: x.Height + 1, Closer: k, Root: payloadOf("z", b.seq, 0)}
			z.ID = idOf(z)
			s.commits[z.ID] = z
			forY = []Event{Seen{Update: b.sign(k, y)}, Seen{Update: b.sign(k, z)}}
			forX = append([]Event{Pulled{Commits: []Commit{z}}}, forY...)
		case "listed": // Z, well-formed on X, lists an update on X whose payload is not served
			onY := b.sign(k, y)
			onX := b.sign(k, x)
			z := b.made(x, []Update{onX}, k)
			delete(b.commits, z.ID)
			forX = []Event{Pulled{Commits: []Commit{z}, Updates: []Update{onX}}, Seen{Update: onY}}
			forY = []Event{Seen{Update: onY}}
		case "low", "junk":
			onY := b.sign(k, y)
			onX := b.sign(k, x)
			z := b.made(x, []Update{onX}, k)
			delete(b.commits, z.ID)
			onZ := b.sign(k, z)
			evs := []Event{Seen{Update: onY}}
			if mode == "low" { // a height that nobody asks for
				delete(s.updates, onZ.ID)
				onZ.Height = 1
				onZ.ID = idOfUpdate(onZ)
				s.updates[onZ.ID] = onZ
				evs = append(evs, Seen{Update: onZ})
			} else {
				onW := b.sign(k, Commit{ID: payloadOf("w", b.seq, 0), Height: z.Height, Target: z.Target, NextH: 20})
				evs = append(evs, Seen{Update: onZ}, Seen{Update: onW})
			}
			forX = append([]Event{Pulled{Commits: []Commit{z}, Updates: []Update{onX}}}, evs...)
			forY = evs
		case "flood": // all by gossip, before X's nodes know Y and Y's know X
			onX, onY := b.sign(k, x), b.sign(k, y)
			forX = []Event{Seen{Update: onX}, Seen{Update: onY}}
			for i := range 8 {
				u := b.sign(k, Commit{ID: payloadOf("w", b.seq, float64(i)), Height: y.Height, Target: y.Target, NextH: 20})
				forX = append(forX, Seen{Update: u})
			}
			forY = forX
		}
		for j, n := range s.nodes {
			c, other, evs := y, x, forY
			if j < big {
				c, other, evs = x, y, forX
			}
			s.at(20*time.Millisecond, func() { n.step(Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, Closer: k}) })
			var once func()
			once = func() {
				if n.m.blocks[c.ID] == nil {
					s.at(10*time.Millisecond, once)
					return
				}
				for _, e := range evs {
					n.step(e)
				}
				s.at(300*time.Millisecond, func() {
					n.step(Announced{Commit: other.ID, Parent: other.Parent, Height: other.Height, Closer: k})
				})
			}
			s.at(30*time.Millisecond, once)
		}
	}
	if tries == 0 || longest > most || undone > back {
		t.Errorf("closed %v, %s: %d tries, on two branches for %v of %v, the longest %v; %d commits undone", closed, mode, tries, apart, span, longest, undone)
	}
}

// TestSilentMoment has no link carry anything for six seconds, alone or among strangers who are heard all the time, and a member of seven then show all an invented state, while its heartbeat alone is still
// fresh: who has not been heard for so short a time is taken to stand where it stood.
func TestSilentMoment(t *testing.T) {
	for _, c := range []struct {
		closed    bool
		strangers int // who say heartbeats all the time
	}{{true, 0}, {false, 0}, {false, maxStrangers + 12}} {
		s, b := withVoters(6, 1, func(s *swarm) {
			s.closed, s.snapshot = c.closed, 20
			s.change = usualTimes
		})
		for end := s.now + 90*time.Second; s.now < end; s.run(100 * time.Millisecond) {
			h := s.nodes[0].m.head
			b.say(b.keys, h.Commit, h.Height)
			b.publishOnce(b.keys, h.Commit)
		}
		base, f := b.invented()
		tell := func() {
			c := f.Branch[1]
			b.tell(Heartbeat{From: b.keys[0], Head: c.ID, Height: c.Height, Interval: 5 * time.Second})
		}
		tell()
		s.cut = func(int, int) bool { return true }
		for end := s.now + 6*time.Second; s.now < end; s.run(500 * time.Millisecond) {
			h := s.nodes[0].m.head
			for i := range c.strangers {
				b.tell(Heartbeat{From: freshKey(uint64(i)), Head: h.ID, Height: h.Height, Interval: 5 * time.Second})
			}
		}
		s.cut = func(int, int) bool { return false }
		for _, x := range s.nodes {
			x.step(f)
		}
		for end := s.now + time.Minute; s.now < end; s.run(500 * time.Millisecond) {
			tell()
		}
		s.nobodyAbove(t, base)
	}
}

// TestRestartsInTurn starts six nodes again one after the other, while a seventh shows each an invented state before it has heard the others.
func TestRestartsInTurn(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s, b := withVoters(6, 1, func(s *swarm) {
			s.closed, s.snapshot = closed, 20
			s.change = usualTimes
		})
		for end := s.now + 90*time.Second; s.now < end; s.run(100 * time.Millisecond) {
			h := s.nodes[0].m.head
			b.say(b.keys, h.Commit, h.Height)
			b.publishOnce(b.keys, h.Commit)
		}
		base, f := b.invented()
		run := func(d time.Duration) {
			for end := s.now + d; s.now < end; s.run(100 * time.Millisecond) {
				for _, x := range s.nodes {
					if c := f.Branch[1]; x.up {
						x.step(Heartbeat{From: b.keys[0], Head: c.ID, Height: c.Height, Interval: 5 * time.Second})
						x.step(f)
					}
				}
			}
		}
		for _, x := range s.nodes {
			x.crash()
		}
		s.run(time.Second)
		for _, x := range s.nodes {
			x.start()
			run(4 * time.Second)
		}
		run(time.Minute)
		s.nobodyAbove(t, base)
	}
}

// invented is a branch that shares nothing with the swarm's, of a great height, with one voter of the mob's.
func (b *mob) invented() (base Commit, f Foreign) {
	k := b.keys[0]
	base = Commit{
		Height: 20 * 50, NextH: 20, Target: 20 * stepTokens, Tokens: 1e15, Root: payloadOf("root", 1, 1), Parent: payloadOf("parent", 1, 2),
		Roster: []Member{{Peer: k, Seen: probation}}, Closer: k,
	}
	base.ID = idOf(base)
	b.s.commits[base.ID], b.commits[base.ID] = base, base
	c := b.close(base, b.keys[:1], false)
	f = Foreign{Branch: []Commit{base, c}, Updates: append(b.authored(k), b.sign(k, c))}
	f.Updates = slices.DeleteFunc(f.Updates, func(u Update) bool { return u.Height < base.Height })
	return base, f
}

// nobodyAbove fails where a node stands on a commit.
func (s *swarm) nobodyAbove(t *testing.T, c Commit) {
	t.Helper()
	for _, x := range s.nodes {
		if x.up && s.above(x.m.head.Commit, c) {
			t.Errorf("%s stands on the invented branch; heights %v", x.name, s.heights())
		}
	}
}

// TestShattered cuts a swarm into parts for longer than two snapshot heights, nobody hostile: two or three are together soon after. Of more parts none
// has half as many on it as stand elsewhere, and one member's word is no reason to follow it: they are together once a round may have passed since they parted.
func TestShattered(t *testing.T) {
	for _, closed := range []bool{true, false} {
		for _, c := range []struct {
			nodes, parts int
			within       time.Duration
		}{{3, 3, 20 * time.Second}, {4, 2, 20 * time.Second}, {4, 4, 7 * time.Minute}, {5, 5, 7 * time.Minute}, {8, 4, 7 * time.Minute}} {
			s := usualSwarm(c.nodes, 1, closed)
			s.run(90 * time.Second)
			s.cut = func(a, b int) bool { return a%c.parts != b%c.parts }
			s.run(4 * time.Minute)
			s.cut = func(int, int) bool { return false }
			mended := s.now
			for !s.together() && s.now < mended+c.within {
				s.run(500 * time.Millisecond)
			}
			if !s.together() {
				t.Errorf("closed %v: %d nodes in %d parts stand at %v after %v", closed, c.nodes, c.parts, s.heights(), c.within)
			}
		}
	}
}

// together tells whether all nodes stand on one branch.
func (s *swarm) together() bool {
	low := slices.MinFunc(s.nodes, func(a, b *simNode) int { return cmp.Compare(a.m.head.Height, b.m.head.Height) }).m.head.Commit
	return !slices.ContainsFunc(s.nodes, func(x *simNode) bool { return !s.above(x.m.head.Commit, low) })
}

// TestSlowAnswer cuts one node off for longer than two snapshot heights and has the answer about the others' branch take longer than a
// round: their heads have moved on when it comes, and the node is with them all the same (never within 3 min before).
func TestSlowAnswer(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s := usualSwarm(6, 1, closed)
		s.run(time.Minute)
		s.cut = func(a, b int) bool { return (a == 5) != (b == 5) }
		s.run(4 * time.Minute)
		s.cut, s.answer = func(int, int) bool { return false }, 4*time.Second
		mended := s.now
		for !s.together() && s.now < mended+30*time.Second {
			s.run(500 * time.Millisecond)
		}
		if !s.together() {
			t.Errorf("closed %v: the nodes stand at %v after 30 s", closed, s.heights())
		}
	}
}

// TestTwoHalves has a voter close one commit for each half of the others in its turn, say by heartbeats that it lags behind on their parent, and publish on
// both: the halves are one again in three seconds (22 s and three commits while the larger waited for it, and its updates let the other's commits list half).
func TestTwoHalves(t *testing.T) {
	for _, c := range []struct{ honest, big int }{{5, 3}, {4, 2}} {
		s, b := withVoters(c.honest, 1, func(s *swarm) {
			s.closed, s.snapshot = true, 20
			s.change = usualTimes
		})
		k, first := b.keys[0], s.nodes[0]
		var x, parent Commit // of the last try
		tries, apart, longest, last := 0, time.Duration(0), time.Duration(0), -time.Minute
		parted := func() bool {
			sides := map[bool]bool{}
			for _, n := range s.nodes {
				if n.m.head.Height >= x.Height && x.Height > 0 {
					sides[s.above(n.m.head.Commit, x)] = true
				}
			}
			return len(sides) == 2
		}
		for end := s.now + 90*time.Second; s.now < end; s.run(50 * time.Millisecond) {
			h := first.m.head
			if parted() {
				apart += 50 * time.Millisecond
				longest = max(longest, apart)
				if s.now%(500*time.Millisecond) == 0 {
					b.say(b.keys, parent, parent.Height)
				}
				for _, n := range s.nodes {
					if n.m.round.due && n.m.head.Height >= x.Height {
						b.publishOnce(b.keys, n.m.head.Commit)
					}
				}
				continue
			}
			apart = 0
			b.say(b.keys, h.Commit, h.Height)
			b.publishOnce(b.keys, h.Commit)
			us, _ := first.m.candidates(h)
			turns := first.m.closers(us)
			if s.now-last < 4*time.Second || len(s.heads()) != 1 || !first.m.round.due || len(turns) == 0 || turns[0] != k || len(s.of(h.Commit)) != c.honest ||
				slices.ContainsFunc(s.nodes, func(n *simNode) bool { us, _ := n.m.candidates(n.m.head); return len(n.m.heldOf(us)) < c.honest }) {
				continue
			}
			last = s.now
			tries++
			honest := s.of(h.Commit)
			all := append(slices.Clone(honest), b.forParent(h.Commit)...)
			byAuthor(honest)
			byAuthor(all)
			x, parent = b.made(h.Commit, honest, k), h.Commit
			both := []Commit{x, b.made(h.Commit, all, k)}
			for i, n := range s.nodes {
				for j, y := range both { // the other one a second later
					after := 20 * time.Millisecond
					if (j == 0) != (i < c.big) {
						after = 900 * time.Millisecond
					}
					s.at(after, func() { n.step(Announced{Commit: y.ID, Parent: y.Parent, Height: y.Height, Closer: k}) })
				}
			}
		}
		if tries == 0 || longest > 5*time.Second {
			t.Errorf("%d honest: tried %d times, apart for %v", c.honest, tries, longest)
		}
	}
}
