package round

import (
	"cmp"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// check asks for the roots of pending commits that have become checkable. Those
// that would not move the head if they were valid are left alone: so nobody can
// keep this node busy with branches that nobody is on. Each check applies all updates,
// so a closer has one at a time, and all who are no voters have one together, behind
// the voters'.
func (m *Machine) check() {
	if len(m.undecided) == 0 {
		return
	}
	busy := map[proto.PeerID]bool{}
	for _, b := range m.undecided {
		if b.state == checking {
			busy[b.checkedFor] = true
		}
	}
	seen, open := m.forks(), m.open()
	var stand map[*block]int
	if len(m.base.voters) == 0 { // of beginnings, first those that most stand on
		stand = m.standings()
		slices.SortStableFunc(open, func(a, b *block) int {
			return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(stand[b], stand[a]))
		})
	}
	for _, outside := range []bool{false, true} {
		for _, b := range open {
			if b.parent.state == invalid {
				m.decide(b, invalid)
				seen = m.forks()
			}
			accounts := b.accounts()
			if len(b.parent.voters) == 0 {
				accounts = beginning(stand[b] > 0)
			}
			if accounts[0] == "" != outside || b.state != pending || !b.parent.leads() || !m.contends(b, seen) || m.skipTo != nil && m.skipTo.under(b) {
				continue
			}
			if slices.ContainsFunc(m.listed(b), func(u Update) bool { return m.unfit[u.Use()] }) {
				m.decide(b, invalid)
				seen = m.forks()
				continue
			}
			free := slices.IndexFunc(accounts, func(p proto.PeerID) bool { return !busy[p] })
			if free >= 0 && m.complete(b) && m.try(root, b.ID) {
				b.checkedFor = accounts[free]
				busy[b.checkedFor] = true
				m.decide(b, checking)
				m.do(Verify{Commit: b.Commit, Updates: m.listed(b)})
			}
		}
	}
}

// beginners is the account of the beginnings of a swarm that somebody stands on. They have one check at a time together: on genesis nobody votes, and
// one answer may bring thousands, each of another closer.
const beginners proto.PeerID = "beginners"

func beginning(followed bool) []proto.PeerID {
	if followed {
		return []proto.PeerID{beginners}
	}
	return []proto.PeerID{""}
}

// standings counts, for the commits of the tree, the peers that are heard and stand there or above.
func (m *Machine) standings() map[*block]int {
	stand := map[*block]int{}
	for _, beat := range m.beats {
		if beat.fresh(m.now) {
			for b := m.blocks[beat.Head]; b != nil; b = b.parent {
				stand[b]++
			}
		}
	}
	return stand
}

// account is whose checks a commit's counts among at first.
func (b *block) account() proto.PeerID { return b.accounts()[0] }

// accounts are those whose checks a commit's may count among: voters who announced it, of
// whom one who keeps its own checks busy is not in the others' way; or its closer; or nobody by
// name for one who is no voter.
func (b *block) accounts() []proto.PeerID {
	switch {
	case len(b.by) > 0:
		return b.by
	case b.parent != nil && len(b.parent.voters) > 0:
		return []proto.PeerID{""}
	default:
		return []proto.PeerID{b.Closer}
	}
}

// forks remembers, while a node looks at what it lacks, where branches part from the head's, and which of them its head
// would move to: of thousands of blocks on one branch each would ask the same.
type forks struct {
	branch   map[*block]bool   // the head's
	sides    map[*block]*block // the lowest commit of a block's branch that is not on the head's
	tips     map[*block]*block
	contends map[*block]bool
	support  map[*block]int // of sides: the voters who stand there; nil: not counted yet
	voters   int            // who are counted there
}

func (m *Machine) forks() *forks {
	return &forks{branch: m.branch(), sides: map[*block]*block{}, tips: map[*block]*block{}, contends: map[*block]bool{}}
}

// followsSide tells whether most other voters of the head, or where there are none most peers, stand on b's side of the fork with the head's branch.
func (m *Machine) followsSide(b *block, seen *forks) bool {
	if seen.support == nil {
		voters := m.otherVoters()
		seen.support, seen.voters = map[*block]int{}, len(voters)
		for _, p := range voters {
			var at [2]*block
			if beat := m.beats[p]; beat != nil && beat.fresh(m.now) {
				at[0] = seen.side(m.on(beat.Head))
			}
			if u := m.vote(p); u != nil {
				at[1] = seen.side(m.on(u.Parent))
			}
			if seen.support[at[0]]++; at[1] != at[0] {
				seen.support[at[1]]++
			}
		}
	}
	return 2*seen.support[seen.side(b)] > seen.voters
}

// side returns the lowest commit of b's branch that is not on the head's; nil where b is.
func (r *forks) side(b *block) *block {
	var way []*block
	at := b
	for at != nil && !r.branch[at] && r.sides[at] == nil {
		way = append(way, at)
		at = at.parent
	}
	side := r.sides[at]
	if side == nil && len(way) > 0 {
		side = way[len(way)-1]
	}
	for _, w := range way {
		r.sides[w] = side
	}
	return side
}

// contends tells whether the head would move to b or above it, were b's branch
// valid.
func (m *Machine) contends(b *block, seen *forks) bool {
	theirs := seen.side(b)
	if theirs == nil || theirs.parent == m.head {
		return true
	}
	yes, ok := seen.contends[theirs]
	if !ok {
		ours, tip := m.head.childOf(theirs.parent), m.tip(theirs, (*block).hopeful, seen.tips)
		if !m.outlisted(theirs, tip, ours) {
			both := []rival{{child: theirs, tip: tip}, {child: ours, tip: m.head}}
			m.count(both)
			yes = both[0].beats(both[1])
		}
		seen.contends[theirs] = yes
	}
	return yes
}

// outlisted tells whether the branch of a fork's other child cannot have as many votes as the head's, by the number of voters whose updates
// each lists above the child: [Machine.count] goes by them alone where they are half, and a few members can make a fork at every height.
func (m *Machine) outlisted(theirs, tip, ours *block) bool {
	fork := theirs.parent
	if m.head == ours || len(fork.voters) == 0 {
		return false
	}
	n := len(m.above(ours, m.head)) - len(fork.twice()) // at least so many of those who vote, by these listings
	return 2*n >= len(fork.voters) && 2*len(m.above(theirs, tip)) < n
}

// childOf returns the block of b's branch whose parent is a.
func (b *block) childOf(a *block) *block {
	for b != nil && b.parent != a {
		b = b.parent
	}
	return b
}

// hopeful tells whether b is not known to be invalid.
func (b *block) hopeful() bool { return b.state != invalid }

func (m *Machine) verified(e Verified) {
	m.done(root, e.Commit)
	b := m.blocks[e.Commit]
	if b == nil || b.state != checking {
		return // its tree was left meanwhile; if it is back, it is checked anew
	}
	if !e.OK {
		m.decide(b, invalid)
		return
	}
	m.decide(b, valid)
	if m.unproven > 0 {
		if m.unproven--; m.unproven == 0 {
			m.do(Rebase{Commit: m.base.Commit, Known: sortedPeers(m.known)}) // what was here before is not needed any more
		}
	}
}

// unverified puts a commit back among those to check.
func (m *Machine) unverified(id proto.ID) {
	m.retry(root, id)
	if b := m.blocks[id]; b != nil && b.state == checking {
		m.decide(b, pending)
	}
}

// open lists the undecided blocks by height, then id.
func (m *Machine) open() []*block {
	bs := make([]*block, 0, len(m.undecided))
	for _, b := range m.undecided {
		bs = append(bs, b)
	}
	slices.SortFunc(bs, func(a, b *block) int {
		if a.Height != b.Height {
			return int(int64(a.Height) - int64(b.Height))
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return bs
}
