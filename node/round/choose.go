package round

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// choose applies the fork choice and moves the head.
func (m *Machine) choose() {
	tip := m.next(m.base)
	if tip == m.head {
		return
	}
	from := m.head
	lca := common(from, tip)
	left, joined := m.ownAbove(lca, from), m.ownAbove(lca, tip)
	m.own.move(left, joined)
	missing := m.leftOut(tip)
	caughtUp := from != tip.parent
	m.enter(tip)
	m.do(Adopt{
		From: from.Commit, To: tip.Commit, Delivered: m.own.delivered, More: m.more(),
		Included: m.listed(tip), Missing: missing, Left: left, Joined: joined,
	})
	m.rebase()
	m.drop()
	m.do(Beat{})
	if caughtUp {
		m.do(AskUpdates{Parent: tip.ID, Sources: m.sources(nil)})
	}
}

// more tells whether a commit on the head has all that its check needs.
func (m *Machine) more() bool {
	return slices.ContainsFunc(m.head.children, func(b *block) bool { return b.state == pending && m.complete(b) })
}

// enter starts the round on a new head.
func (m *Machine) enter(b *block) {
	m.noteLapsed(b)
	served := b.parent == m.head && slices.ContainsFunc(m.listed(b), func(u Update) bool { return !m.counts(u.Author) })
	m.waits.next(m.now, m.now-m.round.since, 2*m.cfg.Grace, served)
	since := m.now
	if b.Height <= m.head.Height {
		since = m.round.since // a sibling's round is no new one, or turning to and fro would never end it
	}
	m.head, m.damaged = b, false
	m.meet(b)
	m.refresh()
	m.round, m.own.done = current{since: since}, false
	us, _ := m.candidates(b)
	for _, u := range us {
		if m.holds(u) {
			m.round.held, m.round.heldAt = true, m.now
		}
	}
}

// meet remembers the voters of a head of this node's.
func (m *Machine) meet(b *block) {
	news := 0
	for _, p := range b.voters {
		if _, ok := m.known[p]; !ok {
			if news++; news > maxPeers/2 {
				continue // a snapshot may name as many as it likes, and those known before are not forgotten for them
			}
		}
		m.known[p] = m.now
	}
	m.hadSeniors = m.hadSeniors || b.seniors() >= minSeniors
	for len(m.known) > maxPeers {
		oldest := slices.MinFunc(sortedPeers(m.known), func(p, q proto.PeerID) int { return cmp.Compare(m.known[p], m.known[q]) })
		delete(m.known, oldest)
	}
}

// best returns the tip that the fork choice prefers at or above b, among blocks
// that may count: at each fork the child with the most voters, then the one whose committed
// tokens since the fork reach a higher power of two, then the lower id. A descendant
// always beats its ancestor.
func (m *Machine) best(b *block, may func(*block) bool) *block {
	return m.tip(b, may, map[*block]*block{})
}

// tip is best with a memory of tips by the child of a fork: without it, the cost
// doubles with every fork above another.
func (m *Machine) tip(b *block, may func(*block) bool, tips map[*block]*block) *block {
	at := b
	for tips[at] == nil {
		c := m.preferred(at, may, may, tips)
		if c == nil {
			tips[at] = at
			break
		}
		at = c
	}
	tips[b] = tips[at]
	return tips[b]
}

// next returns the block that the head goes to: up from b along the preferred
// branch, as far as it is ripe. Branches are compared by all that is valid on them,
// or nodes that wait for different blocks would compare different things.
func (m *Machine) next(b *block) *block {
	tips := map[*block]*block{}
	for {
		c := m.preferred(b, m.ripe, (*block).leads, tips)
		if c == nil {
			return b
		}
		b = c
	}
}

// preferred returns the child of b, of those that may be taken, which the fork
// choice prefers by the blocks that count; nil where there is none.
func (m *Machine) preferred(b *block, may, counts func(*block) bool, tips map[*block]*block) *block {
	var rivals []rival
	for _, c := range b.children {
		if may(c) {
			rivals = append(rivals, rival{child: c})
		}
	}
	switch len(rivals) {
	case 0:
		return nil
	case 1:
		return rivals[0].child
	}
	for i, r := range rivals {
		rivals[i].tip = m.tip(r.child, counts, tips)
	}
	m.count(rivals)
	best := rivals[0]
	for _, r := range rivals[1:] {
		if r.beats(best) {
			best = r
		}
	}
	return best.child
}

// rival is a branch of a fork.
type rival struct {
	child, tip *block
	votes      int
}

// beats compares two branches of one fork. Tokens count by their order of
// magnitude, in powers of two since the fork: branches grow while word of them
// travels, and were each token counted, the sides of an even fork could pass each
// other by for ever, or each see itself ahead.
func (r rival) beats(o rival) bool {
	tokens, others := r.tip.Tokens, o.tip.Tokens
	if r.child.parent != nil {
		tokens -= r.child.parent.Tokens
		others -= r.child.parent.Tokens
	}
	switch {
	case r.votes != o.votes:
		return r.votes > o.votes
	case bits.Len64(tokens) != bits.Len64(others):
		return tokens > others
	case r.child.ID == o.child.ID: // of branches with one first peer: a tie would keep who is at rest from those who went on until these have twice its tokens
		return tokens > others
	default:
		return slices.Compare(r.child.ID[:], o.child.ID[:]) < 0
	}
}

// followed tells whether a heartbeat of a peer, but for one, names b or a
// descendant of it.
func (m *Machine) followed(b *block, but proto.PeerID) bool {
	for p, beat := range m.beats {
		if on := m.on(beat.Head); p != but && beat.fresh(m.now) && on != nil && on.under(b) {
			return true
		}
	}
	return false
}

// leftOut lists the members that took part in the round on a commit's parent
// and are not in it.
func (m *Machine) leftOut(b *block) []proto.PeerID {
	if b.parent == nil {
		return nil
	}
	in := map[proto.PeerID]bool{}
	for _, u := range m.listed(b) {
		in[u.Author] = true
	}
	var out []proto.PeerID
	for _, member := range b.parent.Roster {
		if !in[member.Peer] {
			out = append(out, member.Peer)
		}
	}
	return out
}
