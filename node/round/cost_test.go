package round

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestLongPending brings a chain of pending commits whose payloads nobody has, each by a closer of its own making: an event costs little with
// them, where they lie on the head and where the swarm has gone on (61 ms with 4,000 of them before forks were remembered, 4 ms since).
func TestLongPending(t *testing.T) {
	for _, closed := range []bool{true, false} {
		const n = 4000
		s := peaceful(5, 21, closed)
		b := newMob(s, 2, 2, 1)
		m := s.nodes[0].m
		a := &answers{b: b, m: m}
		a.chain(m.head.Commit, n)
		tick := func() time.Duration {
			began := time.Now()
			for i := range 5 {
				m.Step(s.now+time.Duration(i)*time.Millisecond, Tick{})
			}
			return time.Since(began) / 5
		}
		// and when the swarm has gone on: the chain hangs off the head's ancestor
		for range 60 {
			s.run(50 * time.Millisecond)
		}
		if after := tick(); after > 20*time.Millisecond {
			t.Errorf("closed %v: with %d commits undecided, an event takes %v", closed, len(m.undecided), after)
		}
	}
}

// TestWidePending brings commits of 64 updates by keys that were never listed: no event takes long (25 s before), and the tree lists no more than its
// bound beside the head's branch.
func TestWidePending(t *testing.T) {
	const n = 768
	s := peaceful(5, 21, false)
	b := newMob(s, 64, 64, 1)
	m := s.nodes[0].m
	a, c := &answers{b: b, m: m}, m.head.Commit
	for i := range n {
		c = a.wide(c, b.keys, fmt.Sprintf("invented-%05d", i))
	}
	a.flush()
	if a.worst > 500*time.Millisecond || m.listings.total > 2*maxUpdates {
		t.Errorf("an answer of 256 commits takes %v; %d updates are listed in the tree", a.worst, m.listings.total)
	}
}

// TestLoosePayloads has 32 keys sign an update for every head of an open swarm: of payloads that no commit lists a node keeps those for the last two heads
// (3,083 of 64 keys after two minutes before they were dropped).
func TestLoosePayloads(t *testing.T) {
	s := usualSwarm(5, 21, false)
	s.run(40 * time.Second)
	b := newMob(s, 32, 32, 1)
	from := s.nodes[0].m.head.Height
	for end := s.now + time.Minute; s.now < end; s.run(50 * time.Millisecond) {
		b.publishOnce(b.keys, s.nodes[0].m.head.Commit)
	}
	if rounds, _ := s.listedSince(from); rounds < 20 {
		t.Errorf("%d rounds in a minute", rounds)
	}
	for _, n := range s.nodes {
		listed, loose, fresh := map[proto.ID]bool{}, 0, 0
		for c := n.m.head.Commit; c.Height > 0; c = s.commits[c.Parent] {
			for _, id := range c.Updates {
				listed[s.updates[id].Payload] = true
			}
		}
		for p := range n.payloads {
			if slices.Contains(b.keys, s.made[p]) && !listed[p] {
				loose++
			}
		}
		for u := range n.m.loose {
			if u.Height >= n.m.head.Height {
				fresh++
			}
		}
		if loose == 0 || loose > 2*len(b.keys) || fresh != len(n.m.loose) {
			t.Errorf("%s keeps %d payloads that no commit lists; %d of %d are of the last heads", n.name, loose, fresh, len(n.m.loose))
		}
	}
}

// TestRotation has 3,000 fresh keys sign an update each for one head, in the order in which each takes another's place among the strangers: the
// payloads of those that gave way are dropped though no round ends (all were held before).
func TestRotation(t *testing.T) {
	s := usualSwarm(5, 21, false)
	s.run(40 * time.Second)
	m, b, now := s.nodes[0].m, newMob(s, 1, 0, 1), s.now
	var keys []proto.PeerID
	for i := range uint64(3000) {
		keys = append(keys, freshKey(i))
	}
	held, most := map[proto.ID]bool{}, 0
	var step func(Event)
	step = func(e Event) {
		for _, effect := range m.Step(now, e) {
			switch e := effect.(type) {
			case Fetch:
				held[e.Update.Payload] = true
				step(Held{Use: e.Update.Use()})
			case Drop:
				for _, id := range e.Payloads {
					delete(held, id)
				}
			}
		}
		most = max(most, len(held))
	}
	head := m.head.ID
	for _, k := range slices.Backward(drawn(head[:], keys)) {
		now += time.Millisecond
		step(Seen{Update: b.sign(k, m.head.Commit)})
	}
	if m.head.ID != head || most < maxStrangers || most > 4*maxStrangers {
		t.Errorf("%d payloads were held at once; the same head: %v", most, m.head.ID == head)
	}
}

// TestTries has a voter announce, for a day in which no round ends, eight commits a second that are nowhere: what was asked for in vain is forgotten
// (691,200 tries, 108 MB and 38 ms an event before).
func TestTries(t *testing.T) {
	s, b := withVoters(5, 1, func(s *swarm) { s.closed = true })
	m, now := s.nodes[0].m, s.now
	for i := range uint64(24 * 3600 * 8) {
		now += 125 * time.Millisecond
		id := payloadOf("nowhere", i, 9)
		m.now = now
		m.hearCommit(Announced{Commit: id, Parent: m.head.ID, Height: m.head.Height + 1, Closer: b.keys[0]})
		if _, known := m.announced[id]; known && m.try(body, id) {
			m.retry(body, id)
		}
	}
	if len(m.tries) > maxTries+1 {
		t.Errorf("%d tries are remembered", len(m.tries))
	}
	for i := range uint64(3 * maxUpdates) { // and payloads that do not decode, of updates that gave way to others
		m.markUnfit(Use{Payload: payloadOf("unfit", i, 9), Author: b.keys[0]})
	}
	if len(m.unfit) > maxUpdates+1 {
		t.Errorf("%d payloads are remembered as unfit", len(m.unfit))
	}
}

// TestWideForeign shows an invented branch of 255 commits of 60 updates: one event, in which nothing of it is kept (1.1 s before).
func TestWideForeign(t *testing.T) {
	const n = 255
	s := peaceful(5, 21, false)
	b := newMob(s, 1, 1, 1)
	base := Commit{Height: 6 * 50, NextH: 20, Target: 20 * stepTokens, Tokens: 1e12, Root: payloadOf("root", 1, 1), Parent: payloadOf("parent", 1, 2)}
	var seniors []proto.PeerID
	for i := range 192 {
		k := proto.PeerID(fmt.Sprintf("a-senior-%03d", i))
		seniors = append(seniors, k)
		base.Roster = append(base.Roster, Member{Peer: k, Seen: probation})
	}
	slices.SortFunc(base.Roster, func(x, y Member) int { return cmp.Compare(x.Peer, y.Peer) })
	base.Closer = seniors[0]
	base.ID = idOf(base)
	f := Foreign{Branch: []Commit{base}}
	cfg := s.config("mob")
	seq := uint64(0)
	c := base
	for i := range n {
		room := cfg.newcomers(c)
		var us []Update
		add := func(k proto.PeerID) {
			seq++
			us = append(us, Update{ID: proto.Sum(fmt.Append(nil, "id", seq)), Author: k, Parent: c.ID, Height: c.Height + 1, Seq: seq, Tokens: 1, Size: 16, Payload: proto.Sum(fmt.Append(nil, "wide", seq))})
		}
		for _, k := range seniors[:48] {
			add(k)
		}
		for j := 0; j < room && len(us) < 64; j++ {
			add(proto.PeerID(fmt.Sprintf("fresh-%05d-%02d", i, j)))
		}
		byAuthor(us)
		c = b.made(c, us, seniors[0])
		f.Branch, f.Updates = append(f.Branch, c), append(f.Updates, us...)
	}
	m := s.nodes[0].m
	if !m.sane(base) || !m.follows(f) {
		t.Fatal("the branch is refused for another reason")
	}
	began := time.Now()
	s.nodes[0].m.Step(s.now, f)
	took := time.Since(began)
	if took > 500*time.Millisecond {
		t.Errorf("a foreign branch of %d commits takes %v", n, took)
	}
}

// TestNewcomerAmongStrangers has strangers stand on the tip of a chain of pending commits at genesis: an event of a newcomer's took 2.4 s with 2,000 of
// them when each commit was asked who stands there.
func TestNewcomerAmongStrangers(t *testing.T) {
	s := peaceful(5, 21, false)
	v := &simNode{s: s, i: 5, id: "peer-F", name: "F", rate: nodeRate, payloads: map[proto.ID]bool{}, saved: map[proto.ID]bool{}, head: testGenesis().ID, base: testGenesis(), own: map[proto.ID]uint64{}}
	s.nodes = append(s.nodes, v)
	s.cut = func(a, c int) bool { return a == 5 || c == 5 }
	v.start()
	b := newMob(s, 120, 0, 1)
	m := v.m
	tip := (&answers{b: b, m: m}).chain(testGenesis(), 2000)
	for _, k := range b.keys {
		delete(m.beats, k)
		m.heard(Heartbeat{From: k, Head: tip.ID, Height: tip.Height, Interval: 5 * time.Second})
	}
	began := time.Now()
	m.Step(s.now+time.Millisecond, Tick{})
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("an event takes %v", took)
	}
}

// answers brings a node pending commits, 256 in one event, and remembers the longest of these.
type answers struct {
	b     *mob
	m     *Machine
	e     Pulled
	worst time.Duration
	seq   uint64
}

func (a *answers) flush() {
	began := time.Now()
	a.m.Step(a.b.s.now, a.e)
	a.worst = max(a.worst, time.Since(began))
	a.e = Pulled{}
}

func (a *answers) add(p Commit, us []Update, closer string) Commit {
	c := a.b.made(p, us, proto.PeerID(closer))
	if a.e.Commits, a.e.Updates = append(a.e.Commits, c), append(a.e.Updates, us...); len(a.e.Commits) == 256 {
		a.flush()
	}
	return c
}

// chain brings so many commits of one update, one on the other, each by a closer of its own, and returns the last.
func (a *answers) chain(c Commit, n int) Commit {
	for i := range n {
		u := a.b.sign(a.b.keys[0], c)
		u.Payload = proto.Sum(fmt.Append(nil, i))
		u.ID = idOfUpdate(u)
		c = a.add(c, []Update{u}, fmt.Sprintf("invented-%05d", i))
	}
	a.flush()
	return c
}

// wide adds a commit of updates of as many of some keys as it may list.
func (a *answers) wide(p Commit, keys []proto.PeerID, closer string) Commit {
	cfg := a.b.s.config("mob")
	room := cfg.newcomers(p)
	var us []Update
	for _, k := range keys {
		if cfg.newcomer(p, k) {
			if room == 0 {
				continue
			}
			room--
		}
		a.seq++
		u := Update{Author: k, Parent: p.ID, Height: p.Height + 1, Seq: a.seq, Tokens: 1, Size: 16, Payload: proto.Sum(fmt.Append(nil, "wide", a.seq))}
		u.ID = proto.Sum(fmt.Append(nil, "id", a.seq))
		us = append(us, u)
	}
	byAuthor(us)
	return a.add(p, us, closer)
}

// TestComb brings pending commits with a fork at each, and rosters of 21 keys who vote at the top: an event took a second when each vote walked the tree.
func TestComb(t *testing.T) {
	const forks, v, tail = 1000, 7, 2000
	s := peaceful(5, 21, false)
	b := newMob(s, 3*v, 3*v, 1)
	m := s.nodes[0].m
	a, c := &answers{b: b, m: m}, m.head.parent.Commit
	keysOf := func(i int) []proto.PeerID { return b.keys[i%3*v : i%3*v+v] }
	for i := range 60 { // past probation
		c = a.wide(c, keysOf(i), fmt.Sprintf("x%05d", i))
	}
	for i := range forks {
		a.wide(c, keysOf(i + 1)[:1], fmt.Sprintf("s%05d", i))
		c = a.wide(c, keysOf(i), fmt.Sprintf("f%05d", i))
	}
	a.flush()
	for i := range tail {
		c = a.wide(c, keysOf(i)[:2], fmt.Sprintf("t%05d", i))
	}
	a.flush()
	for m.blocks[c.ID] == nil { // trimmed
		c = s.commits[c.Parent]
	}
	tick := func() time.Duration {
		began := time.Now()
		m.Step(s.now+time.Millisecond, Tick{})
		return time.Since(began)
	}
	for _, k := range b.keys {
		a.seq++
		m.Step(s.now, Seen{Update: Update{ID: proto.Sum(fmt.Append(nil, "id", a.seq)), Author: k, Parent: c.ID, Height: c.Height + 1, Seq: 1 << 40, Tokens: 1, Size: 16}})
	}
	if took := tick(); a.worst > 500*time.Millisecond || took > 200*time.Millisecond {
		t.Errorf("an answer of 255 commits takes %v, an event %v", a.worst, took)
	}
}

// BenchmarkSiblings is an event where one of 16 members has made a valid sibling, of its own update alone, at each of 200 heights (376 ms with
// the branches walked anew at every fork).
func BenchmarkSiblings(b *testing.B) {
	const members, heights = 16, 200
	s := newSwarm(1, 1)
	s.closed, s.snapshot = true, heights
	s.nodes[0].start()
	m, hostile := s.nodes[0].m, newMob(s, members, members, 1)
	c := m.head.Commit
	for range heights {
		var us []Update
		for _, k := range hostile.keys {
			us = append(us, hostile.sign(k, c))
		}
		byAuthor(us)
		next := hostile.made(c, us, hostile.keys[0])
		for _, x := range []struct {
			Commit
			us []Update
		}{{next, us}, {hostile.made(c, us[members-1:], hostile.keys[members-1]), us[members-1:]}} {
			m.take(x.Commit, indexed(x.us), true)
			m.decide(m.blocks[x.ID], valid)
		}
		m.Step(s.now, Tick{})
		c = next
	}
	for i := 0; b.Loop(); i++ {
		m.Step(s.now+time.Duration(i)*time.Millisecond, Tick{})
	}
	b.ReportMetric(float64(m.head.Height), "height")
}
