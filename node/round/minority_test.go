package round

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// enrol has keys publish at each head until all of them vote.
func (b *mob) enrol(keys []proto.PeerID) {
	for b.s.now < 10*time.Minute {
		h := b.s.nodes[0].m.head
		if !slices.ContainsFunc(keys, func(k proto.PeerID) bool { return !slices.Contains(h.voters, k) }) {
			return
		}
		b.say(keys, h.Commit, h.Height)
		b.publishOnce(keys, h.Commit)
		b.s.run(100 * time.Millisecond)
	}
}

// publishOnce has those keys publish on a commit that have not.
func (b *mob) publishOnce(keys []proto.PeerID, c Commit) {
	for _, k := range keys {
		if !slices.ContainsFunc(b.authored(k), func(u Update) bool { return u.Parent == c.ID }) {
			b.tell(Seen{Update: b.sign(k, c)})
		}
	}
}

// of lists the honest updates for a commit, by author.
func (s *swarm) of(c Commit) (us []Update) {
	for _, x := range s.nodes {
		for _, id := range sortedIDs(s.updates) {
			if u := s.updates[id]; u.Author == x.id && u.Parent == c.ID {
				us = append(us, u)
			}
		}
	}
	return us
}

// byAuthor puts updates in the order of a commit's list.
func byAuthor(us []Update) {
	slices.SortFunc(us, func(x, y Update) int { return cmp.Compare(x.Author, y.Author) })
}

// withVoters starts honest nodes and, once they are at it, has hostile keys become voters.
func withVoters(honest, hostile int, set func(*swarm)) (*swarm, *mob) {
	s := newSwarm(honest, 21)
	set(s)
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
		x.start()
	}
	s.run(40 * time.Second)
	b := newMob(s, hostile, hostile, 1)
	b.enrol(b.keys)
	return s, b
}

// made makes a commit of some updates, well-formed, that its closer announces and serves.
func (b *mob) made(parent Commit, us []Update, closer proto.PeerID) Commit {
	c := Derive(b.s.config("mob"), parent, us, nil, parent.Notices)
	c.Root, c.Closer = rootOf(parent, us), closer
	c.ID = idOf(c)
	b.s.commits[c.ID], b.commits[c.ID] = c, c
	return c
}

// TestSlowVoter has one voter of six say that it trains and publish only so often that it stays in the roster; and then
// another key announce, as its own and before anybody's turn, the very commit that honest closers will make.
func TestSlowVoter(t *testing.T) {
	rounds := func(closed bool, mode string) uint64 {
		s := newSwarm(5, 21)
		s.closed = closed
		s.change = usualTimes
		for _, x := range s.nodes {
			x.stepTime = 100 * time.Millisecond // 128 tokens at nodeRate
			x.start()
		}
		s.run(40 * time.Second)
		b := newMob(s, 2, 2, 1)
		k, usurper := b.keys[:1], b.keys[1]
		b.enrol(k)
		from, start := s.nodes[0].m.head.Height, s.now
		done := map[proto.ID]bool{}
		for s.now < start+3*time.Minute {
			h := s.nodes[0].m.head
			b.say(k, h.Commit, h.Height)
			switch us := s.of(h.Commit); {
			case mode == "clean" || h.Height%3 == 0:
				b.publishOnce(k, h.Commit)
			case mode == "late" && h.parent != nil && !done[h.ID]:
				done[h.ID] = true
				for i := range 8 { // one payload that all have had, eight times for the commit before
					u := b.sign(k[0], h.parent.Commit)
					delete(s.updates, u.ID)
					u.Payload, u.Tokens = s.nodes[0].m.listed(h)[0].Payload, uint64(i+1)
					u.ID = idOfUpdate(u)
					s.updates[u.ID] = u
					b.tell(Seen{Update: u})
				}
			case mode == "usurp" && len(us) == len(s.nodes) && !done[h.ID]:
				done[h.ID] = true
				b.announce(b.made(h.Commit, us, usurper))
			}
			s.run(50 * time.Millisecond)
		}
		return s.nodes[0].m.head.Height - from
	}
	for _, closed := range []bool{false, true} {
		clean := rounds(closed, "clean")
		for _, mode := range []string{"idle", "usurp", "late"} {
			// An idle one of six costs its share, a sixth, and half a second of waiting in rounds of 2.7 s: 0.7 of them are left.
			if n := rounds(closed, mode); 3*n < 2*clean {
				t.Errorf("closed %v, %s: %d rounds in 3 min, %d without", closed, mode, n, clean)
			}
		}
	}
}

// TestVotesFromAhead has a node hear what the others publish on commits that do not reach it, and one or two members show
// it a branch that parted four rounds ago: its own branch keeps the others' votes.
func TestVotesFromAhead(t *testing.T) {
	for _, closed := range []bool{false, true} {
		for hostile := 1; hostile <= 2; hostile++ {
			s := newSwarm(7, 9)
			s.closed = closed
			for _, x := range s.nodes {
				x.start()
			}
			s.run(40 * time.Second)
			b := newMob(s, hostile, hostile, 1)
			b.enrol(b.keys)
			for end := s.now + 12*time.Second; s.now < end; s.run(100 * time.Millisecond) {
				b.publishOnce(b.keys, s.nodes[0].m.head.Commit)
			}
			v := s.nodes[6]
			began, voters, low := v.m.head.Height, len(v.m.head.voters), v.m.head
			for range 4 {
				if low.parent != nil {
					low = low.parent
				}
			}
			s.cut = func(a, c int) bool { return a == 6 || c == 6 } // as where its questions wait in line
			tip := b.close(low.Commit, b.keys, true)
			e := Pulled{Commits: []Commit{tip}}
			for range 10 {
				tip = b.close(tip, b.keys, false)
				e.Commits = append(e.Commits, tip)
			}
			for _, c := range e.Commits {
				for _, id := range c.Updates {
					e.Updates = append(e.Updates, s.updates[id])
				}
			}
			lowest := began
			for end := s.now + 20*time.Second; s.now < end; s.run(100 * time.Millisecond) {
				for _, x := range s.nodes[:6] { // gossip reaches it
					st := x.m.Status()
					v.step(Heartbeat{From: x.id, Head: st.Head.ID, Height: st.Head.Height, Rate: x.rate, Interval: 500 * time.Millisecond})
					v.step(Seen{Update: *x.m.newest(x.id)})
				}
				v.step(e)
				for _, k := range b.keys {
					if !slices.ContainsFunc(b.authored(k), func(u Update) bool { return u.Parent == tip.ID }) {
						b.sign(k, tip)
					}
					for _, u := range b.authored(k) {
						if u.Parent == tip.ID {
							v.step(Seen{Update: u})
						}
					}
				}
				lowest = min(lowest, v.m.head.Height)
			}
			if lowest+1 < began {
				t.Errorf("closed %v, %d of %d voters hostile: the node went from height %d to %d", closed, hostile, voters, began, lowest)
			}
		}
	}
}

// TestPendingComb shows a node a branch with a fork at each height, by closers made for it, whose one payload nobody
// has: an event costs little all the same.
func TestPendingComb(t *testing.T) {
	for _, closed := range []bool{false, true} {
		const n = 800
		s := peaceful(5, 21, closed)
		b := newMob(s, n, n, 1)
		m := s.nodes[0].m
		c := m.head.parent.Commit
		var e Pulled
		for i := range n {
			u := b.sign(b.keys[0], c)
			u.Payload = proto.Sum([]byte("one payload for all"))
			u.ID = idOfUpdate(u)
			d := b.made(c, []Update{u}, b.keys[i])
			e.Commits, e.Updates = append(e.Commits, d), append(e.Updates, u)
			if i%2 == 1 {
				c = d
			}
		}
		m.Step(s.now, e)
		m.Step(s.now+time.Millisecond, Missed{Payload: e.Updates[0].Payload})
		began := time.Now()
		m.Step(s.now+2*time.Millisecond, Tick{})
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("closed %v: with %d commits undecided, an event takes %v", closed, len(m.undecided), took)
		}
	}
}

// TestInventedRosterPanics shows a node that has not published yet three commits, none of them valid: one whose roster
// is invented, and two that list an update on it of each key there. The node must publish, and know the members' updates.
func TestInventedRosterPanics(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := newSwarm(2, 13)
		s.closed = closed
		for _, x := range s.nodes {
			x.start()
		}
		v := s.nodes[0]
		bad := func(parent Commit, roster []Member, us []Update) Commit {
			c := Commit{Parent: parent.ID, Height: parent.Height + 1, Roster: roster, Closer: "mob"}
			for _, u := range us {
				c.Updates = append(c.Updates, u.ID)
			}
			c.ID = idOf(c)
			s.commits[c.ID] = c
			return c
		}
		var roster []Member
		for i := range 2 * maxPeers {
			roster = append(roster, Member{Peer: proto.PeerID(fmt.Sprintf("crowd-%05d", i)), Seen: probation})
		}
		first := bad(testGenesis(), roster, nil)
		var us []Update
		for _, r := range roster {
			u := Update{Author: r.Peer, Parent: first.ID, Height: 2, Seq: 1, Tokens: 1, Size: 16, Payload: proto.Sum([]byte("one for all"))}
			u.ID = idOfUpdate(u)
			s.updates[u.ID] = u
			us = append(us, u)
		}
		v.step(Pulled{Commits: []Commit{first, bad(first, nil, us[:maxPeers]), bad(first, nil, us[maxPeers:])}, Updates: us})
		for _, b := range v.m.blocks { // sixteen times as large here as on the wire, and thousands may come
			if b.state == invalid && len(b.Roster)+len(b.Updates)+len(b.voters) > 0 {
				t.Errorf("closed %v: an invalid commit's lists are kept: %d, %d, %d", closed, len(b.Roster), len(b.Updates), len(b.voters))
			}
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("closed %v: the node's own update makes it panic: %v", closed, r)
				}
			}()
			s.run(20 * time.Second)
			if v.m.newest(s.nodes[1].id) == nil {
				t.Errorf("closed %v: the node knows no update of the other", closed)
			}
		}()
	}
}

// TestQuestions has one key announce sixteen commits that are not there, and a crowd as many each: of one closer's few are
// asked for at once, and of all who do not vote no more than leave room for those who do.
func TestQuestions(t *testing.T) {
	for _, keys := range []int{1, 64} {
		s := peaceful(5, 21, keys == 1)
		m := s.nodes[0].m
		asked := 0
		for i := range keys {
			for j := range maxByCloser {
				a := Announced{Commit: payloadOf("none", uint64(i), float64(j)), Parent: m.head.ID, Height: m.head.Height + 1, Closer: proto.PeerID(fmt.Sprintf("mob-%02d", i))}
				for _, e := range m.Step(s.now, a) {
					if _, ok := e.(Pull); ok {
						asked++
					}
				}
			}
		}
		if asked > 6 { // of eight places in the driver
			t.Errorf("%d keys have %d commits asked for at once", keys, asked)
		}
	}
}

// TestSiblingsCostApplies has one key announce commits on the head that list each subset of the honest updates, their
// bodies closed by keys of its invention: few are computed.
func TestSiblingsCostApplies(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := peaceful(5, 21, closed)
		b := newMob(s, 1, 1, 1)
		x := s.nodes[0]
		for len(s.of(x.m.head.Commit)) < 5 || slices.ContainsFunc(s.of(x.m.head.Commit), func(u Update) bool { return !x.m.holds(u) }) {
			s.run(5 * time.Millisecond)
		}
		head, us, applies := x.m.head.Commit, s.of(x.m.head.Commit), 0
		for n := 1; n < 1<<len(us)-1; n++ {
			var some []Update
			for i, u := range us {
				if n>>i&1 == 1 {
					some = append(some, u)
				}
			}
			c := b.made(head, some, proto.PeerID(fmt.Sprintf("invented-%02d", n)))
			for _, e := range x.m.Step(s.now, Pulled{Commits: []Commit{c}, Updates: some}) {
				if _, ok := e.(Verify); ok {
					applies++
				}
			}
		}
		if applies > 8 {
			t.Errorf("closed %v: %d commits on one head are to be computed at once", closed, applies)
		}
	}
}

// TestWrongSize has a member, or a newcomer's rival, copy another's payload id with another size: a fetch by it comes to
// nothing, and the next goes by the other's announcement.
func TestWrongSize(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := peaceful(5, 21, closed)
		b := newMob(s, 1, 1, 1)
		m := s.nodes[0].m
		h := m.head.Commit
		for s.run(5 * time.Millisecond); m.head.ID == h.ID; s.run(5 * time.Millisecond) {
		}
		h = m.head.Commit
		honest := b.sign("newcomer", h) // honest, from here on
		if closed {
			honest.Proof.Signer = testCommunity
			honest.ID = idOfUpdate(honest)
		}
		copied := b.sign(b.keys[0], h)
		copied.Payload, copied.Size = honest.Payload, 1
		copied.ID = idOfUpdate(copied)
		now, right, tries := s.now, 0, 0
		var es []Effect
		es = append(es, m.Step(now, Seen{Update: copied})...)
		es = append(es, m.Step(now, Seen{Update: honest})...)
		for range 6 {
			for len(es) > 0 {
				e := es[0]
				es = es[1:]
				if f, ok := e.(Fetch); ok && f.Update.Payload == honest.Payload {
					tries++
					if f.Update.Size == honest.Size {
						right++
					}
					es = append(es, m.Step(now, Missed{Payload: honest.Payload})...)
				}
			}
			now += 9 * time.Second
			es = m.Step(now, Tick{})
			if m.head.ID != h.ID {
				break
			}
		}
		if right == 0 {
			t.Errorf("closed %v: the payload is never asked for at its size, in %d tries", closed, tries)
		}
	}
}

// TestCursorRuns has one member claim all the tokens and data that it may: the cursor goes on as far as it does where the
// others do so.
func TestCursorRuns(t *testing.T) {
	for _, closed := range []bool{false, true} {
		run := func(attack bool) float64 {
			s, b := withVoters(5, 1, func(s *swarm) { s.closed = closed })
			from := s.nodes[0].m.head.Commit
			for end := s.now + time.Minute; s.now < end; s.run(50 * time.Millisecond) {
				h := s.nodes[0].m.head
				b.say(b.keys, h.Commit, h.Height)
				if slices.ContainsFunc(b.authored(b.keys[0]), func(u Update) bool { return u.Parent == h.ID }) {
					continue
				}
				u := b.sign(b.keys[0], h.Commit)
				u.Tokens = h.Target
				if attack {
					u.Tokens, u.High = h.Cap(), h.Highest(u.Author, h.Cap(), seqLen)
				}
				u.ID = idOfUpdate(u)
				s.updates[u.ID] = u
				b.tell(Seen{Update: u})
			}
			to := s.nodes[0].m.head.Commit
			return float64(to.Cursor-from.Cursor) / (float64(to.Tokens-from.Tokens) / seqLen)
		}
		if clean, hit := run(false), run(true); hit > 1.3*clean {
			t.Errorf("closed %v: the cursor goes on by %.1f samples for each that is committed, %.1f without", closed, hit, clean)
		}
	}
}

// TestHugeForeign shows a node a foreign branch whose commits list a thousand updates of keys nobody knows: as one event,
// that must not take longer than heartbeats may be apart.
func TestHugeForeign(t *testing.T) {
	s := peaceful(5, 21, true)
	const n = proto.MaxUpdates
	b := newMob(s, 3*n, 3*n, 1)
	base := Commit{Height: 6 * 50, NextH: 20, Target: 20 * stepTokens, Tokens: 1e12, Root: payloadOf("root", 1, 1), Parent: payloadOf("parent", 1, 2)}
	for _, k := range b.keys {
		base.Roster = append(base.Roster, Member{Peer: k, Seen: probation})
	}
	slices.SortFunc(base.Roster, func(x, y Member) int { return cmp.Compare(x.Peer, y.Peer) })
	base.Closer = b.keys[0]
	base.ID = idOf(base)
	f := Foreign{Branch: []Commit{base}}
	for i := range 3 {
		c := f.Branch[i]
		var us []Update
		for _, r := range base.Roster[i*n : (i+1)*n] {
			b.seq++
			u := Update{Author: r.Peer, Proof: Proof{Signer: testCommunity}, Parent: c.ID, Height: c.Height + 1, Seq: b.seq, Tokens: 1, Size: 16, Payload: payloadOf(r.Peer, b.seq, 3)}
			u.ID = idOfUpdate(u)
			us = append(us, u)
		}
		f.Branch, f.Updates = append(f.Branch, b.made(c, us, b.keys[0])), append(f.Updates, us...)
	}
	began := time.Now()
	s.nodes[0].m.Step(s.now, f)
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("a foreign branch of %d commits takes %v", len(f.Branch)-1, took)
	}
}

// TestTinyClaims has a key that is listed for the first time claim a single token, beside one honest member: the tokens
// that are committed go on as that one's do.
func TestTinyClaims(t *testing.T) {
	cfg := testConfig("A")
	parent := Commit{ID: proto.Sum([]byte("parent")), Height: 9, Target: 100, NextH: 20, Tokens: 5000, Roster: []Member{{Peer: "A", Seen: probation}}}
	us := []Update{
		{ID: proto.Sum([]byte("a")), Author: "A", Tokens: 100},
		{ID: proto.Sum([]byte("b")), Author: "B", Tokens: 1},
	}
	if c := Derive(cfg, parent, us, nil, nil); c.Tokens != 5101 {
		t.Errorf("%d tokens were committed, want 101 more than 5000", c.Tokens-parent.Tokens)
	}
	us[1].Tokens = 400
	if c := Derive(cfg, parent, us, nil, nil); c.Tokens != 5200 {
		t.Errorf("%d tokens were committed, want 200 more than 5000", c.Tokens-parent.Tokens)
	}
}

// TestSiblingOusts has one or two voters say that they are paused and keep their updates back, and show, as soon as the
// others have a commit, siblings of it that list their updates in place of some of the others': honest updates stay in.
func TestSiblingOusts(t *testing.T) {
	for _, honest := range []int{4, 7} {
		for _, closed := range []bool{true, false} {
			s, b := withVoters(honest, honest/3, func(s *swarm) { s.closed = closed })
			done := map[proto.ID]bool{}
			from := s.nodes[0].m.head.Height
			for start := s.now; s.now < start+30*time.Second; s.run(20 * time.Millisecond) {
				h := s.nodes[0].m.head
				for _, k := range b.keys {
					b.tell(Heartbeat{From: k, Head: h.ID, Height: h.Height, Rate: 1, Paused: true, Interval: 500 * time.Millisecond})
				}
				if h.parent == nil || h.Height == from || done[h.parent.ID] {
					continue
				}
				done[h.parent.ID] = true
				p, best := h.parent, Commit{}
				for try := range 64 { // ids, of which the lowest wins among equals
					list := s.of(p.Commit)
					list = list[min(len(b.keys), len(list)):]
					for _, k := range b.keys {
						b.seq++
						u := Update{Author: k, Parent: p.ID, Height: p.Height + 1, Seq: b.seq, Tokens: p.Target, High: p.Cursor, Size: 16}
						u.Payload = payloadOf(k, p.Height, float64(try))
						if s.closed {
							u.Proof.Signer = testCommunity
						}
						u.ID = idOfUpdate(u)
						s.updates[u.ID], s.values[u.Payload] = u, 3
						list = append(list, u)
					}
					byAuthor(list)
					if c := b.made(p.Commit, list, b.keys[0]); best.Height == 0 || compareIDs(c.ID, best.ID) < 0 {
						best = c
					}
				}
				b.announce(best)
			}
			in, rounds := 0, 0
			for c := s.nodes[0].m.head.Commit; c.Height > from; c = s.commits[c.Parent] {
				rounds++
				for _, x := range s.nodes {
					if slices.ContainsFunc(c.Updates, func(id proto.ID) bool { return s.updates[id].Author == x.id }) {
						in++
					}
				}
			}
			t.Logf("%d honest, closed %v: %d of %d honest updates in", honest, closed, in, rounds*honest)
			if rounds < 5 || 10*in < 9*rounds*honest {
				t.Errorf("%d honest, closed %v: %d of %d honest updates in", honest, closed, in, rounds*honest)
			}
		}
	}
}

// TestQuestionsByStrangers has sixteen strangers tell of branches that nobody has, and are slow to say so, and 48 of
// commits on the head: voters' own commits are heard of as before.
func TestQuestionsByStrangers(t *testing.T) {
	const hosts, names = 16, 48
	run := func(attacked bool) (uint64, int) {
		s := newSwarm(5, 21)
		s.nowhere = map[proto.ID]bool{}
		s.change = usualTimes
		for _, x := range s.nodes {
			x.stepTime = 100 * time.Millisecond
			x.start()
		}
		s.run(40 * time.Second)
		b := newMob(s, hosts+names, 0, 1)
		from, apart := s.nodes[0].m.head.Height, 0
		for i := -20; i < 240; i++ { // all of them at first, then two a second each for a minute
			for j, k := range b.keys {
				if i >= 0 && (i+j)%8 > 0 || !attacked {
					continue
				}
				b.seq++
				h := s.nodes[0].m.head
				a := Announced{Commit: payloadOf(k, b.seq, 5), Parent: h.ID, Height: h.Height + 1, Closer: k}
				if j < hosts {
					s.nowhere[a.Commit] = true
					a.Parent, a.Height = payloadOf(k, b.seq, 6), h.Height+1000
				}
				b.tell(a)
			}
			if i < 0 {
				s.run(50 * time.Millisecond)
				continue
			}
			s.run(250 * time.Millisecond)
			if len(s.heads()) > 1 {
				apart++
			}
		}
		return s.nodes[0].m.head.Height - from, apart
	}
	clean, _ := run(false)
	rounds, apart := run(true)
	t.Logf("%d rounds a minute, %d without; apart %d of 240 times", rounds, clean, apart)
	if 10*rounds < 8*clean || apart > 60 {
		t.Errorf("%d rounds a minute, %d without; apart %d of 240 times", rounds, clean, apart)
	}
}

// TestPayloadOfAnotherHeight has a voter sign, beside its update, one for another height with the same payload, which
// decodes in the first alone, and one node hear of that first: it stays on the others' branch.
func TestPayloadOfAnotherHeight(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s := newSwarm(6, 21)
		s.closed, s.snapshot, s.only = closed, 50, map[proto.ID]uint64{}
		for _, x := range s.nodes {
			x.start()
		}
		s.run(30 * time.Second)
		b := newMob(s, 1, 1, 1)
		listed, last := 0, proto.ID{}
		for end := s.now + 30*time.Second; s.now < end; s.run(20 * time.Millisecond) {
			h := s.nodes[5].m.head
			if h.ID == last {
				continue
			}
			last = h.ID
			for _, u := range s.nodes[5].m.listed(h) {
				if u.Author == b.keys[0] {
					listed++
				}
			}
			u := b.sign(b.keys[0], h.Commit)
			s.only[u.Payload] = u.Height
			other := u
			other.Height, other.Seq, other.Parent = u.Height+1, u.Seq+1, payloadOf("nowhere", b.seq, 1)
			b.seq++
			other.ID = idOfUpdate(other)
			s.updates[other.ID] = other
			for i, x := range s.nodes {
				first, second := u, other
				if i == 0 {
					first, second = other, u
				}
				s.at(100*time.Millisecond, func() { x.step(Seen{Update: first}) })
				s.at(300*time.Millisecond, func() { x.step(Seen{Update: second}) })
			}
		}
		s.run(10 * time.Second)
		if heights := s.heights(); listed < 5 || slices.Max(heights)-slices.Min(heights) > 1 {
			t.Errorf("closed %v: heights %v; its updates are in %d rounds", closed, heights, listed)
		}
	}
}

// TestPlacesOfAThird has four of thirteen voters sign eight updates each, whose payloads trickle, in commits of others: they have a quarter of the
// places for fetching (all of the driver's 16 before: 12 rounds of 32).
func TestPlacesOfAThird(t *testing.T) {
	s, b := withVoters(9, 4, func(s *swarm) {
		s.closed, s.trickles = true, map[proto.ID]bool{}
		s.change = usualTimes
	})
	m := s.nodes[0].m
	h := m.head.Commit
	for i := range 8 {
		var e Pulled
		for _, k := range b.keys {
			u := b.sign(k, h)
			s.trickles[u.Payload] = true
			e.Commits = append(e.Commits, b.made(h, []Update{u}, proto.PeerID(fmt.Sprintf("invented-%d-%s", i, k))))
			e.Updates = append(e.Updates, u)
		}
		b.tell(e)
	}
	s.run(200 * time.Millisecond)
	taken := 0
	for _, k := range b.keys {
		taken += m.fetching[quota{of: k}]
	}
	if taken == 0 || taken > MaxFetching/4 {
		t.Errorf("%d of %d places are theirs", taken, MaxFetching)
	}
}

// TestPlacesOfStrangers has one of six voters list payloads of new keys in its commits that trickle, beside its own and a dozen newcomers': voters
// have a quarter of the places for fetching what they list of strangers, however many they are.
func TestPlacesOfStrangers(t *testing.T) {
	for others, want := range map[int]int{0: maxOfAuthor, 6: 2, 8: 0} {
		s, b := withVoters(5, 1, func(s *swarm) {
			s.trickles = map[proto.ID]bool{}
			s.change = usualTimes
		})
		m, k := s.nodes[0].m, b.keys[0]
		h := m.head.Commit
		for i := range others { // of voters of whom there are too many for a test
			m.fetching[quota{of: proto.PeerID(fmt.Sprint("voter-", i)), strangers: true}] = 1
		}
		sign := func(k proto.PeerID) Update {
			u := b.sign(k, h)
			s.trickles[u.Payload] = true
			return u
		}
		var e Pulled
		for i := range 12 {
			b.tell(Seen{Update: sign(proto.PeerID(fmt.Sprint("fresh-", i)))})
			own, listed := sign(k), sign(proto.PeerID(fmt.Sprint("listed-", i)))
			e.Commits = append(e.Commits, b.made(h, []Update{own}, proto.PeerID(fmt.Sprint("invented-", i))), b.made(h, []Update{listed}, k))
			e.Updates = append(e.Updates, own, listed)
		}
		b.tell(e)
		s.run(200 * time.Millisecond)
		if n := m.fetching[quota{of: k, strangers: true}]; n != want || m.strangers != MaxFetching/4 || m.fetching[quota{of: k}] != maxOfAuthor {
			t.Errorf("beside %d others': %d are fetched of strangers that a voter lists, want %d; %d of its own, %d of newcomers", others, n, want,
				m.fetching[quota{of: k}], m.strangers)
		}
	}
}

// TestBranchesOfStrangers has eight new keys say for a minute that they stand somewhere else each second: the four branches at first that a node
// asks for, and one each half a minute, are asked of the key alone.
func TestBranchesOfStrangers(t *testing.T) {
	s := newSwarm(4, 21)
	s.change = usualTimes
	for _, x := range s.nodes {
		x.start()
	}
	s.run(40 * time.Second)
	b := newMob(s, 8, 0, 1)
	asked := map[*simNode]int{}
	b.instead = func(x *simNode, effect Effect) bool {
		if e, ok := effect.(CatchUp); ok && slices.Contains(b.keys, e.Sources[0]) {
			if asked[x]++; len(e.Sources) > 1 {
				t.Errorf("%d more were asked for what a stranger speaks of", len(e.Sources)-1)
			}
			x.later(time.Second, func() { x.step(CaughtUp{Target: e.Target}) })
			return true
		}
		return false
	}
	for range 60 {
		for _, k := range b.keys {
			b.seq++
			b.tell(Heartbeat{From: k, Head: payloadOf(k, b.seq, 5), Height: 2000, Interval: 5 * time.Second})
		}
		s.run(time.Second)
	}
	for _, x := range s.nodes {
		if n := asked[x]; n < unknownBurst || n > unknownBurst+int(time.Minute/unknownEvery) {
			t.Errorf("%s asked for %d branches, want %d at first and one each %v", x.id, n, unknownBurst, unknownEvery)
		}
	}
}

// TestPlacesOfOneAuthor has a voter sign 33 updates for a head, each in a commit of its own by a closer of its invention,
// and let their payloads trickle: the others' payloads come as before.
func TestPlacesOfOneAuthor(t *testing.T) {
	run := func(closed, attack bool) (rounds uint64, honest int) {
		s, b := withVoters(5, 1, func(s *swarm) {
			s.closed, s.trickles = closed, map[proto.ID]bool{}
			s.change = usualTimes
		})
		k := b.keys[0]
		from, last, next := s.nodes[0].m.head.Height, proto.ID{}, s.now
		for end := s.now + 2*time.Minute; s.now < end; s.run(50 * time.Millisecond) {
			h := s.nodes[0].m.head
			b.say(b.keys, h.Commit, h.Height)
			if h.ID != last {
				last = h.ID
				for _, u := range s.nodes[0].m.listed(h) {
					if u.Author != k {
						honest++
					}
				}
			}
			switch {
			case !attack && h.Height%3 > 0, attack && s.now < next:
			case !attack || !slices.Contains(h.voters, k):
				b.publishOnce(b.keys, h.Commit)
			case !slices.ContainsFunc(b.authored(k), func(u Update) bool { return u.Parent == h.ID }):
				next = s.now + 50*time.Second
				var e Pulled
				for i := range 33 {
					u := b.sign(k, h.Commit)
					s.trickles[u.Payload] = true
					e.Commits = append(e.Commits, b.made(h.Commit, []Update{u}, proto.PeerID(fmt.Sprintf("invented-%02d", i))))
					e.Updates = append(e.Updates, u)
				}
				b.tell(e)
			}
		}
		return s.nodes[0].m.head.Height - from, honest
	}
	for _, closed := range []bool{true, false} {
		clean, _ := run(closed, false)
		rounds, honest := run(closed, true)
		t.Logf("closed %v: %d rounds, %d without; %d updates of the five in", closed, rounds, clean, honest)
		if 10*rounds < 8*clean || honest < int(rounds)*9/2 {
			t.Errorf("closed %v: %d rounds, %d without; %d updates of the five in", closed, rounds, clean, honest)
		}
	}
}

// TestRevokedBySibling has a member show a sibling of each head, with all honest updates and that of one who is revoked in
// place of the notice: it stays out.
func TestRevokedBySibling(t *testing.T) {
	s, b := withVoters(7, 2, func(s *swarm) { s.closed = true })
	k, out := b.keys[0], b.keys[1]
	for _, x := range s.nodes {
		x.step(Noticed{Notices: []Notice{{ID: payloadOf("notice", 1, 1), Kind: RevokePeer, Subject: string(out), Signer: testCommunity}}})
	}
	from, last := s.nodes[0].m.head.Height, proto.ID{}
	for end := s.now + 30*time.Second; s.now < end; s.run(20 * time.Millisecond) {
		h := s.nodes[0].m.head
		b.tell(Heartbeat{From: k, Head: h.ID, Height: h.Height, Rate: 1, Paused: true, Interval: 500 * time.Millisecond})
		if h.Height > from && h.parent.ID != last {
			last = h.parent.ID
			us := append(s.of(h.parent.Commit), b.sign(k, h.parent.Commit), b.sign(out, h.parent.Commit))
			byAuthor(us)
			b.announce(b.made(h.parent.Commit, us, k)) // with its parent's notices alone
		}
	}
	rounds := 0
	for c := s.nodes[0].m.head.Commit; c.Height > from; c = s.commits[c.Parent] {
		rounds++
		if len(c.Notices) == 0 || slices.ContainsFunc(c.Updates, func(id proto.ID) bool { return s.updates[id].Author == out }) {
			t.Errorf("height %d has %d notices and %d updates", c.Height, len(c.Notices), len(c.Updates))
		}
	}
	if rounds < 5 {
		t.Errorf("%d rounds", rounds)
	}
}

// TestVoterOnBothSides has a voter close two commits in its turn, show one to each half, sign one update on the first, and
// say by heartbeats that it stands on the second: each half would count it as its own.
func TestVoterOnBothSides(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s, b := withVoters(4, 1, func(s *swarm) {
			s.closed, s.snapshot = closed, 20
			s.change = usualTimes
		})
		k, first := b.keys[0], s.nodes[0]
		for _, x := range s.nodes {
			x.deepest = 0
		}
		var second Commit
		split, splits, apart := time.Duration(-1), 0, time.Duration(0)
		ready := func(h *block, others int) bool {
			us, _ := first.m.candidates(h)
			turns := first.m.closers(us)
			return len(s.heads()) == 1 && first.m.round.due && len(turns) > 0 && turns[0] == k && len(s.of(h.Commit)) == others &&
				!slices.ContainsFunc(s.nodes, func(x *simNode) bool { us, _ := x.m.candidates(x.m.head); return len(x.m.heldOf(us)) <= others })
		}
		for end := s.now + 3*time.Minute; s.now < end; s.run(100 * time.Millisecond) {
			if len(s.heads()) > 1 {
				apart += 100 * time.Millisecond
			}
			h := first.m.head
			if split >= 0 {
				b.say(b.keys, second, second.Height)
				if d := s.now - split; d > 4*time.Second && d < 6*time.Second && len(s.heads()) == 1 {
					split = -1
				}
				continue
			}
			b.say(b.keys, h.Commit, h.Height)
			b.publishOnce(b.keys, h.Commit)
			if !ready(h, len(s.nodes)) {
				continue
			}
			split, splits = s.now, splits+1
			honest := s.of(h.Commit)
			byAuthor(honest)
			all := slices.Clone(honest)
			for _, u := range b.authored(k) {
				if u.Parent == h.ID {
					all = append(all, u)
				}
			}
			byAuthor(all)
			one := b.made(h.Commit, all, k)
			second = b.made(h.Commit, honest, k)
			for i, c := range []Commit{one, second} {
				for j, x := range s.nodes {
					after := 50 * time.Millisecond
					if j/2 != i {
						after += 600 * time.Millisecond
					}
					s.at(after, func() { x.step(Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, Closer: k}) })
				}
			}
			u := b.sign(k, one)
			s.at(100*time.Millisecond, func() { b.tell(Seen{Update: u}) })
		}
		t.Logf("closed %v: split %d times, apart %v of 3m", closed, splits, apart)
		if splits < 3 || apart > 30*time.Second {
			t.Errorf("closed %v: split %d times, apart %v of 3m", closed, splits, apart)
		}
		for _, x := range s.nodes {
			if x.deepest > 1 {
				t.Errorf("closed %v: %s was made to undo %d commits", closed, x.name, x.deepest)
			}
		}
	}
}

// TestNewcomerAmongQuestions has eight strangers tell a newcomer of branches that nobody has, and are slow to say so: it
// comes up with the others all the same.
func TestNewcomerAmongQuestions(t *testing.T) {
	s := newSwarm(6, 21)
	s.nowhere, s.snapshot = map[proto.ID]bool{}, 20
	s.change = usualTimes
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
		if x.i < 5 {
			x.start()
		}
	}
	s.run(2 * time.Minute)
	b := newMob(s, 8, 0, 1)
	ref, v := s.nodes[0], s.nodes[5]
	v.start()
	for i, end := 0, s.now+time.Minute; v.m.head.Height+2 < ref.m.head.Height; i++ {
		for _, k := range b.keys {
			if i%20 > 0 { // two a second
				continue
			}
			b.seq++
			a := Announced{Commit: payloadOf(k, b.seq, 5), Parent: payloadOf(k, b.seq, 6), Height: ref.m.head.Height + 1, Closer: k}
			beat := payloadOf(k, b.seq, 7)
			s.nowhere[a.Commit], s.nowhere[beat] = true, true
			v.step(a)
			v.step(Heartbeat{From: k, Head: beat, Height: a.Height, Interval: 5 * time.Second})
		}
		if s.run(25 * time.Millisecond); s.now > end {
			t.Fatalf("after a minute the newcomer stands at height %d, the others at %d", v.m.head.Height, ref.m.head.Height)
		}
	}
}

// TestVotersReturn has five of nine voters of an open swarm pause for 20 s: one after the other they vote again (in 6 min not all did, where each head drew
// anew which of them it listed).
func TestVotersReturn(t *testing.T) {
	s := usualSwarm(9, 2, false)
	for end := s.now + 5*time.Minute; s.now < end && s.nodes[0].m.head.seniors() < 9; {
		s.done = 0
		s.run(10 * time.Second)
	}
	pause := func(on bool) {
		for _, x := range s.nodes[4:] {
			x.paused = on
			x.step(Training{On: !on})
		}
	}
	pause(true)
	s.run(20 * time.Second)
	pause(false)
	began := s.now
	for ; s.now < began+3*time.Minute && s.nodes[0].m.head.seniors() < 9; s.run(time.Second) {
		s.done = 0
	}
	if took := s.now - began; s.nodes[0].m.head.seniors() < 9 || took > 2*time.Minute {
		t.Errorf("%d of nine vote after %v", s.nodes[0].m.head.seniors(), took)
	}
}

// TestVoterReturns cuts a voter of an open swarm off for 12 s, in which its roster goes by, while 60 fresh keys publish on each head: it is listed
// again soon (after 54 s, 3 min 26 s and not within 5 min before who voted came first).
func TestVoterReturns(t *testing.T) {
	for seed := uint64(1); seed <= 1; seed++ {
		s := usualSwarm(7, seed, false)
		for end := s.now + 6*time.Minute; s.now < end && len(s.nodes[0].m.head.voters) < 7; {
			s.done = 0
			s.run(30 * time.Second)
		}
		b, voter, seen := newMob(s, 60, 0, seed), s.nodes[6].id, map[proto.ID]bool{}
		s.cut = func(a, c int) bool { return a == 6 || c == 6 }
		began, back := s.now, time.Duration(0)
		for s.now < began+72*time.Second && back == 0 {
			s.done = 0
			if s.now >= began+12*time.Second {
				s.cut = func(int, int) bool { return false }
			}
			h := s.nodes[0].m.head
			if s.now%time.Second == 0 {
				b.say(b.keys, h.Commit, h.Height)
			}
			if !seen[h.ID] && s.nodes[0].m.round.due {
				seen[h.ID] = true
				b.publishOnce(b.keys, h.Commit)
				for i, k := range b.keys { // one that is about to be past probation gives way to another
					if r := h.Rank(k); r >= 0 && h.Roster[r].Seen >= probation-2 {
						b.keys[i] = freshKey(b.seq)
					}
				}
			}
			s.run(50 * time.Millisecond)
			if in := s.nodes[0].m.head.Commit; s.now > began+12*time.Second && slices.ContainsFunc(in.Updates, func(id proto.ID) bool { return s.updates[id].Author == voter }) {
				back = s.now - began - 12*time.Second
			}
		}
		if back == 0 || back > 30*time.Second {
			t.Errorf("seed %d: it is back after %v", seed, back)
		}
	}
}
