package round

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// inventedBranch is a snapshot of the mob's with some names in its roster, and three commits above it, as an answer; and the last of them.
func (b *mob) inventedBranch(height uint64, names []proto.PeerID) (Foreign, Commit) {
	base := Commit{
		Height: height, NextH: 20, Target: 20 * stepTokens, Tokens: 1e9, Root: payloadOf("root", height, 1), Parent: payloadOf("parent", height, 2), Closer: b.keys[0],
	}
	for _, p := range slices.Concat(b.keys, names) {
		base.Roster = append(base.Roster, Member{Peer: p, Seen: probation})
	}
	slices.SortFunc(base.Roster, func(x, y Member) int { return cmp.Compare(x.Peer, y.Peer) })
	base.ID = idOf(base)
	b.s.commits[base.ID], b.commits[base.ID] = base, base
	f, tip := Foreign{Branch: []Commit{base}}, base
	for range 3 {
		tip = b.close(tip, b.keys, false)
		f.Branch = append(f.Branch, tip)
	}
	for _, k := range b.keys {
		f.Updates = append(append(f.Updates, b.authored(k)...), b.sign(k, tip))
	}
	return f, tip
}

// TestNamedByOthers has a newcomer hear hostile members two seconds before the others. The snapshot that they invented names honest members,
// too: it goes to those once it hears them.
func TestNamedByOthers(t *testing.T) {
	for _, c := range []struct{ honest, hostile, named int }{{5, 1, 1}, {7, 2, 2}, {10, 4, 2}} {
		s := newSwarm(c.honest+1, 1)
		s.closed, s.snapshot, s.change = true, 20, usualTimes
		for _, x := range s.nodes[:c.honest] {
			x.stepTime = 100 * time.Millisecond
			x.start()
		}
		s.run(time.Minute)
		b := newMob(s, c.hostile, c.hostile, 1)
		b.enrol(b.keys)
		var names []proto.PeerID
		for _, x := range s.nodes[:c.named] {
			names = append(names, x.id)
		}
		f, tip := b.inventedBranch(1000, names)
		v := s.nodes[c.honest]
		s.cut = func(x, y int) bool { return x == v.i || y == v.i }
		v.start()
		began, told := s.now, false
		s.pass(20*time.Second, func() {
			for _, k := range b.keys {
				v.step(Heartbeat{From: k, Head: tip.ID, Height: tip.Height, Interval: 5 * time.Second})
			}
			if !told {
				told = true
				v.step(f)
			}
			if s.now >= began+2*time.Second {
				s.cut = func(int, int) bool { return false }
			}
		})
		if s.nodes[0].m.blocks[v.m.head.ID] == nil {
			t.Errorf("%+v: the newcomer stays at height %d", c, v.m.head.Height)
		}
	}
}

// TestDamagedDisk has a node that lost its chain hear those whom it knows, and a member that shows it an invented branch.
func TestDamagedDisk(t *testing.T) {
	for _, named := range []int{0, 1100} {
		s := newSwarm(6, 1)
		s.closed, s.snapshot, s.change = true, 20, usualTimes
		for _, x := range s.nodes {
			x.stepTime = 100 * time.Millisecond
			x.start()
		}
		s.run(3 * time.Minute)
		v := s.nodes[5]
		v.crash()
		b := newMob(s, 1, 1, 1)
		s.run(time.Minute)
		var names []proto.PeerID
		for i := range named {
			names = append(names, proto.PeerID(fmt.Sprintf("a-nobody-%04d", i)))
		}
		f, tip := b.inventedBranch(1000, names)
		v.damaged = true
		v.start()
		led, told, began := false, false, s.now
		s.pass(20*time.Second, func() {
			v.step(Heartbeat{From: b.keys[0], Head: tip.ID, Height: tip.Height, Interval: 5 * time.Second})
			if !told && s.now > began+600*time.Millisecond {
				told = true
				v.step(f)
			}
			led = led || v.m.head.Height >= 1000
		})
		if led || s.nodes[0].m.blocks[v.m.head.ID] == nil {
			t.Errorf("%d invented names: led away: %v, at height %d", named, led, v.m.head.Height)
		}
	}
}

// TestOwnUpdateFarAhead has a node without a memory be shown an update of its own for an absurd height, which it signed where somebody had led it: it
// publishes again two snapshot heights after it knew how far the others are.
func TestOwnUpdateFarAhead(t *testing.T) {
	s := newSwarm(6, 1)
	s.closed, s.snapshot, s.change = true, 20, usualTimes
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
		x.start()
	}
	s.run(time.Minute)
	v := s.nodes[5]
	v.crash()
	v.payloads, v.saved, v.head, v.base, v.own = map[proto.ID]bool{}, map[proto.ID]bool{}, testGenesis().ID, testGenesis(), map[proto.ID]uint64{}
	v.savedD, v.savedAt, v.savedSeq, v.savedLak = 0, proto.ID{}, 0, 0
	far := Update{Author: v.id, Parent: payloadOf("far", 1, 1), Height: 20e9, Seq: 1 << 20, Tokens: 1, Size: payloadSize, Payload: payloadOf("far", 2, 2), Proof: Proof{Signer: testCommunity}}
	far.ID = idOfUpdate(far)
	s.updates[far.ID] = far
	v.toldFirst = &far
	s.run(20 * time.Second)
	v.start()
	s.run(3 * time.Minute)
	from := s.nodes[0].m.head.Height
	s.run(time.Minute)
	if rounds, in := s.listedSince(from); in[v.id] < rounds*3/4 {
		t.Errorf("it is in %d of %d rounds", in[v.id], rounds)
	}
	m := v.m
	m.own.floor, m.own.reached = 20e9, 19e9 // as where two hostile voters had it publish on their branch first
	if m.boundFloor(); m.own.reached > m.head.Height+2*s.snapshot+1 {
		t.Errorf("at height %d it may not sign below %d", m.head.Height, m.own.reached)
	}
}

// TestManyBeginnings has an answer bring thousands of children of genesis, each of another closer, with an update whose payload is here: one is checked at a
// time of those that nobody stands on.
func TestManyBeginnings(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s := newSwarm(3, 1)
		s.closed = closed
		m := s.nodes[0]
		m.start()
		b := newMob(s, 1, 1, 1)
		e := b.siblings(m.m.head.Commit, b.keys[0], 4000)
		effects := m.m.Step(s.now, e)
		effects = append(effects, m.m.Step(s.now, Held{Use: e.Updates[0].Use()})...)
		effects = append(effects, m.m.Step(s.now, Tick{})...)
		checks := 0
		for _, e := range effects {
			if _, ok := e.(Verify); ok {
				checks++
			}
		}
		if checks != 1 {
			t.Errorf("closed %v: %d are checked at once", closed, checks)
		}
	}
}

// siblings are so many commits on one parent, with one and the same update of a key's, each with another root and of another closer.
func (b *mob) siblings(parent Commit, key proto.PeerID, n int) Pulled {
	u := b.sign(key, parent)
	e := Pulled{Updates: []Update{u}}
	for i := range n {
		c := Derive(b.s.config("mob"), parent, []Update{u}, nil, parent.Notices)
		c.Root, c.Closer = payloadOf("wrong", uint64(i), 1), proto.PeerID(fmt.Sprintf("closer-%d", i))
		c.ID = idOf(c)
		e.Commits = append(e.Commits, c)
	}
	return e
}

// TestManySiblings: of thousands of commits that nobody's vote is for, few stay to be looked through at each event.
func TestManySiblings(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s := peaceful(6, 21, closed)
		b := newMob(s, 1, 1, 1)
		m := s.nodes[0].m
		before := len(m.blocks)
		for _, on := range []*block{m.head, m.head.parent} {
			e := b.siblings(on.Commit, b.keys[0], 4000)
			if on != m.head { // where the payload is here none is checked, for none would move the head
				m.Step(s.now, Seen{Update: e.Updates[0]})
				m.Step(s.now, Held{Use: e.Updates[0].Use()})
			}
			m.Step(s.now, e)
			if n := len(m.blocks) - before; n > maxOutside || len(m.undecided) > maxOutside {
				t.Errorf("closed %v: %d more commits, %d undecided", closed, n, len(m.undecided))
			}
		}
	}
}

// TestAllAtRest has all trainers but one stop for a second: its commits, made at once, do not become the roster.
func TestAllAtRest(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s, b := enrolled(5, 1, 1, closed)
		s.pass(15*time.Second, b.takePart)
		for _, x := range s.nodes {
			x.paused = true
			x.step(Training{On: false})
		}
		var tip Commit
		s.pass(1500*time.Millisecond, func() {
			if tip.Height == 0 {
				tip = s.nodes[0].m.head.Commit
				for range 4 {
					tip = b.close(tip, b.keys, false)
				}
			}
			for c, n := tip, 0; n < 4; c, n = s.commits[c.Parent], n+1 {
				b.announce(c)
			}
			b.say(b.keys, tip, tip.Height)
		})
		for _, x := range s.nodes {
			x.paused = false
			x.step(Training{On: true})
		}
		from := s.nodes[0].m.head.Height
		s.pass(30*time.Second, b.takePart)
		rounds, in := s.listedSince(from)
		if roster := len(s.nodes[0].m.head.Roster); roster < 5 || in[s.nodes[0].id] < rounds*3/4 {
			t.Errorf("closed %v: a roster of %d; an honest one is in %d of %d rounds", closed, roster, in[s.nodes[0].id], rounds)
		}
	}
}

// TestPayloadOfAnotherSize: a payload is held for updates that say how many bytes it has, and for no others, also after a restart.
func TestPayloadOfAnotherSize(t *testing.T) {
	s := peaceful(3, 1, false)
	x := s.nodes[0]
	h := x.m.head.Commit
	right := Update{Author: "a", Parent: h.ID, Height: h.Height + 1, Seq: 1, Tokens: 1, Size: payloadSize, Payload: payloadOf("a", 1, 1)}
	wrong := right
	wrong.Author, wrong.Size = "b", payloadSize-1
	right.ID, wrong.ID = idOfUpdate(right), idOfUpdate(wrong)
	x.m.Step(s.now, Seen{Update: right})
	x.m.Step(s.now, Held{Use: right.Use()})
	like := right
	like.Size = wrong.Size
	if !x.m.holds(right) || x.m.holds(like) {
		t.Errorf("it is held as it is: %v; a byte shorter: %v", x.m.holds(right), x.m.holds(like))
	}
	m, err := New(s.config(x.id), State{Base: h, Head: h.ID, Updates: []Update{right, wrong}, Held: map[proto.ID]uint64{right.Payload: payloadSize}})
	if err != nil {
		t.Fatal(err)
	}
	if !m.holds(right) || m.holds(wrong) {
		t.Errorf("after a restart it is held as it is: %v; a byte shorter: %v", m.holds(right), m.holds(wrong))
	}
}
