package round

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// validity of a commit.
type validity uint8

const (
	pending  validity = iota // payloads are missing, or the parent is not valid yet
	checking                 // the driver is computing its root
	skipped                  // not computed: the state of a descendant was fetched as a whole
	valid
	invalid
)

// block is a commit in the tree.
type block struct {
	Commit
	parent   *block
	far      *block // the newest ancestor at a multiple of farStep; nil below the base
	children []*block
	voters   []proto.PeerID
	members  *members // who belongs from the commit's children on; nil if it is invalid
	state    validity
	at       time.Duration  // local time at which this node first knew the commit
	own      bool           // this node closed it, too
	by       []proto.PeerID // voters of the parent who announced the commit

	reached [2]reach // the last two looks up from here, to the head and to the tip beyond it

	checkedFor proto.PeerID // voter on whose quota the check under way counts
}

// reach is what the commits above one list, up to another.
type reach struct {
	tip    *block                  // nil: none
	newest map[proto.PeerID]uint64 // numbers of updates of the voters of the lowest commit's parent
}

// farStep is how many commits a look down a branch passes at once.
const farStep = 64

// plant adds a commit to the tree, pending.
func (m *Machine) plant(c Commit, parent *block) *block {
	b := &block{Commit: c, parent: parent, at: m.now, voters: m.cfg.voters(c)}
	if parent != nil {
		if b.far = parent.far; parent.Height%farStep == 0 {
			b.far = parent
		}
	}
	m.blocks[c.ID] = b
	m.undecided[c.ID] = b
	m.listings.add(c, 1)
	if parent != nil {
		parent.children = append(parent.children, b)
	}
	return b
}

// membersAt returns who belongs after a valid commit.
func (m *Machine) membersAt(c Commit, parent *block) *members {
	if parent != nil && slices.Equal(parent.Notices, c.Notices) {
		return parent.members
	}
	return newMembers(m.cfg.Membership, c.Notices)
}

// decide sets what is known of a commit.
func (m *Machine) decide(b *block, v validity) {
	b.state = v
	if v == pending || v == checking {
		m.undecided[b.ID] = b
	} else {
		delete(m.undecided, b.ID)
	}
}

// leads tells whether heads may lie on or above b.
func (b *block) leads() bool { return b.state == valid || b.state == skipped }

// listings counts the commits of the tree that list an update.
type listings struct {
	of    map[proto.ID]int
	total int // updates, as often as they are listed
}

func (l *listings) add(c Commit, times int) {
	if l.of == nil {
		l.of = map[proto.ID]int{}
	}
	for _, id := range c.Updates {
		if l.of[id] += times; l.of[id] == 0 {
			delete(l.of, id)
		}
	}
	l.total += times * len(c.Updates)
}

// relist counts anew what the tree lists.
func (m *Machine) relist() {
	m.listings = listings{}
	for _, b := range m.blocks {
		m.listings.add(b.Commit, 1)
	}
}

// maxOutside bounds the undecided commits that no voter of their parent announced. Anybody can make thousands, each in another closer's name, and all
// that is undecided is looked through at each event: 7,600 cost 55 ms of it.
const maxOutside = 64

// thin drops undecided commits that no voter announced: of those that nobody stands on, first where payloads are not here, the highest first.
func (m *Machine) thin() {
	for {
		outside := 0
		var loose []*block
		for _, b := range m.undecided {
			if len(b.by) > 0 {
				continue
			}
			if outside++; b.state == pending && len(b.children) == 0 {
				loose = append(loose, b)
			}
		}
		if outside <= maxOutside {
			return
		}
		stand, here := m.standings(), map[*block]int{}
		loose = slices.DeleteFunc(loose, func(b *block) bool { return stand[b] > 0 })
		if len(loose) == 0 {
			return
		}
		for _, b := range loose {
			if m.complete(b) {
				here[b] = 1
			}
		}
		slices.SortFunc(loose, func(a, b *block) int {
			return cmp.Or(cmp.Compare(here[a], here[b]), cmp.Compare(b.Height, a.Height), slices.Compare(a.ID[:], b.ID[:]))
		})
		for _, b := range loose[:min(len(loose), outside-maxOutside)] {
			m.remove(b)
		}
	}
}

// remove takes a tip out of the tree.
func (m *Machine) remove(b *block) {
	m.listings.add(b.Commit, -1)
	b.parent.children = slices.DeleteFunc(b.parent.children, func(c *block) bool { return c == b })
	delete(m.blocks, b.ID)
	delete(m.undecided, b.ID)
}

// trim keeps the tree, what it lists beside the head's branch, and the updates within their bounds.
func (m *Machine) trim() {
	m.thin()
	room := maxUpdates
	for b := m.head; b != nil; b = b.parent {
		room += len(b.Updates)
	}
	for (len(m.blocks) > maxBlocks || m.listings.total > room) && m.uproot() {
	}
	if len(m.updates) > max(m.forgetAbove, maxUpdates) {
		m.forget()
		m.forgetAbove = len(m.updates) + maxUpdates/4 // what is kept for other reasons is not looked through at each event
	}
}

// branch returns the commits of the head's branch.
func (m *Machine) branch() map[*block]bool {
	on := make(map[*block]bool, m.head.Height-m.base.Height+1)
	for b := m.head; b != nil; b = b.parent {
		on[b] = true
	}
	return on
}

// uproot makes room in a full tree: a tip that is off the head's branch goes, of
// the closer who has most of those. So nobody's flood drives out another's
// commits. It tells whether there was one.
func (m *Machine) uproot() bool {
	off, on := map[proto.PeerID]int{}, m.branch()
	for _, b := range m.blocks {
		if !on[b] {
			off[b.account()]++
		}
	}
	var worst *block
	for _, b := range m.blocks {
		if len(b.children) > 0 || on[b] || b.state == checking {
			continue
		}
		if worst == nil || off[b.account()] > off[worst.account()] ||
			off[b.account()] == off[worst.account()] && slices.Compare(b.ID[:], worst.ID[:]) < 0 {
			worst = b
		}
	}
	if worst != nil {
		m.remove(worst)
	}
	return worst != nil
}

// under tells whether b is a or a descendant of it.
func (b *block) under(a *block) bool {
	for b != nil && b.Height > a.Height {
		if b.far != nil && b.far.Height >= a.Height {
			b = b.far
		} else {
			b = b.parent
		}
	}
	return b == a
}

// common returns the newest commit that both branches hold, nil if none.
func common(a, b *block) *block {
	for a != b {
		switch {
		case a == nil || b == nil:
			return nil
		case a.Height >= b.Height:
			a = a.parent
		default:
			b = b.parent
		}
	}
	return a
}

// listed returns the updates of a commit that are known, in its order.
func (m *Machine) listed(b *block) []Update {
	us := make([]Update, 0, len(b.Updates))
	for _, id := range b.Updates {
		if u := m.updates[id]; u != nil {
			us = append(us, *u)
		}
	}
	return us
}

// ownAbove returns the own updates in the commits above one, up to another, older before newer.
func (m *Machine) ownAbove(below, tip *block) (us []Own) {
	for b := tip; b != below; b = b.parent {
		for _, u := range m.listed(b) {
			if u.Author == m.cfg.Self {
				us = append(us, Own{u, m.own.covers[u.ID]})
			}
		}
	}
	slices.Reverse(us)
	return us
}

// complete tells whether all updates and payloads of a commit are held.
func (m *Machine) complete(b *block) bool {
	for _, id := range b.Updates {
		u := m.updates[id]
		if u == nil || !m.holds(*u) {
			return false
		}
	}
	return true
}

// locator names commits of the head's branch, dense near the head and sparse
// below it, so that a peer on any branch finds the newest that it shares.
func (m *Machine) locator() []proto.ID {
	var ids []proto.ID
	step := uint64(1)
	next := m.head.Height
	for b := m.head; b != nil; b = b.parent {
		if b.Height > next && b.parent != nil {
			continue
		}
		ids = append(ids, b.ID)
		if len(ids) > 8 {
			step *= 2
		}
		if b.Height < step {
			next = 0
		} else {
			next = b.Height - step
		}
	}
	return ids
}

// rebase moves the base to the older of the last two snapshot heights, and
// forgets what does not descend from it.
func (m *Machine) rebase() {
	newest := m.head.Height / m.cfg.Snapshot * m.cfg.Snapshot
	if newest < m.cfg.Snapshot || newest-m.cfg.Snapshot <= m.base.Height {
		return
	}
	b := m.head
	for b.Height > newest-m.cfg.Snapshot {
		b = b.parent
	}
	if b.state != valid {
		return // its state was never here
	}
	b.parent = nil
	m.base = b
	keep := map[proto.ID]*block{}
	var walk func(*block)
	walk = func(b *block) {
		keep[b.ID] = b
		if b.far != nil && b.far.Height < m.base.Height {
			b.far = nil
		}
		for _, c := range b.children {
			walk(c)
		}
	}
	walk(b)
	m.blocks = keep
	m.relist()
	for id := range m.undecided {
		if keep[id] == nil {
			delete(m.undecided, id)
		}
	}
	m.forget()
	m.do(Rebase{Commit: b.Commit, Known: sortedPeers(m.known)})
}

// forget drops updates and payload marks that belong to no kept commit, but for
// each author's newest ones.
func (m *Machine) forget() {
	keep := map[proto.ID]bool{}
	for _, b := range m.blocks {
		for _, id := range b.Updates {
			keep[id] = true
		}
	}
	for _, us := range m.authors {
		for _, u := range us {
			keep[u.ID] = true
		}
	}
	for author, us := range m.authors {
		known := slices.ContainsFunc(us, func(u *Update) bool { return m.blocks[u.Parent] != nil })
		if b := m.beats[author]; !known && (b == nil || !b.fresh(m.now)) && author != m.cfg.Self {
			delete(m.authors, author)
		}
	}
	m.own.prune()
	for _, u := range m.own.byParent {
		keep[u.ID] = true
	}
	payloads := map[proto.ID]bool{}
	for id, u := range m.updates {
		if !keep[id] {
			delete(m.updates, id)
			delete(m.own.covers, id)
			continue
		}
		payloads[u.Payload] = true
	}
	maps.DeleteFunc(m.held, func(p Use, _ time.Duration) bool { return !payloads[p.Payload] })
	maps.DeleteFunc(m.unfit, func(p Use, _ bool) bool { return !payloads[p.Payload] })
	m.forgetTries()
	for id, a := range m.announced {
		if a.Height <= m.base.Height {
			delete(m.announced, id)
		}
	}
}
