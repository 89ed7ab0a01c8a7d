package round

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// What a simulated node may do beside the protocol, or against it.
type tricks struct {
	hush     bool              // sends and serves nothing, but hears all
	withhold map[*simNode]bool // to whom no payload is served
	boast    bool              // claims 10¹² tokens a second and 10¹⁸ tokens
	hasty    bool              // closes every round at once, with its own update alone
	stepTime time.Duration     // tokens count when a step of this length ends
	dull     bool              // has learned all there is: every update has the same payload
	leaving  bool              // has said goodbye
	backup   *durable          // of its disk
}

// durable is what a simulated disk holds.
type durable struct {
	payloads, saved map[proto.ID]bool
	head            proto.ID
	base            Commit
	own             map[proto.ID]uint64
	savedD          float64
	savedAt         proto.ID
	savedSeq        uint64
	savedLak        uint64
}

// copyDisk returns the disk as it is now.
func (n *simNode) copyDisk() *durable {
	clone := func(m map[proto.ID]bool) map[proto.ID]bool {
		c := map[proto.ID]bool{}
		for k := range m {
			c[k] = true
		}
		return c
	}
	d := &durable{
		payloads: clone(n.payloads), saved: clone(n.saved), head: n.head, base: n.base, own: map[proto.ID]uint64{},
		savedD: n.savedD, savedAt: n.savedAt, savedSeq: n.savedSeq, savedLak: n.savedLak,
	}
	for k, v := range n.own {
		d.own[k] = v
	}
	return d
}

// putDisk puts an old disk in place of the present one.
func (n *simNode) putDisk(d *durable) {
	n.payloads, n.saved, n.head, n.base, n.own = d.payloads, d.saved, d.head, d.base, d.own
	n.savedD, n.savedAt, n.savedSeq, n.savedLak = d.savedD, d.savedAt, d.savedSeq, d.savedLak
}

// rush closes a round at once with an update of one's own, which nobody asked for.
func (n *simNode) rush(parent Commit) {
	s := n.s
	seq := n.m.own.seq + 1
	for _, u := range s.updates {
		if u.Author == n.id && u.Parent == parent.ID {
			return
		}
	}
	u := n.sign(parent.ID, parent.Height+1, seq, parent.Target, 1, parent.Highest(n.id, parent.Target, seqLen))
	n.m.cfg.Contract = nil
	n.step(Published{Update: u, Covers: u.Tokens})
	c := Derive(s.config(n.id), parent, []Update{u}, nil, nil)
	c.Root = rootOf(parent, []Update{u})
	c.ID = idOf(c)
	c.Closer = n.id
	s.commits[c.ID] = c
	n.saved[c.ID] = true
	s.gossip(n, func(to *simNode) { to.hear(u) })
	n.step(Built{Commit: c})
}

// equivocate signs a second update for the parent of one's newest, and shows it
// to some.
func (n *simNode) equivocate(to []*simNode) {
	var newest *Update
	for _, us := range n.m.authors[n.id] {
		newest = us
	}
	if newest == nil {
		return
	}
	u := n.sign(newest.Parent, newest.Height, newest.Seq, newest.Tokens, -1, newest.High)
	for _, x := range to {
		n.s.send(n, x, func(x *simNode) { x.hear(u) })
	}
}

// sign makes an update and its payload, against all rules if need be.
func (n *simNode) sign(parent proto.ID, height, seq, tokens uint64, z float64, high uint64) Update {
	s := n.s
	u := Update{
		Author: n.id, Parent: parent, Height: height, Seq: seq, Tokens: tokens, High: high, Size: 16, Exchange: n.exchange, StepTime: n.stepTime,
		Payload: payloadOf(n.id, seq, z),
	}
	if n.dull {
		z, u.Payload = 0, payloadOf(n.id, 0, 0)
	}
	if s.closed {
		u.Proof.Signer = testCommunity
	}
	u.ID = idOfUpdate(u)
	s.updates[u.ID], s.values[u.Payload], s.made[u.Payload] = u, z, n.id
	n.payloads[u.Payload], n.seen[u.ID] = true, true
	n.own[u.ID] = tokens
	return u
}

// serves tells whether n answers the questions of another node.
func (n *simNode) serves(to *simNode) bool {
	return n.up && !n.stalled && !n.hush && !n.s.cut(to.i, n.i)
}

func (s *swarm) named(words []string) (nodes []*simNode) {
	for _, n := range s.nodes {
		if slices.Contains(words, n.name) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}
