package round

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

const (
	maxByCloser = 16  // announcements kept of one closer
	maxTwins    = 4   // commits of one closer for one parent: an honest one makes one, or two around a restart
	giveUpAfter = 6   // tries, after which an announcement is forgotten
	maxUnknown  = 128 // announcements kept of all together who were never voters here
	// maxMorePulls bounds the questions for a commit beside the first, of voters who announce it while that is open, where they are few:
	// of many as many are asked as may be hostile and leave their question open.
	maxMorePulls = 2
)

// announcement is the lowest view in which a commit was heard of.
type announcement struct {
	Announced
	voters []proto.PeerID // who announced it and counts here; at most maxByCloser
}

// hearCommit takes word that a commit exists.
func (m *Machine) hearCommit(a Announced) {
	if b := m.blocks[a.Commit]; b != nil {
		b.sawView(announcement{Announced: a})
		return
	}
	if a.Height <= m.base.Height || a.Height > m.head.Height+maxBlocks {
		return
	}
	if old, ok := m.announced[a.Commit]; ok {
		if parent := m.blocks[a.Parent]; m.counts(a.Closer) || parent != nil && slices.Contains(parent.voters, a.Closer) {
			if t := m.tries[errand{body, a.Commit}]; t != nil && t.open && !slices.Contains(old.voters, a.Closer) && t.more < max(maxMorePulls, share(len(m.head.voters), vouchShare)) {
				t.more++ // whoever was asked first may leave the question open
				m.do(Pull{Commit: a.Commit, Sources: []proto.PeerID{a.Closer}})
			}
			old.voters = with(old.voters, a.Closer)
		}
		// The parent that is here is the commit's, as far as anybody can tell who has not read it.
		if here, was := m.blocks[a.Parent] != nil, m.blocks[old.Parent] != nil; here && !was || here == was && a.View < old.View {
			old.Announced = a
		}
		m.announced[a.Commit] = old
		return
	}
	first := announcement{Announced: a}
	if m.counts(a.Closer) {
		first.voters = with(nil, a.Closer)
	}
	var same []proto.ID
	unknown := 0
	for id, old := range m.announced {
		if old.Closer == a.Closer {
			same = append(same, id)
		}
		if !m.familiar(old.Closer) {
			unknown++
		}
	}
	if len(same) >= maxByCloser {
		delete(m.announced, slices.MinFunc(same, func(x, y proto.ID) int {
			return m.announced[x].before(m.announced[y].Announced)
		}))
	}
	if len(m.announced) < maxPeers && (unknown < maxUnknown || m.familiar(a.Closer)) {
		m.announced[a.Commit] = first
	}
}

// familiar tells whether a peer votes, or did on a head of this node's.
func (m *Machine) familiar(p proto.PeerID) bool {
	_, ok := m.known[p]
	return ok || m.counts(p)
}

// before orders announcements by height, then id.
func (a Announced) before(b Announced) int {
	if a.Height != b.Height {
		return int(int64(a.Height) - int64(b.Height))
	}
	return slices.Compare(a.Commit[:], b.Commit[:])
}

// with adds a peer to a few.
func with(ps []proto.PeerID, p proto.PeerID) []proto.PeerID {
	if p == "" || slices.Contains(ps, p) || len(ps) >= maxByCloser {
		return ps
	}
	return append(ps[:len(ps):len(ps)], p)
}

// sawView keeps the lowest view in which a commit was seen, and the voters of its parent
// who announced it: anybody may announce what they are about to.
func (b *block) sawView(a announcement) {
	if b.Closer == "" || a.View < b.View {
		b.View, b.Closer = a.View, a.Closer
	}
	for _, p := range append([]proto.PeerID{a.Closer}, a.voters...) {
		if b.parent != nil && slices.Contains(b.parent.voters, p) {
			b.by = with(b.by, p)
		}
	}
}

// chase pulls commits that are known of but not held: for each voter who announced them one
// at a time, and for all who are no voters one together, for to announce what is not there costs nothing.
func (m *Machine) chase() {
	busy := map[proto.PeerID]bool{}
	for e, t := range m.tries {
		if e.what == body && t.open {
			busy[t.pulledFor] = true
		}
	}
	type hanging struct {
		commit proto.ID
		of     proto.PeerID
	}
	var ahead []hanging
	for _, p := range m.peersAlive() {
		b := m.beats[p]
		// Who stands on it is asked before who announced it, which anybody may.
		if a, ok := m.announced[b.Head]; m.blocks[b.Head] == nil && (!ok || m.blocks[a.Parent] == nil) {
			ahead = append(ahead, hanging{b.Head, p})
		}
	}
	for _, id := range sortedIDs(m.announced) {
		a := m.announced[id]
		switch {
		case m.blocks[id] != nil:
			delete(m.announced, id)
		case m.blocks[a.Parent] == nil:
			ahead = append(ahead, hanging{id, a.Closer})
		case m.fails(body, id) >= giveUpAfter:
			delete(m.announced, id)
		default:
			whose := a.voters
			if len(whose) == 0 {
				whose = []proto.PeerID{""}
			}
			free := slices.IndexFunc(whose, func(p proto.PeerID) bool { return !busy[p] })
			if free < 0 || !m.try(body, id) {
				continue
			}
			m.tries[errand{body, id}].pulledFor = whose[free]
			busy[whose[free]] = true
			m.do(Pull{Commit: id, Sources: m.sources(append([]proto.PeerID{a.Closer}, a.voters...))})
		}
	}
	for _, p := range m.head.voters {
		u := m.newest(p)
		if u == nil || m.blocks[u.Parent] != nil || u.Height <= m.base.Height+1 || busy[p] || !m.try(body, u.Parent) {
			continue
		}
		m.tries[errand{body, u.Parent}].pulledFor = p
		busy[p] = true
		m.do(Pull{Commit: u.Parent, Sources: m.sources(m.elsewhere(u.Parent))})
	}
	// Whose word came to nothing most often is last, or a few would have all places.
	slices.SortStableFunc(ahead, func(x, y hanging) int {
		return cmp.Compare(m.fails(branch, peerKey(x.of)), m.fails(branch, peerKey(y.of)))
	})
	for _, h := range ahead {
		m.catchUp(h.commit, h.of)
	}
}

// elsewhere draws whom to ask for a commit of which nobody but an update's author may know, others each time.
func (m *Machine) elsewhere(id proto.ID) []proto.PeerID {
	seed := append(id[:], byte(m.fails(body, id)))
	return drawn(seed, m.peersAlive())
}

// Branches asked for at once: by word of those who vote or did so here, more than may be hostile of them as far as that is at most
// maxCatching; and by word of all others.
const (
	minCatching  = 4
	maxCatching  = 32 // half of what a driver asks at once
	maxByUnknown = 2
	// A branch may be 4 MiB and tens of thousands of signatures. By word of those who never voted here, whom anybody can be, few are asked for
	// in a while, but where nobody else is heard.
	unknownEvery, unknownBurst = 30 * time.Second, 4
)

// unknownTurn tells whether one more branch may be asked for by word of somebody who never voted here.
func (m *Machine) unknownTurn() bool {
	if m.alone() {
		return true
	}
	from := max(m.byUnknown, m.now)
	if from-m.now > (unknownBurst-1)*unknownEvery {
		return false
	}
	m.byUnknown = from + unknownEvery
	return true
}

// catchUp asks for the branch of a commit that hangs in the air, by word of a
// peer: one at a time of each, so that no peer's inventions are in another's way.
func (m *Machine) catchUp(target proto.ID, of proto.PeerID) {
	unknown := 0
	for _, p := range m.catching {
		if !m.familiar(p) {
			unknown++
		}
	}
	full := unknown >= maxByUnknown
	if m.familiar(of) {
		full = len(m.catching)-unknown >= min(max(minCatching, len(m.known)/vouchShare+1), maxCatching)
	}
	if _, under := m.catching[target]; under || full || !m.rested(branch, peerKey(of)) || !m.familiar(of) && !m.unknownTurn() || !m.try(branch, peerKey(of)) {
		return
	}
	m.catching[target] = of
	sources := m.sources([]proto.PeerID{of})
	if !m.familiar(of) && !m.alone() {
		sources = []proto.PeerID{of} // it may have friends, each with as long an answer
	}
	m.do(CatchUp{Target: target, Have: m.locator(), Sources: sources})
}

// peerKey is a peer's place among the tries.
func peerKey(p proto.PeerID) proto.ID { return proto.Sum([]byte(p)) }

// caughtUp ends a catch-up. A branch that it did not bring is asked for again
// after a pause, for as long as its peer speaks of it.
func (m *Machine) caughtUp(target proto.ID) {
	of, ok := m.catching[target]
	if !ok {
		return
	}
	delete(m.catching, target)
	if b := m.blocks[target]; b != nil && b.state != invalid {
		m.done(branch, peerKey(of))
		return
	}
	m.retry(branch, peerKey(of))
	if m.fails(branch, peerKey(of)) >= giveUpAfter {
		delete(m.announced, target)
	}
}

// pulled takes commits' bodies. The driver has checked that the contents hash to
// their ids and that the updates are signed.
func (m *Machine) pulled(e Pulled) {
	byID := indexed(e.Updates)
	for i, c := range e.Commits {
		m.take(c, byID, i+1 < len(e.Commits) && e.Commits[i+1].Parent == c.ID)
	}
	m.trim()
}

func indexed(us []Update) map[proto.ID]Update {
	byID := make(map[proto.ID]Update, len(us))
	for _, u := range us {
		byID[u.ID] = u
	}
	return byID
}

// take adds a commit to the tree. Of one closer few are taken that nothing follows in the
// same answer: what others have built on may bear the name of somebody who only announced
// it first.
func (m *Machine) take(c Commit, updates map[proto.ID]Update, followed bool) {
	m.done(body, c.ID)
	parent := m.blocks[c.Parent]
	switch {
	case m.blocks[c.ID] != nil:
		m.blocks[c.ID].sawView(announcement{Announced: Announced{View: c.View, Closer: c.Closer}})
		return
	case c.Height <= m.base.Height,
		!followed && parent != nil && madeBy(c.Closer, slices.Values(parent.children)) >= maxTwins,
		!followed && madeBy(c.Closer, maps.Values(m.undecided)) >= 2*int(m.cfg.Snapshot)+maxByCloser: // no honest branch has more that others still serve
		delete(m.announced, c.ID)
		return
	case parent == nil:
		m.catchUp(c.ID, c.Closer)
		return
	}
	var us []Update
	var ms *members
	ok := parent.members != nil
	if ok {
		us, ms, ok = m.wellFormed(parent.Commit, parent.members, c, updates)
	}
	if !ok { // of what is invalid its place alone is kept: the lists may be a hundred times as large
		c = Commit{ID: c.ID, Parent: c.Parent, Height: c.Height, View: c.View, Closer: c.Closer}
	}
	b := m.plant(c, parent)
	b.sawView(announcement{Announced: Announced{View: c.View, Closer: c.Closer}})
	if a, ok := m.announced[c.ID]; ok {
		b.sawView(a)
		delete(m.announced, c.ID)
	}
	if ok {
		for _, id := range c.mentions() {
			if u, ok := updates[id]; ok {
				m.seen(u)
			}
		}
		b.members = ms
		for _, u := range us {
			m.updates[u.ID] = &u // a listed update is kept, whatever else its author sent
		}
	} else {
		m.decide(b, invalid)
	}
}

// madeBy counts the commits of one closer among some.
func madeBy(closer proto.PeerID, among iter.Seq[*block]) (n int) {
	for b := range among {
		if b.Closer == closer {
			n++
		}
	}
	return n
}

// wellFormed tells whether a commit's content is what its parent, list and
// evidence give, whatever its state root, and returns the listed updates and who
// belongs after it.
func (m *Machine) wellFormed(parent Commit, ms *members, b Commit, byID map[proto.ID]Update) ([]Update, *members, bool) {
	if len(b.Updates) == 0 || len(b.Updates) > m.cfg.MaxUpdates || len(b.Evidence) > proto.MaxEvidence {
		return nil, nil, false
	}
	after, ok := ms.extended(b.Notices)
	if !ok {
		return nil, nil, false
	}
	newcomers := 0
	payloads := make(map[proto.ID]bool, len(b.Updates))
	var us []Update
	var last proto.PeerID
	for _, id := range b.Updates {
		u, ok := byID[id]
		if !ok || u.Author <= last || payloads[u.Payload] || !fits(m.cfg, ms, parent, u) {
			return nil, nil, false // missing, unsorted, listed twice, a copy, no member's, or claiming too much
		}
		payloads[u.Payload] = true
		if m.cfg.newcomer(parent, u.Author) {
			newcomers++
		}
		last = u.Author
		us = append(us, u)
	}
	shown := make(map[proto.PeerID]bool, len(b.Evidence))
	for _, pair := range b.Evidence {
		x, okX := byID[pair[0]]
		y, okY := byID[pair[1]]
		if !okX || !okY || x.Author != y.Author || parent.Rank(x.Author) < 0 || x.Parent != b.Parent || y.Parent != b.Parent ||
			slices.Compare(pair[0][:], pair[1][:]) >= 0 {
			return nil, nil, false
		}
		if shown[x.Author] { // one pair leaves an author out, and each is kept with the commit
			return nil, nil, false
		}
		shown[x.Author] = true
	}
	return us, after, newcomers <= m.cfg.newcomers(parent) && !overused(b.Roster, us) && same(b, Derive(m.cfg, parent, us, b.Evidence, b.Notices))
}

func sortedIDs[V any](set map[proto.ID]V) []proto.ID {
	ids := make([]proto.ID, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b proto.ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}
