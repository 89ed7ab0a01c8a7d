package round

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

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
	var undo, redo []Update
	for b := from; b != lca; b = b.parent {
		undo = append(undo, m.ownIn(b)...)
	}
	for b := tip; b != lca; b = b.parent {
		redo = append(redo, m.ownIn(b)...)
	}
	m.own.move(undo, redo)
	missing := m.leftOut(tip)
	caughtUp := from != tip.parent
	m.enter(tip)
	m.do(Adopt{
		From: from.Commit, To: tip.Commit, Delivered: m.own.delivered, More: m.more(),
		Included: m.listed(tip), Missing: missing,
	})
	m.rebase()
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
	for _, p := range b.voters {
		m.known[p] = m.now
	}
	m.hadSeniors = m.hadSeniors || b.seniors() >= minSeniors
	for len(m.known) > maxPeers {
		oldest := slices.MinFunc(sortedPeers(m.known), func(p, q proto.PeerID) int { return cmp.Compare(m.known[p], m.known[q]) })
		delete(m.known, oldest)
	}
}

// best returns the tip that the fork choice prefers at or above b, among blocks
// that may count: at each fork the child with the most voters, then twice the
// committed tokens below its tip, then the lower id. A descendant
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

// count counts the votes for the branches of a fork. Once the commits above its children list half of the voters, they alone say who is where, and
// all nodes have them: a voter counts for the branch that lists the newest of its updates there, for its word could be told to some, and not to others.
func (m *Machine) count(rivals []rival) {
	fork := rivals[0].child.parent
	if fork != nil && len(fork.voters) > 0 && fork.grown() {
		if at := m.listedAbove(fork, rivals); 2*len(at) >= len(fork.voters) {
			for _, l := range at {
				rivals[l.rival].votes++
			}
			return
		}
	}
	for i, r := range rivals {
		rivals[i].votes = m.votes(r.child, r.tip)
	}
}

// listing is a voter's newest update listed above a fork's children, and the branch that lists it.
type listing struct {
	seq   uint64
	rival int
}

// listedAbove returns for each of a fork's voters the newest of its updates that the branches list above the fork's children.
func (m *Machine) listedAbove(fork *block, rivals []rival) map[proto.PeerID]listing {
	newest := map[proto.PeerID]listing{}
	for i, r := range rivals {
		for b := r.tip; b != nil && b.Height > r.child.Height; b = b.parent {
			for _, u := range m.listed(b) {
				if old, ok := newest[u.Author]; (!ok || u.Seq > old.seq) && slices.Contains(fork.voters, u.Author) {
					newest[u.Author] = listing{u.Seq, i}
				}
			}
		}
	}
	return newest
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
	default:
		return slices.Compare(r.child.ID[:], o.child.ID[:]) < 0
	}
}

// votes counts the voters of the commit where the branches part whose newest
// update names c or a descendant of it, or is in c; but for who closed two children of that commit. Genesis has no voters: there the
// tip's count, and whom this node knows, who may sleep; in an open swarm that has ever had seniors, whom it
// knows alone.
func (m *Machine) votes(c, tip *block) int {
	var voters []proto.PeerID
	switch {
	case c.parent != nil && len(c.parent.voters) > 0:
		voters = c.parent.voters
	case m.cfg.Membership.Open() && m.hadSeniors:
		voters = sortedPeers(m.known)
	default:
		voters = m.andKnown(tip.voters)
	}
	n := 0
	for _, p := range voters {
		if u := m.vote(p); u != nil && !c.parent.closedTwice(p) && (m.names(u, c) || slices.Contains(c.Updates, u.ID)) {
			n++
		}
	}
	return n
}

// andKnown joins voters with the peers that this node knows from rosters.
func (m *Machine) andKnown(voters []proto.PeerID) []proto.PeerID {
	all := append(sortedPeers(m.known), voters...)
	slices.Sort(all)
	return slices.Compact(all)
}

// closedTwice tells whether a voter announced two children of a commit: an honest one closes a round once.
func (b *block) closedTwice(p proto.PeerID) bool {
	n := 0
	if b != nil {
		for _, c := range b.children {
			if slices.Contains(c.by, p) {
				n++
			}
		}
	}
	return n > 1
}

// grown tells whether a commit's children have any that are valid.
func (b *block) grown() bool {
	return slices.ContainsFunc(b.children, func(c *block) bool { return c.leads() && slices.ContainsFunc(c.children, (*block).leads) })
}

// newest is a peer's update with the highest number, nil if none is known.
func (m *Machine) newest(p proto.PeerID) *Update {
	if us := m.authors[p]; len(us) > 0 {
		return us[len(us)-1]
	}
	return nil
}

// on returns a commit that is here and not known to be invalid, nil for any other: an invalid one is nobody's place,
// and who has it depends on whom its author gave it.
func (m *Machine) on(id proto.ID) *block {
	if b := m.blocks[id]; b != nil && b.state != invalid {
		return b
	}
	return nil
}

// vote is a peer's newest update for a commit that is here: one for a commit on its way
// here takes back nothing of what its author said before, and [Machine.chase] asks for that commit, so that all come to
// count the same.
func (m *Machine) vote(p proto.PeerID) *Update {
	us := m.authors[p]
	if i := m.lastKnown(us); i >= 0 {
		return us[i]
	}
	return m.newest(p)
}

// lastKnown is the place of the newest of an author's updates whose parent is here, −1 for
// none.
func (m *Machine) lastKnown(us []*Update) int {
	for i, u := range slices.Backward(us) {
		if m.on(u.Parent) != nil {
			return i
		}
	}
	return -1
}

// names tells whether an update is for c or a descendant of it.
func (m *Machine) names(u *Update, c *block) bool {
	on := m.on(u.Parent)
	return on != nil && on.under(c)
}

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

// omits tells whether a commit leaves out a voter who trains, wherever it stands, or
// this node, where there is more than its closer to leave out.
func (m *Machine) omits(b *block) bool {
	lists := func(p proto.PeerID) bool {
		return slices.ContainsFunc(b.Updates, func(id proto.ID) bool { u := m.updates[id]; return u != nil && u.Author == p })
	}
	company := false
	for _, p := range sortedPeers(m.beats) {
		if beat := m.beats[p]; p == b.Closer || !m.counts(p) || !beat.fresh(m.now) || beat.Paused {
			continue
		}
		if company = true; !lists(p) {
			return true
		}
	}
	return company && m.training && !lists(m.cfg.Self)
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
	for _, p := range b.parent.voters {
		mine, theirs := m.stands(p, ours), m.stands(p, b)
		mine, theirs = mine && !m.listedIn(p, b, ours), theirs && !m.listedIn(p, ours, b)
		switch { // who says both says neither
		case p != m.cfg.Self && b.parent.closedTwice(p):
		case p == m.cfg.Self || mine && !theirs:
			here++
		case theirs && !mine:
			there++
		}
	}
	return there >= here
}

// listedIn tells whether a peer's newest update is in c and not in another commit for the same parent.
func (m *Machine) listedIn(p proto.PeerID, c, but *block) bool {
	u := m.vote(p)
	return u != nil && slices.Contains(c.Updates, u.ID) && !slices.Contains(but.Updates, u.ID)
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

// stands tells whether a peer is on b or above it, by its heartbeat or its newest
// update.
func (m *Machine) stands(p proto.PeerID, b *block) bool {
	if beat := m.beats[p]; beat != nil && beat.fresh(m.now) {
		if on := m.on(beat.Head); on != nil && on.under(b) {
			return true
		}
	}
	u := m.vote(p)
	return u != nil && m.names(u, b)
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
