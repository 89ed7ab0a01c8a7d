package round

import (
	"cmp"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// hearCommit takes word that a commit exists.
func (m *Machine) hearCommit(a Announced) {
	if b := m.blocks[a.Commit]; b != nil {
		b.sawView(a)
		return
	}
	if a.Height <= m.base.Height || a.Height > m.head.Height+maxBlocks || len(m.announced) >= maxPeers {
		return
	}
	if old, ok := m.announced[a.Commit]; !ok || a.View < old.View {
		m.announced[a.Commit] = a
	}
}

// sawView keeps the lowest view in which a commit was seen.
func (b *block) sawView(a Announced) {
	if b.Closer == "" || a.View < b.View {
		b.View, b.Closer = a.View, a.Closer
	}
}

// chase pulls commits that are known of but not held.
func (m *Machine) chase() {
	for _, id := range sortedIDs(m.announced) {
		a := m.announced[id]
		switch {
		case m.blocks[id] != nil:
			delete(m.announced, id)
		case m.blocks[a.Parent] == nil:
			m.catchUp(id, []proto.PeerID{a.Closer})
		case m.try(id):
			m.do(Pull{Commit: id, Sources: m.sources([]proto.PeerID{a.Closer})})
		}
	}
	for _, p := range m.peersAlive() {
		b := m.beats[p]
		if _, ok := m.announced[b.Head]; !ok && m.blocks[b.Head] == nil {
			m.catchUp(b.Head, []proto.PeerID{p})
		}
	}
}

// catchUp asks for the branch of a commit that hangs in the air, one branch at
// a time.
func (m *Machine) catchUp(target proto.ID, first []proto.PeerID) {
	if !m.catching && m.try(target) {
		m.catching = true
		m.do(CatchUp{Target: target, Have: m.locator(), Sources: m.sources(first)})
	}
}

// caughtUp ends a catch-up. A branch that it did not bring is asked for again
// after a pause.
func (m *Machine) caughtUp(target proto.ID) {
	m.catching = false
	m.retry(target)
}

// pulled takes a commit's body. The driver has checked that the content hashes
// to its id and that the updates are signed.
func (m *Machine) pulled(e Pulled) {
	c := e.Commit
	m.done(c.ID)
	parent := m.blocks[c.Parent]
	switch {
	case m.blocks[c.ID] != nil:
		m.blocks[c.ID].sawView(Announced{View: c.View, Closer: c.Closer})
		return
	case c.Height <= m.base.Height || len(m.blocks) >= maxBlocks:
		delete(m.announced, c.ID)
		return
	case parent == nil:
		m.catchUp(c.ID, []proto.PeerID{c.Closer})
		return
	}
	for _, u := range e.Updates {
		m.seen(u)
	}
	b := m.plant(c, parent)
	if a, ok := m.announced[c.ID]; ok {
		b.sawView(a)
		delete(m.announced, c.ID)
	}
	if us, ok := m.wellFormed(parent.Commit, c, e.Updates); ok {
		for _, u := range us {
			m.updates[u.ID] = &u // a listed update is kept, whatever else its author sent
		}
	} else {
		b.state = invalid
	}
	m.check()
}

// wellFormed tells whether a commit's content is what its parent, list and
// evidence give, whatever its state root, and returns the listed updates.
func (m *Machine) wellFormed(parent, b Commit, updates []Update) ([]Update, bool) {
	if len(b.Updates) == 0 || len(b.Updates) > proto.MaxUpdates || len(b.Evidence) > proto.MaxEvidence {
		return nil, false
	}
	byID := make(map[proto.ID]Update, len(updates))
	for _, u := range updates {
		byID[u.ID] = u
	}
	var us []Update
	var last proto.PeerID
	for _, id := range b.Updates {
		u, ok := byID[id]
		if !ok || u.Author <= last || !fits(m.cfg, parent, u) {
			return nil, false // missing, unsorted, listed twice, or claiming too much
		}
		last = u.Author
		us = append(us, u)
	}
	for _, pair := range b.Evidence {
		x, okX := byID[pair[0]]
		y, okY := byID[pair[1]]
		if !okX || !okY || x.Author != y.Author || x.Parent != b.Parent || y.Parent != b.Parent ||
			slices.Compare(pair[0][:], pair[1][:]) >= 0 {
			return nil, false
		}
	}
	return us, same(b, Derive(m.cfg, parent, us, b.Evidence))
}

// check asks for the roots of pending commits that have become checkable.
func (m *Machine) check() {
	for _, b := range m.sortedBlocks() {
		if b.state == pending && b.parent != nil && b.parent.state == invalid {
			b.state = invalid
		}
		if b.state != pending || b.parent == nil || b.parent.state != valid {
			continue
		}
		for _, u := range m.listed(b) {
			if m.unfit[u.Payload] {
				b.state = invalid
			}
		}
		if b.state == pending && m.complete(b) && m.try(b.ID) {
			b.state = checking
			m.do(Verify{Commit: b.Commit, Updates: m.listed(b)})
		}
	}
}

func (m *Machine) verified(e Verified) {
	b := m.blocks[e.Commit]
	if b == nil || b.state != checking {
		return
	}
	m.done(b.ID)
	b.state = invalid
	if e.OK {
		b.state = valid
	}
	m.check()
}

// unverified puts a commit back among those to check.
func (m *Machine) unverified(id proto.ID) {
	m.retry(id)
	if b := m.blocks[id]; b != nil && b.state == checking {
		b.state = pending
	}
}

// weigh compares a branch that parted from this one below the base, or that
// this node has never been on, by the rule of fork choice, and asks for its
// snapshot if it is preferred.
func (m *Machine) weigh(e Foreign) {
	if len(e.Branch) == 0 || m.blocks[e.Branch[0].ID] != nil || !m.follows(e) {
		return
	}
	for _, u := range e.Updates {
		m.seen(u)
	}
	theirs := make(map[proto.ID]bool, len(e.Branch))
	for _, c := range e.Branch {
		theirs[c.ID] = true
	}
	ours := map[proto.ID]bool{}
	for b := m.head; b != nil; b = b.parent {
		ours[b.ID] = true
	}
	base, tip := e.Branch[0], e.Branch[len(e.Branch)-1]
	if !m.damaged && !better(&block{Commit: base}, &block{Commit: tip}, m.votesFor(tip.Roster, theirs),
		m.base, m.head, m.votesFor(m.head.Roster, ours)) {
		return
	}
	if !m.try(base.ID) {
		return
	}
	m.entering = base.ID
	m.do(Enter{Commit: base, Sources: m.sources(nil)})
}

// follows tells whether each commit of a foreign branch is what its parent and
// list give, and no voter is counted twice. The first one rests on the word of
// whoever sent it.
func (m *Machine) follows(e Foreign) bool {
	sorted := slices.IsSortedFunc(e.Branch[0].Roster, func(a, b Member) int { return cmp.Compare(a.Peer, b.Peer) })
	if twice := len(slices.CompactFunc(slices.Clone(e.Branch[0].Roster), func(a, b Member) bool { return a.Peer == b.Peer })); !sorted || twice != len(e.Branch[0].Roster) {
		return false
	}
	for i, c := range e.Branch[1:] {
		if _, ok := m.wellFormed(e.Branch[i], c, e.Updates); !ok {
			return false
		}
	}
	return true
}

// votesFor counts the members whose newest update names one of some commits.
func (m *Machine) votesFor(roster []Member, commits map[proto.ID]bool) int {
	n := 0
	for _, member := range roster {
		if us := m.authors[member.Peer]; len(us) > 0 && commits[us[len(us)-1].Parent] {
			n++
		}
	}
	return n
}

// land makes a snapshot height the new base and head.
func (m *Machine) land(c Commit) {
	m.done(c.ID)
	if m.entering != c.ID || m.blocks[c.ID] != nil {
		return
	}
	m.entering = proto.ID{}
	from := m.head
	m.blocks = map[proto.ID]*block{}
	m.base = m.plant(c, nil)
	m.base.state = valid
	m.forget()
	m.own.delivered = m.own.total
	m.enter(m.base)
	m.do(Adopt{From: from.Commit, To: c, Delivered: m.own.delivered, Jump: true})
	m.do(Rebase{Commit: c})
	m.do(Beat{})
	m.do(AskUpdates{Parent: c.ID, Sources: m.sources(nil)})
}

// sortedBlocks lists the tree by height, then id.
func (m *Machine) sortedBlocks() []*block {
	bs := make([]*block, 0, len(m.blocks))
	for _, b := range m.blocks {
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

func sortedIDs[V any](set map[proto.ID]V) []proto.ID {
	ids := make([]proto.ID, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b proto.ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}
