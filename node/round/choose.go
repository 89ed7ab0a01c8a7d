package round

import (
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// choose applies the fork choice and moves the head.
func (m *Machine) choose() {
	tip := m.best(m.base)
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
		From: from.Commit, To: tip.Commit, Undo: undo, Redo: redo, Delivered: m.own.delivered,
		Included: m.listed(tip), Missing: missing,
	})
	m.rebase()
	m.do(Beat{})
	if caughtUp {
		m.do(AskUpdates{Parent: tip.ID, Sources: m.sources(nil)})
	}
}

// enter starts the round on a new head.
func (m *Machine) enter(b *block) {
	m.head, m.damaged = b, false
	m.round = current{since: m.now}
	us, _ := m.candidates(b)
	for _, u := range us {
		if m.held[u.Payload] {
			m.round.held, m.round.heldAt = true, m.now
		}
	}
}

// best returns the tip that the fork choice prefers at or above b: at each fork
// the child with the most voters, then more committed tokens below its tip, then
// the lower view, then the lower id. A descendant always beats its ancestor.
func (m *Machine) best(b *block) *block {
	var champion, tip *block
	votes := 0
	for _, c := range b.children {
		if c.state != valid {
			continue
		}
		t := m.best(c)
		v := m.votes(c, t)
		if champion == nil || better(c, t, v, champion, tip, votes) {
			champion, tip, votes = c, t, v
		}
	}
	if champion == nil {
		return b
	}
	return tip
}

func better(c, tip *block, votes int, than, thanTip *block, thanVotes int) bool {
	switch {
	case votes != thanVotes:
		return votes > thanVotes
	case tip.Tokens != thanTip.Tokens:
		return tip.Tokens > thanTip.Tokens
	case c.View != than.View:
		return c.View < than.View
	default:
		return slices.Compare(c.ID[:], than.ID[:]) < 0
	}
}

// votes counts the members of a tip's roster whose newest update names c or a
// descendant of it.
func (m *Machine) votes(c, tip *block) int {
	n := 0
	for _, member := range tip.Roster {
		us := m.authors[member.Peer]
		if len(us) == 0 {
			continue
		}
		if on := m.blocks[us[len(us)-1].Parent]; on != nil && on.under(c) {
			n++
		}
	}
	return n
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
