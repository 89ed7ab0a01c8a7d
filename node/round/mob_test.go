package round

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/murmurnet/murmur/proto"
)

// mob is somebody with many keys who hears and says all that the protocol lets
// anybody say: it signs updates, heartbeats and commits of any shape, serves what it
// made, and answers questions with branches that it invented.
type mob struct {
	s       *swarm
	rng     *rand.Rand
	keys    []proto.PeerID
	members int // of the keys, the first so many belong to a closed swarm
	listed  map[proto.PeerID]int
	seq     uint64
	commits map[proto.ID]Commit
	deeds   []string
	mute    bool                        // serves no payloads
	instead func(*simNode, Effect) bool // answers in its place, where it does
	hold    func(Update) bool           // keeps who asks for a payload waiting while it says so
}

func newMob(s *swarm, keys, members int, seed uint64) *mob {
	b := &mob{s: s, rng: rand.New(rand.NewPCG(seed, 11)), members: members, listed: map[proto.PeerID]int{}, commits: map[proto.ID]Commit{}}
	for i := range keys {
		b.keys = append(b.keys, proto.PeerID(fmt.Sprintf("mob-%02d", i)))
	}
	s.mob = b
	return b
}

// heard tells whether drivers pass on what a key says: in a closed swarm, a member's.
func (b *mob) heard(key proto.PeerID) bool {
	return !b.s.closed || slices.Index(b.keys, key) < b.members
}

func (b *mob) pick() proto.PeerID { return b.keys[b.rng.IntN(len(b.keys))] }

// tell sends an event to all honest nodes.
func (b *mob) tell(e Event) {
	for _, to := range b.s.nodes {
		if life := to.life; to.up {
			b.s.at(b.s.delay(), func() {
				if to.up && to.life == life {
					to.step(e)
				}
			})
		}
	}
}

// victim is an honest node, whose tree the mob knows.
func (b *mob) victim() *simNode { return b.s.nodes[b.rng.IntN(len(b.s.nodes))] }

// sign makes an update by a key.
func (b *mob) sign(key proto.PeerID, parent Commit) Update {
	b.seq++
	u := Update{
		Author: key, Parent: parent.ID, Height: parent.Height + 1, Seq: b.seq, Tokens: parent.Cap(), High: parent.Cursor, Size: 16,
		Payload: payloadOf(key, b.seq, 3),
	}
	if b.s.closed && b.heard(key) {
		u.Proof.Signer = testCommunity
	}
	u.ID = idOfUpdate(u)
	b.s.updates[u.ID], b.s.values[u.Payload], b.s.made[u.Payload] = u, 3, key
	return u
}

// close makes a commit of some keys' updates, and of honest ones if it likes.
func (b *mob) close(parent Commit, keys []proto.PeerID, honest bool) Commit {
	var us []Update
	for _, k := range keys {
		us = append(us, b.sign(k, parent))
	}
	if honest {
		of := map[proto.ID]Update{}
		for id, u := range b.s.updates {
			if u.Parent == parent.ID {
				of[id] = u
			}
		}
		for _, id := range sortedIDs(of) {
			u := of[id]
			if !slices.Contains(b.keys, u.Author) && !slices.ContainsFunc(us, func(o Update) bool { return o.Author == u.Author }) {
				us = append(us, u)
			}
		}
	}
	slices.SortFunc(us, func(x, y Update) int { return cmp.Compare(x.Author, y.Author) })
	c := Derive(b.s.config("mob"), parent, us, nil, parent.Notices)
	c.Root, c.Closer = rootOf(parent, us), keys[0]
	c.ID = idOf(c)
	b.s.commits[c.ID], b.commits[c.ID] = c, c
	return c
}

func (b *mob) announce(c Commit) {
	if b.heard(c.Closer) {
		b.tell(Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, Closer: c.Closer})
	}
}

// some draws distinct keys, n at most.
func (b *mob) some(n int) []proto.PeerID {
	keys := slices.Clone(b.keys)
	b.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys[:min(n, len(keys))]
}

// beat has all keys say that they stand somewhere.
func (b *mob) beat(c Commit, height uint64) {
	for _, k := range b.keys {
		if b.heard(k) {
			b.tell(Heartbeat{From: k, Head: c.ID, Height: height, Tokens: uint64(b.rng.IntN(2)) * 1e12, Interval: 5 * time.Second})
		}
	}
}

// act does one thing, chosen by chance.
func (b *mob) act() {
	v := b.victim()
	if v.m == nil {
		return
	}
	head := v.m.head
	low := head
	for range b.rng.IntN(12) {
		if low.parent != nil {
			low = low.parent
		}
	}
	what := b.rng.IntN(8)
	b.deeds = append(b.deeds, fmt.Sprintf("%.2fs %d", b.s.now.Seconds(), what))
	switch what {
	case 0: // stand on the head, the base, or nowhere
		b.beat([]Commit{head.Commit, low.Commit, v.m.base.Commit, {ID: payloadOf("nowhere", b.seq, 0)}}[b.rng.IntN(4)], head.Height+uint64(b.rng.IntN(2000)))
	case 1: // get listed, each key as often as probation lets it
		for _, k := range b.some(3) {
			if b.s.closed || b.listed[k] < probation-1 {
				b.listed[k]++
				b.tell(Seen{Update: b.sign(k, head.Commit)})
			} else { // a fresh key in its place
				i := slices.Index(b.keys, k)
				b.keys[i] = proto.PeerID(fmt.Sprintf("mob-%02d-%d", i, b.seq))
			}
		}
	case 2, 3, 4: // a branch of its own, from the head or below it, with all keys on it
		c := low.Commit
		if what == 2 {
			c = head.Commit
		}
		for range 1 + b.rng.IntN(6) {
			c = b.close(c, b.some(1+b.rng.IntN(b.s.config("mob").newcomers(c))), b.rng.IntN(2) == 0)
			b.announce(c)
		}
		b.beat(c, c.Height)
	case 5: // two updates for one parent
		k := b.pick()
		b.tell(Seen{Update: b.sign(k, head.Commit)})
		b.tell(Seen{Update: b.sign(k, head.Commit)})
	case 6: // a chain of commits on the head's parent, with the honest updates in the first
		if head.parent == nil {
			return
		}
		c := b.close(head.parent.Commit, b.some(1), true)
		b.announce(c)
		for range 3 {
			c = b.close(c, b.some(1), false)
			b.announce(c)
		}
		b.beat(c, c.Height)
	case 7: // a branch that shares nothing, whose voters are invented
		b.invade()
	}
}

// invade offers a snapshot with voters of the mob's own.
func (b *mob) invade() {
	cfg := b.s.config("mob")
	base := Commit{Height: cfg.Snapshot * (1 + uint64(b.rng.IntN(50))), NextH: 20, Target: 20 * stepTokens, Tokens: 1e12, Root: payloadOf("root", b.seq, 1)}
	base.Parent = payloadOf("parent", b.seq, 2)
	for _, k := range b.keys {
		base.Roster = append(base.Roster, Member{Peer: k, Seen: probation})
	}
	slices.SortFunc(base.Roster, func(x, y Member) int { return cmp.Compare(x.Peer, y.Peer) })
	base.Closer = b.keys[0]
	base.ID = idOf(base)
	b.s.commits[base.ID], b.commits[base.ID] = base, base
	c := b.close(base, b.keys, false)
	f := Foreign{Branch: []Commit{base, c}}
	for _, id := range c.Updates {
		f.Updates = append(f.Updates, b.s.updates[id])
	}
	for _, k := range b.keys { // all of them stand on it
		f.Updates = append(f.Updates, b.sign(k, c))
	}
	b.beat(c, c.Height)
	b.tell(f)
}

// answers serves what the mob made, to whoever asks.
func (b *mob) answers(n *simNode, effect Effect) bool {
	if b.instead != nil && b.instead(n, effect) {
		return true
	}
	later := func(e Event) bool {
		n.later(2*b.s.delay(), func() { n.step(e) })
		return true
	}
	path := func(id proto.ID, have func(proto.ID) bool) (e Pulled) {
		for c, ok := b.commits[id]; ok && !have(c.ID); c, ok = b.commits[c.Parent] {
			e.Commits = append([]Commit{c}, e.Commits...)
			for _, u := range c.Updates {
				e.Updates = append(e.Updates, b.s.updates[u])
			}
		}
		return e
	}
	switch e := effect.(type) {
	case Pull:
		if _, ok := b.commits[e.Commit]; ok {
			return later(path(e.Commit, func(id proto.ID) bool { return id != e.Commit }))
		}
	case CatchUp:
		if _, ok := b.commits[e.Target]; ok && !slices.ContainsFunc(b.s.nodes, func(x *simNode) bool { return len(e.Sources) > 0 && x.id == e.Sources[0] }) {
			later(path(e.Target, func(id proto.ID) bool { return slices.Contains(e.Have, id) }))
			return later(CaughtUp{Target: e.Target})
		}
	case Fetch:
		if slices.Contains(b.keys, e.Update.Author) && b.hold != nil {
			var serve func()
			serve = func() {
				if b.hold(e.Update) {
					n.later(10*time.Millisecond, serve)
					return
				}
				n.payloads[e.Update.Payload] = true
				n.later(b.s.delay(), func() { n.step(Held{Use: e.Update.Use()}) })
			}
			n.later(b.s.delay(), serve)
			return true
		}
		if slices.Contains(b.keys, e.Update.Author) && !b.mute && b.rng.IntN(4) > 0 {
			n.payloads[e.Update.Payload] = true
			return later(Held{Use: e.Update.Use()})
		}
	case Enter:
		if _, ok := b.commits[e.Commit.ID]; ok {
			return later(Landed{Commit: e.Commit})
		}
	}
	return false
}

// TestHostileKeys lets somebody with any number of keys, fresh ones, listed ones and,
// in a closed swarm, members fewer than half of the honest, do its worst for 40 seconds.
// The others must go on closing rounds with each other's work in them, never undo more
// than the last, and agree.
func TestHostileKeys(t *testing.T) { randomly(t, besieged) }

func besieged(t *rapid.T) int {
	n := rapid.IntRange(3, 6).Draw(t, "nodes")
	seed := rapid.Uint64().Draw(t, "seed")
	s := newSwarm(n, seed)
	s.closed = rapid.Bool().Draw(t, "closed")
	for _, x := range s.nodes {
		x.rate = nodeRate * rapid.Float64Range(0.5, 2).Draw(t, "speed "+x.name)
		x.start()
	}
	old := func(x *simNode) bool { return x.m.base.Height > 0 }
	for range 60 { // until all branches share a past
		if s.run(time.Second); !slices.ContainsFunc(s.nodes, func(x *simNode) bool { return !old(x) }) {
			break
		}
	}
	began := s.nodes[0].m.head.Height
	members := 0
	if s.closed {
		members = rapid.IntRange(0, (n-1)/2).Draw(t, "members")
	}
	b := newMob(s, members+rapid.IntRange(1, 20).Draw(t, "keys"), members, seed)
	for _, x := range s.nodes {
		x.included, x.deepest = 0, 0
	}
	acts := rapid.IntRange(1, 100).Draw(t, "acts")
	const siege = 40 * time.Second
	for range acts {
		b.act()
		s.run(siege / time.Duration(acts))
	}
	// A round takes two seconds in peace.
	const longest = 6 * time.Second
	for _, x := range s.nodes {
		if x.m.head.Height < began+uint64(siege/longest) {
			s.fault("%s stands at height %d after %s, it was %d", x.name, x.m.head.Height, siege, began)
		}
		if x.deepest > 1 {
			s.fault("%s was made to undo %d commits at once", x.name, x.deepest)
		}
		if x.included < int(siege/longest)/2 {
			s.fault("%d updates of %s were taken in", x.included, x.name)
		}
	}
	for _, x := range s.nodes {
		x.paused = true
		x.step(Training{On: false})
	}
	s.run(restsAfter + 15*time.Second) // a commit that leaves out who trained just now is not taken before
	if h := s.heads(); len(h) != 1 {
		s.fault("%d heads among the honest", len(h))
	}
	s.report(t, b.deeds)
	return s.steps
}
