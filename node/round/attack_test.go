package round

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// Attacks that once worked, each as small as it was found.

// peaceful starts a swarm and lets its members come past probation.
func peaceful(n int, seed uint64, closed bool) *swarm {
	s := newSwarm(n, seed)
	s.closed = closed
	for _, x := range s.nodes {
		x.start()
	}
	s.run(30 * time.Second)
	for _, x := range s.nodes {
		x.included, x.deepest, x.turns = 0, 0, 0
	}
	return s
}

// heights are those of the nodes that are up.
func (s *swarm) heights() (hs []uint64) {
	for _, x := range s.nodes {
		if x.up {
			hs = append(hs, x.m.head.Height)
		}
	}
	return hs
}

// stay fails where a node goes back by more than one commit while time passes.
func (s *swarm) stay(t *testing.T, d time.Duration) {
	t.Helper()
	began := s.heights()
	for range d / (100 * time.Millisecond) {
		s.run(100 * time.Millisecond)
		for i, h := range s.heights() {
			if h+1 < began[i] {
				t.Fatalf("node %d went from height %d to %d", i, began[i], h)
			}
		}
	}
}

// branch lists the real chain from a height up to a commit.
func (s *swarm) branch(from uint64, tip Commit) (path []Commit, us []Update) {
	for c := tip; ; c = s.commits[c.Parent] {
		path = append(path, c)
		for _, u := range c.Updates {
			us = append(us, s.updates[u])
		}
		if c.Height == from {
			slices.Reverse(path)
			return path, us
		}
	}
}

// authored lists a key's updates.
func (b *mob) authored(k proto.PeerID) (us []Update) {
	for _, u := range b.s.updates {
		if u.Author == k {
			us = append(us, u)
		}
	}
	return us
}

// TestRealChainAsForeign answers a catch-up with the real chain from genesis, of which all
// nodes have left the lower part: nobody begins anew.
func TestRealChainAsForeign(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := peaceful(5, 1, closed)
		b := newMob(s, 1, 0, 1)
		b.commits[testGenesis().ID] = testGenesis() // anybody can draw it
		path, us := s.branch(0, s.nodes[0].m.head.Commit)
		for _, x := range s.nodes {
			x.step(Foreign{Branch: path, Updates: us})
		}
		s.stay(t, 7*time.Second)
	}
}

// TestForkAtGenesis has keys fork off at genesis, which has no voters, while it is still the
// base and members are past probation.
func TestForkAtGenesis(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := newSwarm(5, 14)
		s.closed, s.snapshot = closed, 100
		for _, x := range s.nodes {
			x.start()
		}
		s.run(40 * time.Second)
		b := newMob(s, 20, 1, 1)
		keys := b.keys
		if closed {
			keys = keys[:1]
		}
		c := b.close(testGenesis(), keys, false)
		b.announce(c)
		b.beat(c, c.Height)
		s.stay(t, 5*time.Second)
	}
}

// TestAbsentVoters has most of a swarm leave for good. What they said last, about a past that
// both branches share, is no vote for a branch that parted when they went.
func TestAbsentVoters(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := newSwarm(8, 4)
		s.closed = closed
		for _, x := range s.nodes {
			x.start()
		}
		s.run(40 * time.Second)
		left := s.nodes[0].m.head.Height + 1
		for _, x := range s.nodes[3:] {
			x.crash()
		}
		s.run(60 * time.Second)
		b := newMob(s, 1, 1, 1)
		at := s.nodes[0].m.head.Commit
		for at.Height > left {
			at = s.commits[at.Parent]
		}
		from := left/s.snapshot*s.snapshot - s.snapshot
		if s.nodes[0].m.base.Height <= left {
			t.Fatalf("the base is %d, they left at %d", s.nodes[0].m.base.Height, left)
		}
		path, us := s.branch(from, at)
		x := b.close(at, b.keys[:1], false)
		for _, id := range sortedIDs(s.updates) { // as they were gossiped once
			if u := s.updates[id]; u.Height >= from && u.Height <= left+2 {
				us = append(us, u)
			}
		}
		slices.SortStableFunc(us, func(x, y Update) int { return cmp.Compare(x.Height, y.Height) })
		b.commits[path[0].ID] = path[0]
		for _, v := range s.nodes[:3] {
			v.step(Foreign{Branch: append(slices.Clone(path), x), Updates: us})
		}
		s.stay(t, 10*time.Second)
	}
}

// TestLaggingNode has a member show an invented snapshot to a node that was cut off for some
// rounds, and has yet to fetch what the others stand on.
func TestLaggingNode(t *testing.T) {
	s := peaceful(6, 5, true)
	b := newMob(s, 1, 1, 1)
	k, v := b.keys[0], s.nodes[5]
	s.cut = func(a, c int) bool { return a == 5 || c == 5 }
	s.run(20 * time.Second)
	s.cut = func(int, int) bool { return false }
	for _, x := range s.nodes[:5] {
		st := x.m.Status()
		v.m.heard(Heartbeat{From: x.id, Head: st.Head.ID, Height: st.Head.Height, Interval: 500 * time.Millisecond})
		v.m.seen(*x.m.newest(x.id))
	}
	base := Commit{
		Height: 6 * 50, NextH: 20, Target: 20 * stepTokens, Tokens: 1e6, Root: payloadOf("root", 1, 1), Parent: payloadOf("parent", 1, 2),
		Roster: []Member{{Peer: k, Seen: probation}}, Closer: k,
	}
	base.ID = idOf(base)
	s.commits[base.ID], b.commits[base.ID] = base, base
	c := b.close(base, b.keys[:1], false)
	f := Foreign{Branch: []Commit{base, c}, Updates: append(b.authored(k), b.sign(k, c))}
	v.step(f)
	for range 200 {
		s.run(50 * time.Millisecond)
		if v.m.base.ID == base.ID {
			t.Fatal("the node went over to it, though five members that it knows are heard")
		}
	}
}

// TestInviteSwitch has a member change from its membership to an invite that another key of
// its is in by: honest closers list one of the two, and go on.
func TestInviteSwitch(t *testing.T) {
	s := peaceful(4, 1, true)
	const invite = Key("the invite")
	m1, m2 := proto.PeerID("mob-00"), proto.PeerID("mob-01")
	b := newMob(s, 2, 2, 1)
	seq := uint64(0)
	sign := func(k proto.PeerID, parent Commit, p Proof) Update {
		seq++
		u := Update{Author: k, Parent: parent.ID, Height: parent.Height + 1, Seq: seq, Tokens: parent.Target, High: parent.Cursor, Size: 16, Payload: payloadOf(k, seq, 3), Proof: p}
		u.ID = idOfUpdate(u)
		s.updates[u.ID], s.values[u.Payload] = u, 3
		return u
	}
	by := Proof{Signer: testCommunity, Invite: invite, Uses: 1}
	member := Proof{Signer: testCommunity}
	done := map[proto.ID]bool{}
	began := s.heights()
	for i := range 1000 {
		h := s.nodes[i%4].m.head.Commit
		if !done[h.ID] {
			done[h.ID] = true
			switch {
			case h.Rank(m1) >= 0 && h.Rank(m2) >= 0:
				b.tell(Seen{Update: sign(m1, h, by)}) // both by the invite now
				b.tell(Seen{Update: sign(m2, h, by)})
			default:
				b.tell(Seen{Update: sign(m1, h, member)})
				b.tell(Seen{Update: sign(m2, h, by)})
			}
		}
		s.run(20 * time.Millisecond)
	}
	for i, h := range s.heights() {
		if h < began[i]+5 {
			t.Errorf("node %d moved from %d to %d in 20 s", i, began[i], h)
		}
	}
}

// TestSiblings has fresh keys offer siblings of the head without end, each of which a tie prefers
// to the last: turning to them begins no new round.
func TestSiblings(t *testing.T) {
	s := peaceful(3, 2, false)
	b := newMob(s, 1, 0, 1)
	began := s.heights()
	made := map[proto.ID][]Commit{} // by parent, the best last
	for s.now < 60*time.Second {
		h := s.nodes[0].m.head
		p := h.parent
		if made[p.ID] == nil {
			for i := range 60 {
				b.keys[0] = proto.PeerID(fmt.Sprintf("mob-%s-%d", p.ID.Short(), i))
				if c := b.close(p.Commit, b.keys, true); (rival{child: &block{Commit: c, parent: p}, tip: &block{Commit: c}}).beats(rival{child: h, tip: h}) {
					made[p.ID] = append(made[p.ID], c)
				}
			}
			slices.SortFunc(made[p.ID], func(x, y Commit) int { return -compareIDs(x.ID, y.ID) })
		}
		if l := made[p.ID]; len(l) > 0 {
			b.announce(l[0])
			made[p.ID] = l[1:]
		}
		s.run(150 * time.Millisecond)
	}
	if h := s.heights()[0]; h < began[0]+10 {
		t.Errorf("%d rounds in half a minute", h-began[0])
	}
}

// TestForkAtEachHeight has every commit of a long branch contested by a sibling: what the fork
// choice costs grows with their number. Compared anew from each fork, 64 would take for ever.
func TestForkAtEachHeight(t *testing.T) {
	s := newSwarm(1, 1)
	s.nodes[0].start()
	m := s.nodes[0].m
	b := m.base
	for i := range 64 {
		for j := range 2 {
			c := Commit{Parent: b.ID, Height: b.Height + 1, Tokens: b.Tokens + uint64(2-j)*stepTokens, View: uint32(i % 2), Root: payloadOf("root", uint64(i), float64(j))}
			c.ID = idOf(c)
			m.decide(m.plant(c, b), valid)
		}
		b = b.children[i%2]
	}
	if tip := m.best(m.base, (*block).leads); tip.Height != 64 {
		t.Errorf("the branch that ends at height %d is preferred, of 64", tip.Height)
	}
}

// TestCopies has a member announce others' payloads as its own, in every second round: those who
// made them are listed, rounds take hardly longer than with an honest member in its place, and a
// commit that lists a copy beside is invalid.
func TestCopies(t *testing.T) {
	honest, _ := copying(false)
	gained, s := copying(true)
	if t.Logf("%d rounds with copies, %d without", gained, honest); float64(gained) < .8*float64(honest) {
		t.Errorf("%d rounds with copies, %d without", gained, honest)
	}
	m := s.nodes[0].m
	for c := m.head; c.parent != nil; c = c.parent {
		of := map[proto.ID]proto.PeerID{}
		for _, id := range c.Updates {
			u := s.updates[id]
			if of[u.Payload] != "" {
				t.Errorf("height %d lists the payload of %s and %s", c.Height, of[u.Payload], u.Author)
			}
			of[u.Payload] = u.Author
		}
	}
	parent := m.head.parent
	us := slices.DeleteFunc(m.listed(m.head), func(u Update) bool { return u.Author == "mob-00" })
	forged := us[0]
	forged.Author, forged.ID = "mob-00", payloadOf("another id", 0, 0)
	us = append(us, forged)
	slices.SortFunc(us, func(x, y Update) int { return cmp.Compare(x.Author, y.Author) })
	byID := map[proto.ID]Update{}
	for _, u := range us {
		byID[u.ID] = u
	}
	if _, _, ok := m.wellFormed(parent.Commit, parent.members, Derive(m.cfg, parent.Commit, us, nil, parent.Notices), byID); ok {
		t.Error("a commit that lists one payload twice is valid")
	}
}

// copying counts the rounds of a minute in which a fifth member learns, or copies every second time.
func copying(copies bool) (rounds uint64, s *swarm) {
	s = peaceful(4, 6, true)
	b := newMob(s, 1, 1, 1)
	k := b.keys[0]
	began, start := s.heights()[0], s.now
	done := map[proto.ID]bool{}
	for s.now < start+time.Minute {
		h := s.nodes[0].m.head.Commit
		b.tell(Heartbeat{From: k, Head: h.ID, Height: h.Height, Rate: nodeRate, Interval: 500 * time.Millisecond})
		us, _ := s.nodes[1].m.candidates(s.nodes[1].m.head)
		i := slices.IndexFunc(us, func(u Update) bool { return u.Author != k && u.Parent == h.ID })
		if i >= 0 && !done[h.ID] {
			done[h.ID] = true
			u := b.sign(k, h)
			if copies && len(done)%2 == 0 {
				delete(s.updates, u.ID)
				u.Payload = us[i].Payload
				u.ID = idOfUpdate(u)
				s.updates[u.ID] = u
			}
			b.tell(Seen{Update: u})
		}
		s.run(20 * time.Millisecond)
	}
	return s.heights()[0] - began, s
}

// TestChecksOfStrangers has keys that are no voters announce commits on the head, of which each costs who checks it
// an apply: one is asked for, and one checked, at a time.
func TestChecksOfStrangers(t *testing.T) {
	s := peaceful(4, 8, false)
	b := newMob(s, 30, 0, 1)
	checks := 0
	for range 300 {
		h := s.nodes[0].m.head.Commit
		k := b.keys[b.rng.IntN(len(b.keys))]
		c := b.close(h, []proto.PeerID{k}, true)
		b.announce(c)
		s.run(10 * time.Millisecond)
		for _, x := range s.nodes {
			pulls, running := 0, 0
			for e, try := range x.m.tries {
				if a, ok := x.m.announced[e.id]; ok && e.what == body && try.open && !x.m.counts(a.Closer) {
					pulls++
				}
			}
			for _, u := range x.m.undecided {
				if u.state == checking && u.checkedFor == "" {
					running++
				}
			}
			if checks += running; pulls > 1 || running > 1 {
				t.Fatalf("node %s asks for %d commits of strangers and checks %d", x.name, pulls, running)
			}
		}
	}
	if checks == 0 {
		t.Error("nothing was checked")
	}
}

// TestVoteToAndFro has a member let its vote go to and fro between the head and a sibling
// that lists the same updates.
func TestVoteToAndFro(t *testing.T) {
	s := peaceful(3, 3, true)
	b := newMob(s, 1, 1, 1)
	k := b.keys[0]
	for range 100 {
		h := s.nodes[0].m.head.Commit
		if h.Rank(k) >= 0 && s.now > 36*time.Second {
			break
		}
		if !slices.ContainsFunc(b.authored(k), func(u Update) bool { return u.Parent == h.ID }) {
			b.tell(Seen{Update: b.sign(k, h)})
		}
		s.run(100 * time.Millisecond)
	}
	began, start := s.heights(), s.now
	rivals := map[proto.ID]Commit{}
	for s.now < start+40*time.Second {
		h := s.nodes[0].m.head
		rival, ok := rivals[h.Parent]
		if !ok {
			rival = b.close(h.parent.Commit, b.keys, true)
			rivals[h.Parent] = rival
			b.announce(rival)
		} else {
			to := rival
			if h.ID == rival.ID {
				for _, c := range h.parent.children {
					if c != h && c.leads() {
						to = c.Commit
					}
				}
			}
			b.tell(Seen{Update: b.sign(k, to)})
		}
		s.run(160 * time.Millisecond)
	}
	if h := s.heights()[0]; h < began[0]+10 {
		t.Errorf("%d rounds in 40 s", h-began[0])
	}
}

// TestProbationers has keys that are each listed at most seven times say that exchanges and
// steps take very long, in as many updates as are taken.
func TestProbationers(t *testing.T) {
	s := peaceful(4, 7, false)
	b := newMob(s, 0, 0, 1)
	began := s.heights()
	times := map[proto.PeerID]int{}
	told := map[proto.ID]bool{}
	most := 0
	for serial := 0; s.now < 90*time.Second; s.run(50 * time.Millisecond) {
		h := s.nodes[0].m.head
		if told[h.ID] {
			continue
		}
		told[h.ID] = true
		in := 0
		for _, id := range h.Updates {
			if a := s.updates[id].Author; slices.Contains(b.keys, a) {
				times[a]++
				in++
			}
		}
		most = max(most, 100*in/len(h.Updates))
		b.keys = slices.DeleteFunc(b.keys, func(p proto.PeerID) bool { return times[p] >= probation-1 })
		for range 4 {
			serial++
			b.keys = append(b.keys, proto.PeerID(fmt.Sprintf("mob-%05d", serial)))
		}
		for _, k := range b.keys {
			u := b.sign(k, h.Commit)
			delete(s.updates, u.ID)
			u.Exchange, u.StepTime, u.Tokens = 40*24*time.Hour, 70*time.Minute, h.Target
			u.ID = idOfUpdate(u)
			s.updates[u.ID] = u
			b.tell(Seen{Update: u})
		}
	}
	if rounds := s.heights()[0] - began[0]; rounds < 20 || most > 25 {
		t.Errorf("%d rounds in a minute, at most %d %% of a commit of theirs", rounds, most)
	}
}

// TestManyAuthors has a thousand keys, without proofs, sign an update each at every head: they
// leave room for a newcomer's now and then, and for the members' at a node that starts.
func TestManyAuthors(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := peaceful(4, 13, closed)
		crowd := func(m *Machine) {
			h := m.head
			for i := range maxPeers / 4 {
				u := Update{Author: proto.PeerID(fmt.Sprintf("crowd-%04d", i)), Parent: h.ID, Height: h.Height + 1, Seq: h.Height, Tokens: 1, Size: 16, Payload: proto.Sum([]byte("one for all"))}
				u.ID = idOfUpdate(u)
				m.seen(u)
			}
		}
		m := s.nodes[0].m
		taken := 0
		last := proto.ID{}
		for s.now < 60*time.Second && taken == 0 {
			if h := m.head; h.ID != last {
				last = h.ID
				crowd(m)
				u := Update{Author: "newcomer", Parent: h.ID, Height: h.Height + 1, Seq: h.Height, Tokens: 1, Size: 16, Payload: proto.Sum([]byte("new")), Proof: Proof{Signer: testCommunity}}
				if !closed {
					u.Proof = Proof{}
				}
				u.ID = idOfUpdate(u)
				m.seen(u)
				us, _ := m.candidates(h)
				for _, u := range us {
					if u.Author == "newcomer" {
						taken++
					}
				}
			}
			s.run(100 * time.Millisecond)
		}
		if taken == 0 {
			t.Errorf("closed %v: keys that nobody listed keep a newcomer out", closed)
		}

		// A node that starts: the crowd's updates come first.
		f, err := New(s.config("fresh"), State{Base: testGenesis(), Head: testGenesis().ID, Alone: true})
		if err != nil {
			t.Fatal(err)
		}
		crowd(f)
		var es []Commit
		var us []Update
		for b := m.head; b != nil && b.Height > m.base.Height; b = b.parent {
			es = append([]Commit{b.Commit}, es...)
			us = append(us, m.listed(b)...)
		}
		for _, u := range us {
			f.seen(u)
		}
		known := 0
		for _, x := range s.nodes {
			if f.newest(x.id) != nil {
				known++
			}
		}
		if known == 0 {
			t.Errorf("closed %v: a fresh node knows nobody's vote, of %d members", closed, len(s.nodes))
		}
	}
}
