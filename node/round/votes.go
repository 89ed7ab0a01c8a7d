package round

import (
	"maps"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

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

// listedAbove returns for each of a fork's voters, but for who closed two of its children, the newest of its updates that the branches list above
// the children: who shows two halves another commit goes on to publish on both.
func (m *Machine) listedAbove(fork *block, rivals []rival) map[proto.PeerID]listing {
	newest := map[proto.PeerID]listing{}
	for i, r := range rivals {
		for p, seq := range m.above(r.child, r.tip) {
			if old, ok := newest[p]; !ok || seq > old.seq {
				newest[p] = listing{seq, i}
			}
		}
	}
	for _, p := range fork.twice() {
		delete(newest, p)
	}
	return newest
}

// above returns the number of the newest update that the commits above c up to tip list of each voter of c's parent. It is
// remembered and carried on as the branch grows: a fork is looked at in every event, and one member can make one at every height.
func (m *Machine) above(c, tip *block) map[proto.PeerID]uint64 {
	below := reach{tip: c}
	for _, r := range c.reached {
		switch {
		case r.tip == tip:
			return r.newest
		case r.tip != nil && r.tip.Height > below.tip.Height && tip.under(r.tip):
			below = r
		}
	}
	newest, all := maps.Clone(below.newest), true
	if newest == nil {
		newest = map[proto.PeerID]uint64{}
	}
	for b := tip; b != below.tip; b = b.parent {
		us := m.listed(b)
		all = all && len(us) == len(b.Updates)
		for _, u := range us {
			if seq, ok := newest[u.Author]; (!ok || u.Seq > seq) && slices.Contains(c.parent.voters, u.Author) {
				newest[u.Author] = u.Seq
			}
		}
	}
	if all {
		c.reached = [2]reach{c.reached[1], {tip, newest}}
	}
	return newest
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
	n, twice := 0, c.parent.twice()
	for _, p := range voters {
		if u := m.vote(p); u != nil && !slices.Contains(twice, p) && (m.names(u, c) || slices.Contains(c.Updates, u.ID)) {
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

// twice lists the voters who announced two children of a commit: an honest one closes a round once.
func (b *block) twice() (ps []proto.PeerID) {
	if b == nil || len(b.children) < 2 {
		return nil
	}
	closed := map[proto.PeerID]int{}
	for _, c := range b.children {
		for _, p := range c.by {
			if closed[p]++; closed[p] == 2 {
				ps = append(ps, p)
			}
		}
	}
	return ps
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

// listedIn tells whether a peer's newest update is in c and not in another commit for the same parent.
func (m *Machine) listedIn(p proto.PeerID, c, but *block) bool {
	u := m.vote(p)
	return u != nil && slices.Contains(c.Updates, u.ID) && !slices.Contains(but.Updates, u.ID)
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
