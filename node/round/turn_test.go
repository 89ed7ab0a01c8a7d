package round

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestEarlyClose has a voter of six close each round, whoever's turn it is, as soon as the others have published, with all of them and without a
// newcomer: it gets in all the same.
func TestEarlyClose(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s, b := withVoters(6, 1, func(s *swarm) {
			s.closed, s.snapshot = closed, 20
			s.change = usualTimes
		})
		k := b.keys[0]
		v := s.nodes[5] // leaves, and comes back as a newcomer: out of the roster after three rounds
		v.paused = true
		v.step(Training{On: false})
		for i := 0; i < 10000 && (s.nodes[0].m.head.Rank(v.id) >= 0); i++ {
			b.publishOnce(b.keys, s.nodes[0].m.head.Commit)
			b.say(b.keys, s.nodes[0].m.head.Commit, s.nodes[0].m.head.Height)
			s.run(50 * time.Millisecond)
		}
		v.paused = false
		v.step(Training{On: true})
		v.included = 0
		from := s.nodes[0].m.head.Height
		done := map[proto.ID]bool{}
		for end := s.now + 40*time.Second; s.now < end; s.run(20 * time.Millisecond) {
			var h *block
			for _, x := range s.nodes {
				if h == nil || x.m.head.Height > h.Height {
					h = x.m.head
				}
			}
			if s.now%(500*time.Millisecond) == 0 {
				b.say(b.keys, h.Commit, h.Height)
			}
			var honest []Update
			for _, u := range s.of(h.Commit) {
				if u.Author != v.id {
					honest = append(honest, u)
				}
			}
			if done[h.ID] || len(honest) < 5 {
				continue
			}
			done[h.ID] = true
			u := b.sign(k, h.Commit)
			b.tell(Seen{Update: u})
			honest = append(honest, u)
			byAuthor(honest)
			b.announce(b.made(h.Commit, honest, k))
		}
		rounds, in := s.listedSince(from)
		if 3*in[v.id] < rounds {
			t.Errorf("closed %v: the newcomer is in %d of %d rounds", closed, in[v.id], rounds)
		}
	}
}

// TestFastCopy has a voter announce another's payload as its own, and be heard before the one who made it: that one is listed.
func TestFastCopy(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s, b := withVoters(5, 1, func(s *swarm) {
			s.closed, s.snapshot = closed, 20
			s.change = usualTimes
		})
		k, v := b.keys[0], s.nodes[4]
		from := s.nodes[0].m.head.Height
		done := map[proto.ID]bool{}
		for end := s.now + time.Minute; s.now < end; s.run(5 * time.Millisecond) {
			h := v.m.head.Commit
			if s.now%(500*time.Millisecond) == 0 {
				b.say(b.keys, h, h.Height)
			}
			u := v.m.own.byParent[h.ID]
			if u == nil || done[h.ID] {
				continue
			}
			done[h.ID] = true
			c := b.sign(k, h)
			delete(s.updates, c.ID)
			c.Payload, c.Tokens = u.Payload, u.Tokens
			c.ID = idOfUpdate(c)
			s.updates[c.ID] = c
			for _, x := range s.nodes {
				x.step(Seen{Update: c}) // ahead of the announcement's way, 5 to 65 ms
			}
		}
		rounds, in := s.listedSince(from)
		if rounds == 0 || 10*in[v.id] < 9*rounds {
			t.Errorf("closed %v: %d of %d updates of the victim are in", closed, in[v.id], rounds)
		}
	}
}

// TestMovedInvite has two who are in by two invites for one machine each: one announces a copy, and so stays unlisted, and the other moves to its
// invite. Closers keep the place of who stays.
func TestMovedInvite(t *testing.T) {
	run := func(attack bool) uint64 {
		s := peaceful(5, 1, true)
		b := newMob(s, 2, 2, 1)
		by := []Proof{{Signer: testCommunity, Invite: "I1", Uses: 1}, {Signer: testCommunity, Invite: "I2", Uses: 1}}
		seq := uint64(0)
		sign := func(k int, parent Commit, copyOf *Update, p Proof) {
			seq++
			u := Update{Author: b.keys[k], Parent: parent.ID, Height: parent.Height + 1, Seq: seq, Tokens: parent.Target, High: parent.Cursor, Size: 16, Payload: payloadOf(b.keys[k], seq, 3), Proof: p}
			if copyOf != nil {
				u.Payload = copyOf.Payload
			} else {
				s.values[u.Payload] = 3
			}
			u.ID = idOfUpdate(u)
			s.updates[u.ID] = u
			b.tell(Seen{Update: u})
		}
		began := s.heights()
		told := map[proto.ID]bool{}
		for end := s.now + time.Minute; s.now < end; s.run(20 * time.Millisecond) {
			h := s.nodes[0].m.head
			for _, k := range b.keys {
				b.tell(Heartbeat{From: k, Head: h.ID, Height: h.Height, Rate: 1, Interval: 500 * time.Millisecond})
			}
			if told[h.ID] {
				continue
			}
			m, k := h.Rank(b.keys[0]), h.Rank(b.keys[1])
			if !attack || m < 0 || k < 0 {
				told[h.ID] = true
				sign(0, h.Commit, nil, by[0])
				sign(1, h.Commit, nil, by[1])
				continue
			}
			if us := s.of(h.Commit); len(us) == 5 {
				told[h.ID] = true
				head := h.Commit
				s.at(200*time.Millisecond, func() {
					sign(0, head, &us[0], by[0])
					sign(1, head, nil, by[0])
				})
			}
		}
		return slices.Max(s.heights()) - began[0]
	}
	if clean, hit := run(false), run(true); 10*hit < 6*clean { // a third where nobody kept the place
		t.Errorf("%d rounds in a minute, %d without", hit, clean)
	}
}

// TestHigherBranch cuts two of seven off, which are twice as fast and come to greater heights: once back they publish as the others do, though their
// last updates were for greater heights.
func TestHigherBranch(t *testing.T) {
	const fast = 2
	s := usualSwarm(7, 21, true)
	s.run(60 * time.Second)
	s.cut = func(a, b int) bool { return (a < 5) != (b < 5) }
	for _, x := range s.nodes[5:] {
		x.rate *= fast
	}
	s.run(3 * time.Minute)
	s.cut = func(int, int) bool { return false }
	for _, x := range s.nodes[5:] {
		x.rate /= fast
	}
	mended, with := s.now, time.Duration(-1)
	for s.now < mended+time.Minute && with < 0 {
		s.run(100 * time.Millisecond)
		if s.nodes[0].m.blocks[s.nodes[5].m.head.ID] != nil {
			with = s.now - mended
		}
	}
	from := s.nodes[0].m.head.Height
	for _, x := range s.nodes {
		x.included = 0
	}
	s.run(time.Minute)
	rounds := int(s.nodes[0].m.head.Height - from)
	if rounds == 0 || with < 0 || s.nodes[5].included < rounds/2 {
		t.Errorf("with the others after %v, in %d of %d rounds", with, s.nodes[5].included, rounds)
	}
}

// TestStrangerCloses has keys that were never listed, a fresh one each round, close with all voters and without a newcomer of an open swarm as
// soon as they have published: no voter announced it, so it waits for the voters' turns.
func TestStrangerCloses(t *testing.T) {
	s := newSwarm(6, 21)
	s.snapshot = 20
	s.change = usualTimes
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
		if x.i < 5 {
			x.start()
		}
	}
	s.run(time.Minute)
	b := newMob(s, 1, 1, 1)
	newcomer := s.nodes[5]
	newcomer.start()
	from, done := s.nodes[0].m.head.Height, map[proto.ID]bool{}
	for end := s.now + time.Minute; s.now < end; s.run(10 * time.Millisecond) {
		h := s.nodes[0].m.head
		honest := slices.DeleteFunc(s.of(h.Commit), func(u Update) bool { return u.Author == newcomer.id })
		if done[h.ID] || len(honest) < 5 {
			continue
		}
		done[h.ID] = true
		b.announce(b.made(h.Commit, honest, freshKey(h.Height)))
	}
	rounds := s.nodes[0].m.head.Height - from
	if uint64(2*newcomer.included) < rounds || rounds == 0 {
		t.Errorf("the newcomer is in %d of %d rounds", newcomer.included, rounds)
	}
}

// freshKey is a key that nobody has seen.
func freshKey(n uint64) proto.PeerID {
	return proto.PeerID("fresh-" + string(rune('a'+n%26)) + string(rune('a'+n/26%26)))
}

// TestCopiesOfOtherSizes names a voter's payload in seven updates for parents that are nowhere, each with another size, before its own is heard: nothing
// is fetched by them.
func TestCopiesOfOtherSizes(t *testing.T) {
	const copies = 7
	for _, closed := range []bool{true, false} {
		fresh := !closed
		s, b := withVoters(5, 1, func(s *swarm) {
			s.closed, s.snapshot = closed, 20
			s.change = usualTimes
		})
		k, v := b.keys[0], s.nodes[4]
		from := s.nodes[0].m.head.Height
		done := map[proto.ID]bool{}
		for end := s.now + time.Minute; s.now < end; s.run(5 * time.Millisecond) {
			h := v.m.head.Commit
			if s.now%(500*time.Millisecond) == 0 {
				b.say(b.keys, h, h.Height)
			}
			b.publishOnce(b.keys, h)
			u := v.m.own.byParent[h.ID]
			if u == nil || done[h.ID] {
				continue
			}
			done[h.ID] = true
			for i := range copies {
				who := k
				if fresh {
					who = proto.PeerID("fresh" + string(rune('a'+i)))
				}
				c := b.sign(who, Commit{ID: payloadOf("nowhere", h.Height, float64(i)), Height: h.Height, Target: h.Target})
				delete(s.updates, c.ID)
				c.Payload, c.Size = u.Payload, uint64(i+1)
				c.ID = idOfUpdate(c)
				s.updates[c.ID] = c
				for _, x := range s.nodes {
					x.step(Seen{Update: c}) // ahead of the announcement's way, 5 to 65 ms
				}
			}
		}
		rounds, in := s.listedSince(from)
		if rounds == 0 || 10*in[v.id] < 9*rounds {
			t.Errorf("closed %v: %d of %d updates of the one whose payload is named are in", closed, in[v.id], rounds)
		}
	}
}

// TestSiblingFirst has members make a sibling of each coming commit, which leaves a voter out, stand on it before the coming one is anywhere, and hold
// the payload of their own update back so that closers wait: a node that adopts the coming commit has heard of nobody else on it yet (one of six closed 15
// of 15 rounds, two of seven had all rosters to themselves after a minute).
func TestSiblingFirst(t *testing.T) {
	for _, c := range []struct {
		honest, hostile int
		closed          bool
	}{{5, 1, true}, {5, 1, false}, {5, 2, true}, {7, 3, false}} {
		s, b := withVoters(c.honest, c.hostile, func(s *swarm) {
			s.closed, s.snapshot = c.closed, 20
			s.change = usualTimes
		})
		victim, from := s.nodes[1].id, s.nodes[0].m.head.Height
		type plan struct { // for one head
			ready   time.Duration // all honest updates are known; 0: not yet
			sibling *Commit
			release time.Duration // of the payloads
		}
		plans, mine := map[proto.ID]*plan{}, map[proto.ID]bool{}
		b.hold = func(u Update) bool {
			p := plans[u.Parent]
			return p != nil && (p.sibling == nil || s.now < p.release) && s.now < p.ready+3*time.Second
		}
		for end := s.now + time.Minute; s.now < end; s.run(10 * time.Millisecond) {
			h := slices.MaxFunc(s.nodes, func(x, y *simNode) int { return cmp.Compare(x.m.head.Height, y.m.head.Height) }).m.head
			p := plans[h.ID]
			if p == nil {
				p = &plan{}
				plans[h.ID] = p
			}
			if s.now%(500*time.Millisecond) == 0 {
				at := h.Commit
				if p.sibling != nil {
					at = *p.sibling
				}
				b.say(b.keys, at, at.Height)
			}
			us := s.of(h.Commit)
			if len(us) > 0 {
				b.publishOnce(b.keys, h.Commit)
			}
			waits := slices.ContainsFunc(s.nodes, func(x *simNode) bool {
				return slices.Contains(h.voters, x.id) && !slices.ContainsFunc(us, func(u Update) bool { return u.Author == x.id })
			})
			if p.sibling != nil || waits {
				continue
			}
			if p.ready == 0 {
				p.ready = s.now
			}
			if s.now < p.ready+400*time.Millisecond { // for the payloads to come, and the sums
				continue
			}
			list := append(slices.DeleteFunc(us, func(u Update) bool { return u.Author == victim }), b.forParent(h.Commit)...)
			byAuthor(list)
			y := b.made(h.Commit, list, b.keys[0])
			p.sibling, p.release, mine[y.ID] = &y, s.now+200*time.Millisecond, true
			b.announce(y)
			b.say(b.keys, y, y.Height)
			for _, k := range b.keys {
				b.tell(Seen{Update: b.sign(k, y)})
			}
			plans[y.ID] = &plan{}
		}
		rounds, in := s.listedSince(from)
		closed := 0
		for at := s.nodes[0].m.head.Commit; at.Height > from; at = s.commits[at.Parent] {
			if mine[at.ID] {
				closed++
			}
		}
		if rounds < 10 || closed > 2 || in[victim] < rounds-2 {
			t.Errorf("%d of %d, members alone %v: they closed %d of %d rounds, and the voter that they leave out is in %d", c.hostile, c.honest+c.hostile, c.closed, closed, rounds, in[victim])
		}
	}
}

// TestLateTurn has a voter take all of each turn of its own, announce a commit of which it holds a payload back, close late and tell of a second update
// that is as late as the longest grace, or say that it leaves in each: its turn comes last from then on (44 rounds or more of 48, 34 before). One that takes
// a little less than half a view in each costs that: 39.
func TestLateTurn(t *testing.T) {
	rounds := map[string]int{}
	for _, c := range []struct {
		mode        string
		late        time.Duration
		held, twins bool
	}{
		{mode: "prompt"},
		{mode: "late", late: 4600 * time.Millisecond},
		{mode: "held", late: 4300 * time.Millisecond, held: true},
		{mode: "twins", late: 4300 * time.Millisecond, twins: true},
		{mode: "half", late: 2200 * time.Millisecond},
		{mode: "leaves"},
	} {
		s, b := withVoters(5, 1, func(s *swarm) {
			s.closed, s.snapshot = true, 20
			s.change = usualTimes
		})
		k, from := b.keys[0], s.nodes[0].m.head.Height
		closed, twin, until := map[proto.ID]bool{}, map[proto.ID]bool{}, map[proto.ID]time.Duration{}
		b.hold = func(u Update) bool { return s.now < until[u.ID] }
		var away time.Duration
		for end := s.now + 2*time.Minute; s.now < end; s.run(10 * time.Millisecond) {
			s.done = 0
			x := s.nodes[0]
			h := x.m.head
			if s.now%(500*time.Millisecond) == 0 && s.now >= away {
				b.say(b.keys, h.Commit, h.Height)
			}
			b.publishOnce(b.keys, h.Commit)
			if last := b.forParent(s.commits[h.Parent]); c.twins && !twin[h.Parent] && len(last) == 1 {
				twin[h.Parent] = true
				u := last[0]
				b.seq++
				u.Tokens, u.Seq = u.Tokens-1, b.seq
				u.ID = idOfUpdate(u)
				s.updates[u.ID] = u
				b.tell(Seen{Update: u})
			}
			us, _ := x.m.candidates(h)
			turns := x.m.closers(us)
			if len(turns) == 0 || turns[0] != k || !x.m.round.ready || closed[h.ID] || !c.held && s.now < x.m.round.readyAt+c.late {
				continue
			}
			closed[h.ID] = true
			if c.mode == "leaves" {
				away = s.now + 600*time.Millisecond
				b.tell(Heartbeat{From: k, Head: h.ID, Height: h.Height, Leaving: true, Interval: 500 * time.Millisecond})
				continue
			}
			list := s.of(h.Commit)
			if c.held {
				u := b.sign(k, h.Commit)
				until[u.ID] = x.m.round.readyAt + c.late
				list = append(list, u)
			} else {
				list = append(list, b.forParent(h.Commit)...)
			}
			byAuthor(list)
			b.announce(b.made(h.Commit, list, k))
		}
		rounds[c.mode], _ = s.listedSince(from)
	}
	for mode, n := range rounds {
		if 10*n < 8*rounds["prompt"] {
			t.Errorf("%s: %d rounds in two minutes, %d where it closes", mode, n, rounds["prompt"])
		}
	}
	t.Log(rounds)
}

// TestShrinkingRoster cuts two of five honest nodes off from the others for 5 s, while two hostile voters go on with them and publish at once on each head: rounds
// take their time there, or three of them would leave the hostile ones half of a roster, and they would close alone from then on.
func TestShrinkingRoster(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		s, b := withVoters(5, 2, func(s *swarm) {
			s.closed, s.snapshot, s.rng = true, 20, rand.New(rand.NewPCG(seed, 1))
			s.change = usualTimes
		})
		first, closed := s.nodes[0], map[proto.ID]bool{}
		run := func(d time.Duration) {
			for end := s.now + d; s.now < end; s.run(20 * time.Millisecond) {
				s.done = 0
				h := first.m.head
				b.say(b.keys, h.Commit, h.Height)
				b.publishOnce(b.keys, h.Commit)
				us, _ := first.m.candidates(h)
				turns := first.m.closers(us)
				mine := len(b.keys)*2 >= len(h.voters)
				if closed[h.ID] || len(turns) == 0 || !mine && (!first.m.round.ready || !slices.Contains(b.keys, turns[0])) {
					continue
				}
				closed[h.ID] = true
				list := b.forParent(h.Commit)
				if !mine {
					list = append(list, s.of(h.Commit)...)
				}
				byAuthor(list)
				c := b.made(h.Commit, list, b.keys[0])
				if !mine {
					c = b.made(h.Commit, list, turns[0])
				}
				b.announce(c)
				if mine {
					b.say(b.keys, c, c.Height)
					b.publishOnce(b.keys, c)
				}
			}
		}
		run(30 * time.Second)
		s.cut = func(a, c int) bool { return a < 2 != (c < 2) }
		run(5 * time.Second)
		s.cut = func(int, int) bool { return false }
		from := first.m.head.Height
		run(time.Minute)
		rounds, in := s.listedSince(from)
		for _, n := range s.nodes {
			if rounds > 30 || in[n.id] < rounds-3 {
				t.Errorf("seed %d: %s is in %d of %d rounds after the cut", seed, n.name, in[n.id], rounds)
			}
		}
	}
}

// TestCalledByVoters has two of seven voters of an open swarm, and fresh keys that the roster holds, publish at once on a head: they are most of the roster, not
// of the voters, and the round is not due by it.
func TestCalledByVoters(t *testing.T) {
	s, b := withVoters(5, 2, func(s *swarm) { s.snapshot, s.change = 20, usualTimes })
	hostile, m := b.keys, s.nodes[0].m
	fresh := []proto.PeerID{freshKey(1), freshKey(2), freshKey(3), freshKey(4), freshKey(5), freshKey(6)}
	b.keys = append(slices.Clone(hostile), fresh...)
	in := func() (n int) {
		for _, k := range fresh {
			if m.head.Rank(k) >= 0 {
				n++
			}
		}
		return n
	}
	for end := s.now + 2*time.Minute; s.now < end && in() < 3; s.run(50 * time.Millisecond) {
		s.done = 0
		b.say(b.keys, m.head.Commit, m.head.Height)
		b.publishOnce(b.keys, m.head.Commit)
	}
	last := m.head
	for m.head == last {
		s.run(10 * time.Millisecond)
	}
	for _, k := range b.keys {
		m.Step(s.now, Heartbeat{From: k, Head: m.head.ID, Height: m.head.Height, Interval: time.Second})
		m.Step(s.now, Seen{Update: b.sign(k, m.head.Commit)})
	}
	out, of, _ := m.turnout(m.present())
	if in() < 3 || 2*out <= of || m.called() {
		t.Errorf("%d fresh keys are in the roster; %d of %d have published; the round is called: %v", in(), out, of, m.called())
	}
}

// forParent lists what the keys published on a commit.
func (b *mob) forParent(c Commit) (us []Update) {
	for _, k := range b.keys {
		for _, u := range b.authored(k) {
			if u.Parent == c.ID {
				us = append(us, u)
			}
		}
	}
	return us
}
