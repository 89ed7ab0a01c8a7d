package round

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// ripe tells whether a valid commit may become the head now. One that leaves no active voter out comes at once from the
// closer whose turn is first; any other must wait for its closer's turn, or be vouched for by
// other voters: else whoever is quickest could close every round, without newcomers, or as two commits for two
// halves. Validity cannot say so, for it must be the same on all nodes.
func (m *Machine) ripe(b *block) bool {
	switch {
	case !b.leads() || !m.anchored(b):
		return false
	case m.head.under(b):
		return true
	case m.strange(b) && m.now-m.round.since < 2*m.cfg.Max:
		return false // where all who are past probation are away the rest may go on, but slowly
	case !b.under(m.head) && m.head.under(b.parent):
		return m.matches(b)
	case !b.under(m.head):
		stand, of := m.vouchers(b, b.parent) // the rest of another branch is judged from there
		return share(of, vouchShare) <= stand
	case b.parent != m.head:
		return m.vouched(b) // else one after the other
	}
	if b.own || m.vouched(b) || m.begun(b) {
		return true
	}
	us, _ := m.candidates(m.head)
	closers := m.closers(us)
	rank := slices.IndexFunc(closers, func(p proto.PeerID) bool { return p == b.Closer || slices.Contains(b.by, p) })
	first := rank == 0 && m.lists(b) // who hears nobody else is first of all that it hears
	if (len(m.head.voters) == 0 || first || m.Active() == 0) && !m.omits(b) {
		return true // all that could be had are in it, or nobody trains whom it could be waited for
	}
	if m.round.due && m.now-max(b.at, m.round.dueAt) >= m.cfg.Grace+time.Duration(max(len(m.head.voters), 1))*m.cfg.ViewTimeout {
		return true // whatever this node believes of the others, it does not stand alone
	}
	if rank < 0 || !m.round.ready {
		return false
	}
	// Half a view early is still on time: clocks of a round differ by message delays.
	wait := time.Duration(rank) * m.cfg.ViewTimeout / 2
	if slices.ContainsFunc(m.admissible(m.heldOf(us)), func(u Update) bool { return m.held[u.Use()] <= m.round.readyAt && !slices.Contains(b.Updates, u.ID) }) {
		wait += m.cfg.ViewTimeout * 3 / 2 // it could have had them: the next closer may do better
	}
	return m.now-m.round.readyAt >= wait
}

// lists tells whether a commit lists half of its parent's voters.
func (m *Machine) lists(b *block) bool {
	voters := 0
	for _, u := range m.listed(b) {
		if slices.Contains(b.parent.voters, u.Author) {
			voters++
		}
	}
	return 2*voters >= len(b.parent.voters)
}

// strange tells whether a commit lists newcomers alone, though there are others.
func (m *Machine) strange(b *block) bool {
	if !m.cfg.Membership.Open() || b.parent == nil || b.parent.seniors() < minSeniors {
		return false
	}
	return !slices.ContainsFunc(m.listed(b), func(u Update) bool { return !m.cfg.newcomer(b.parent.Commit, u.Author) })
}

// restsAfter is how long somebody must not have trained to count as at rest: a trainer that starts again, or the daemons of all at once,
// take up to a minute, and four commits of somebody who is alone for that long would be a roster.
const restsAfter = time.Minute

// rests tells whether nobody waits for one who trained last at a time, as far as this node knows.
func (m *Machine) rests(trained time.Duration) bool {
	return m.now-max(trained, m.started) > restsAfter
}

// omits tells whether a commit leaves out a voter who trains or did so just now, wherever it stands, or
// this node, where there is more than its closer to leave out.
func (m *Machine) omits(b *block) bool {
	lists := func(p proto.PeerID) bool {
		return slices.ContainsFunc(b.Updates, func(id proto.ID) bool { u := m.updates[id]; return u != nil && u.Author == p })
	}
	company := false
	for _, p := range sortedPeers(m.beats) {
		if beat := m.beats[p]; p == b.Closer || !m.counts(p) || !beat.fresh(m.now) || beat.Paused && (m.rests(beat.trained) || len(m.head.voters) == 0) { // on genesis nobody trained before
			continue
		}
		if company = true; !lists(p) {
			return true
		}
	}
	return company && (m.training || !m.rests(m.trained)) && !lists(m.cfg.Self)
}

// matches tells whether the first commit of another branch may be taken when the fork choice
// says so: if as many voters stand on it as on this branch, for who is gone, or has not
// published since, may have been listed by anybody; or if this node does not go on from its
// head, and agreement is all there is.
func (m *Machine) matches(b *block) bool {
	if !m.training || m.Complete() || len(b.parent.voters) == 0 {
		return true
	}
	ours, there, here := m.head.childOf(b.parent), 0, 0
	if m.head != ours { // the commits say who is where
		both := []rival{{child: b, tip: m.best(b, (*block).leads)}, {child: ours, tip: m.head}}
		m.count(both)
		return both[0].votes >= both[1].votes
	}
	twice := b.parent.twice()
	for _, p := range b.parent.voters {
		mine, theirs := m.stands(p, ours), m.stands(p, b)
		mine, theirs = mine && !m.listedIn(p, b, ours), theirs && !m.listedIn(p, ours, b)
		switch { // who says both says neither
		case p != m.cfg.Self && slices.Contains(twice, p):
		case p == m.cfg.Self || mine && !theirs:
			here++
		case theirs && !mine:
			there++
		case !mine && m.arriving(p):
			here++
		}
	}
	return there >= here
}

// arriving tells whether a peer that was last heard on the head's parent may have come to the head: until it has been heard anew,
// and for as long as a check may take. A sibling's closer stands there before anybody else can be heard of.
func (m *Machine) arriving(p proto.PeerID) bool {
	b := m.beats[p]
	return b != nil && b.fresh(m.now) && b.Head == m.head.Parent && m.now-m.round.since < m.cfg.ViewTimeout
}

// present lists the peers that train on the head, or did on its parent when they
// were last heard: their heartbeat on the head may be on its way.
func (m *Machine) present() []proto.PeerID {
	var ps []proto.PeerID
	for _, p := range sortedPeers(m.beats) {
		b := m.beats[p]
		if b.fresh(m.now) && !b.Paused && (b.Head == m.head.ID || m.head.parent != nil && b.Head == m.head.Parent) {
			ps = append(ps, p)
		}
	}
	return ps
}

// vouchShare of the voters beside its closer must stand on a commit that leaves
// others out, for it to be taken before its turn: one in three.
const vouchShare = 3

// begun tells whether the swarm began with a child of genesis: its branch is as long as a roster
// is deep, and a third of its tip's voters stand there. Genesis has no voters to vouch for it, and
// newcomers who wait for a round of their own there make another beginning together.
func (m *Machine) begun(b *block) bool {
	if len(b.parent.voters) > 0 {
		return false
	}
	tip := m.best(b, (*block).hopeful)
	if tip.Height < b.Height+rosterDepth {
		return false
	}
	stand, of := 0, 0
	for _, p := range tip.voters {
		if p == m.cfg.Self || p == b.Closer {
			continue
		}
		if of++; m.stands(p, b) {
			stand++
		}
	}
	return max(share(of, vouchShare), 1) <= stand
}

// vouched tells whether so many of the head's voters stand on b or above it.
func (m *Machine) vouched(b *block) bool {
	stand, of := m.vouchers(b, m.head)
	if slices.Contains(m.head.voters, m.cfg.Self) && b.Closer != m.cfg.Self {
		of++ // this node, which does not stand on it yet
	}
	return max(share(of, vouchShare), 1) <= stand
}

// share is one part in so many, rounded up.
func share(n, parts int) int { return (n + parts - 1) / parts }

// vouchers counts the voters of a commit who are not away, but for this node and b's
// closer, and of those who stand on b or above it by heartbeat or newest update.
func (m *Machine) vouchers(b, on *block) (stand, of int) {
	for _, p := range on.voters {
		if p == m.cfg.Self || p == b.Closer {
			continue
		}
		switch beat := m.beats[p]; {
		case m.stands(p, b):
			stand, of = stand+1, of+1
		case beat != nil && beat.recent(m.now):
			of++
		}
	}
	return stand, of
}
