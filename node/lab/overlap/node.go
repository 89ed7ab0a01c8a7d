package overlap

import (
	"fmt"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// Bounds as in node/status and in node/exchange, which bounds fetches and questions apart.
const (
	maxTransfers = 16 // most fetches and questions at once
	askPeers     = 3  // most peers that are asked one question
	minBeat      = 500 * time.Millisecond
	maxBeat      = 5 * time.Second
)

// node drives one round machine, as node's loop does.
type node struct {
	s        *swarm
	i        int
	id       proto.PeerID
	m        *round.Machine
	executor *executor
	device   *device

	held      map[proto.ID]bool // payloads that are here
	commits   map[proto.ID]bool // commits whose bodies are here
	owes      round.Contract
	updates   map[proto.ID][]round.Update
	transfers bound // fetches and questions of the node
	fetches   bound // fetches of p2p/blob
	served    bound // answers to other nodes

	adopted   time.Duration
	lastRound time.Duration
	beatAt    time.Duration

	exchanges []time.Duration
	late      uint64
	left      int // commits without this node's update
	switches  int // moves from one branch to another
}

// post has the machine take an event, after what is being done now.
func (n *node) post(e round.Event) {
	n.s.clock.after(0, func() { n.step(e) })
}

func (n *node) step(e round.Event) {
	for _, effect := range n.m.Step(n.s.clock.now, e) {
		n.carryOut(effect)
	}
}

// tick is what the loop does every 50 ms.
func (n *node) tick() {
	n.step(round.Tick{})
	interval := n.interval()
	if n.s.clock.now-n.beatAt >= interval {
		n.beat()
	}
	n.s.clock.after(round.TickEvery, n.tick)
}

func (n *node) interval() time.Duration { return min(max(n.lastRound/10, minBeat), maxBeat) }

func (n *node) beat() {
	n.beatAt = n.s.clock.now
	st := n.m.Status()
	h := round.Heartbeat{
		From: n.id, Head: st.Head.ID, Height: st.Head.Height, Tokens: st.Lacking, Rate: n.device.rate, Interval: n.interval(),
	}
	n.s.gossip(n, func(to *node) { to.step(h) })
}

// know keeps an update for peers that ask.
func (n *node) know(u round.Update) bool {
	us := n.updates[u.Parent]
	if slices.ContainsFunc(us, func(o round.Update) bool { return o.ID == u.ID }) {
		return false
	}
	n.updates[u.Parent] = append(us, u)
	n.s.updates[u.ID] = u
	return true
}

func (n *node) hear(u round.Update) {
	n.know(u)
	n.step(round.Seen{Update: u})
}

func (n *node) carryOut(effect round.Effect) {
	s := n.s
	switch e := effect.(type) {
	case round.Publish:
		n.executor.publish(e)
	case round.Build:
		n.executor.build(e)
	case round.Verify:
		n.executor.verify(e)
	case round.Adopt:
		n.adopt(e)
	case round.AnnounceUpdate:
		u := s.updates[e.Update]
		s.gossip(n, func(to *node) { to.hear(u) })
	case round.Announce:
		c := e.Commit
		a := round.Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, View: c.View, Closer: c.Closer}
		s.gossip(n, func(to *node) { to.step(a) })
	case round.Fetch:
		n.transfer(func(done func()) {
			n.fetch(e, func(ok bool) {
				done()
				if !ok {
					n.step(round.Missed{Payload: e.Update.Payload})
					return
				}
				s.clock.after(s.p.Costs.Store, func() {
					n.held[e.Update.Payload] = true
					n.step(round.Held{Use: e.Update.Use()})
				})
			})
		})
	case round.Pull:
		n.transfer(func(done func()) { n.pull(e, done) })
	case round.CatchUp:
		n.transfer(func(done func()) { n.catchUp(e, done) })
	case round.AskUpdates:
		n.transfer(func(done func()) { n.askUpdates(e, done) })
	case round.Rebase:
		n.rebase(e.Commit)
	case round.Beat:
		n.beat()
	default:
		s.fail(fmt.Errorf("the round machine asks for %T, which a swarm without faults does not need", effect))
	}
}

// adopt notes the round that ends.
func (n *node) adopt(e round.Adopt) {
	s := n.s
	n.lastRound, n.adopted = s.clock.now-n.adopted, s.clock.now
	in := slices.ContainsFunc(e.Included, func(u round.Update) bool { return u.Author == n.id })
	if !in {
		n.left++
	}
	if n.i == 0 {
		s.rounds = append(s.rounds, Round{
			Height: e.To.Height, Seconds: n.lastRound.Seconds(), Updates: len(e.Included), View: e.To.View, NextH: e.To.NextH,
		})
	}
	n.executor.adopt(e, n.m.Status())
}

// rebase forgets what belongs to rounds that no peer asks about any more.
func (n *node) rebase(base round.Commit) {
	for parent := range n.updates {
		if c, ok := n.s.commits[parent]; ok && c.Height+snapshotEvery < base.Height {
			delete(n.updates, parent)
		}
	}
}

func (n *node) transfer(do func(done func())) {
	n.transfers.take(func() { do(n.transfers.free) })
}

// question asks one peer after the other; a call of no goes on to the next.
func (n *node) question(sources []proto.PeerID, bytes float64, answer func(p *node, no func()), nobody func()) {
	s := n.s
	if len(sources) == 0 {
		nobody()
		return
	}
	i := s.index(sources[0])
	no := func() { n.question(sources[1:], bytes, answer, nobody) }
	if i < 0 || i == n.i {
		no()
		return
	}
	p := s.nodes[i]
	s.clock.after(s.small(n)+s.small(p), func() {
		s.links.sent[p.i] += bytes
		answer(p, no)
	})
}

// envelope is a signed update on the wire, with its framing, in bytes.
const envelope = 300

func (n *node) pull(e round.Pull, done func()) {
	n.question(e.Sources, float64(n.s.p.Nodes)*envelope, func(p *node, no func()) {
		if !p.commits[e.Commit] {
			no()
			return
		}
		n.pulled(e.Commit)
		done()
	}, func() {
		n.step(round.PullFailed{Commit: e.Commit})
		done()
	})
}

func (n *node) pulled(id proto.ID) {
	c := n.s.commits[id]
	n.commits[id] = true
	var us []round.Update
	for _, u := range c.Updates {
		us = append(us, n.s.updates[u])
	}
	n.step(round.Pulled{Commits: []round.Commit{c}, Updates: us})
}

func (n *node) catchUp(e round.CatchUp, done func()) {
	n.question(e.Sources, float64(n.s.p.Nodes)*envelope, func(p *node, no func()) {
		branch := p.m.Branch(256)
		known := -1
		for i, c := range branch {
			if slices.Contains(e.Have, c.ID) {
				known = i
			}
		}
		if known < 0 || known == len(branch)-1 {
			no()
			return
		}
		for _, c := range branch[known+1:] {
			n.pulled(c.ID)
		}
		n.step(round.CaughtUp{Target: e.Target})
		done()
	}, func() {
		n.step(round.CaughtUp{Target: e.Target})
		done()
	})
}

func (n *node) askUpdates(e round.AskUpdates, done func()) {
	left := askPeers
	n.question(e.Sources, envelope, func(p *node, no func()) {
		us := slices.Clone(p.updates[e.Parent])
		n.s.links.sent[p.i] += float64(len(us)) * envelope
		for _, u := range us {
			n.hear(u)
		}
		if left--; left == 0 {
			done()
			return
		}
		no()
	}, done)
}
