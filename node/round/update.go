package round

import (
	"cmp"
	"maps"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// seen takes an update announcement.
func (m *Machine) seen(u Update) {
	if !m.remember(u) {
		return
	}
	if u.Author == m.cfg.Self {
		// Peers remember what this disk forgot: neither this one nor those before it
		// may be signed a second time.
		if u.Seq > m.own.seq {
			m.own.floor = max(m.own.floor, u.Height)
		}
		m.own.note(m.updates[u.ID], m.own.covers[u.ID])
	}
}

// remember keeps an update if it is new and there is room for it.
func (m *Machine) remember(u Update) bool {
	if m.updates[u.ID] != nil {
		return false
	}
	if m.authors[u.Author] == nil && !m.authorRoom(u) {
		return false
	}
	m.told++
	u.heard = m.told
	m.updates[u.ID] = &u
	us := append(m.authors[u.Author], &u)
	slices.SortFunc(us, func(a, b *Update) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), slices.Compare(a.ID[:], b.ID[:]))
	})
	if len(us) > maxUpdatesByAuthor {
		least := 0
		if m.lastKnown(us) == 0 {
			least = 1 // it is its author's vote
		}
		if old := us[least]; !m.inTree(old.ID) {
			delete(m.updates, old.ID)
		}
		us = slices.Delete(us, least, least+1)
	}
	m.authors[u.Author] = us
	if m.updates[u.ID] == nil {
		return false
	}
	if m.holds(u) {
		m.arrived(&u) // the same bytes came with an earlier update
	}
	return true
}

// authorRoom tells whether there is room for an author's first update: always for one of
// the roster that it follows, and for who voted before. Of the others maxStrangers are kept, and each head draws
// anew who; in a swarm for members those alone who belong.
func (m *Machine) authorRoom(u Update) bool {
	if u.Author == m.cfg.Self {
		return true
	}
	in := func(p proto.PeerID, parent proto.ID) bool {
		b := m.blocks[parent]
		return m.head.Rank(p) >= 0 || m.voted(p) || b != nil && b.leads() && b.Rank(p) >= 0
	}
	if in(u.Author, u.Parent) {
		return len(m.authors) < 2*maxPeers
	}
	if !m.local.admits(u) {
		return false
	}
	var strangers []proto.PeerID
	for _, p := range m.knownAuthors() {
		if !slices.ContainsFunc(m.authors[p], func(u *Update) bool { return in(p, u.Parent) }) {
			strangers = append(strangers, p)
		}
	}
	if len(strangers) < maxStrangers {
		return true
	}
	last := drawn(m.salted(m.head.ID), append(strangers, u.Author))[len(strangers)]
	if last == u.Author {
		return false
	}
	for _, u := range m.authors[last] {
		if !m.inTree(u.ID) {
			delete(m.updates, u.ID)
		}
	}
	delete(m.authors, last)
	return true
}

func (m *Machine) inTree(id proto.ID) bool { return m.listings.of[id] > 0 }

// candidates returns the updates that a commit on b may list, sorted by author,
// and the proofs against those who made two.
func (m *Machine) candidates(b *block) (us []Update, evidence [][2]proto.ID) {
	for _, author := range m.knownAuthors() {
		var first *Update
		twice := false
		for _, u := range m.authors[author] {
			switch {
			case u.Parent != b.ID || !fits(m.cfg, b.members, b.Commit, *u) || !m.local.admits(*u) || m.unfit[u.Use()]:
			case first == nil:
				first = u
			case !twice:
				twice = true
				pair := [2]proto.ID{first.ID, u.ID}
				if slices.Compare(pair[0][:], pair[1][:]) > 0 {
					pair[0], pair[1] = pair[1], pair[0]
				}
				if len(evidence) < proto.MaxEvidence && b.Rank(author) >= 0 { // others' would fill it up
					evidence = append(evidence, pair)
				}
			}
		}
		if first != nil && !twice && len(us) < proto.MaxUpdates {
			us = append(us, *first)
		}
	}
	return us, evidence
}

func (m *Machine) knownAuthors() []proto.PeerID {
	as := make([]proto.PeerID, 0, len(m.authors))
	for a := range m.authors {
		as = append(as, a)
	}
	slices.Sort(as)
	return as
}

// Use is a payload in an author's updates of a height: what it holds may depend on the height, it names its author, and
// anybody may announce another's.
type Use struct {
	Payload proto.ID
	Size    uint64
	Height  uint64
	Author  proto.PeerID
}

// Use returns what an update makes of its payload.
func (u Update) Use() Use { return Use{u.Payload, u.Size, u.Height, u.Author} }

// holds tells whether an update's payload is on this disk and decodes there.
func (m *Machine) holds(u Update) bool {
	_, ok := m.held[u.Use()]
	return ok
}

// shared tells whether a payload is held for other updates.
func (m *Machine) shared(p proto.ID) bool {
	for u := range m.held {
		if u.Payload == p {
			return true
		}
	}
	return false
}

// gotPayload takes note of a payload on this disk.
func (m *Machine) gotPayload(p Use) {
	if _, ok := m.held[p]; ok {
		return
	}
	m.held[p] = m.now
	m.answered(p.Payload, m.done)
	for _, us := range m.authors {
		for _, u := range us {
			if u.Use() == p {
				m.arrived(u)
			}
		}
	}
}

// drop gives up newcomers' payloads, whole or half here, that neither the head nor a sibling can list any more, or that no update
// names which is kept: keys are free where the swarm is open, and each could have one kept for every round since the base.
func (m *Machine) drop() {
	if len(m.loose) == 0 {
		return
	}
	listed, named, shared := map[proto.ID]bool{}, map[Use]bool{}, map[proto.ID]bool{}
	for id, u := range m.updates {
		named[u.Use()] = true
		if m.inTree(id) {
			listed[u.Payload] = true
		}
	}
	var ids []proto.ID
	for u := range m.loose {
		if _, asked := m.asked[u.Payload]; asked || u.Height >= m.head.Height && named[u] {
			continue
		}
		delete(m.loose, u)
		if !listed[u.Payload] {
			delete(m.held, u)
			ids = append(ids, u.Payload)
		}
	}
	if len(ids) == 0 {
		return
	}
	for u := range m.held {
		shared[u.Payload] = true
	}
	if ids = slices.DeleteFunc(ids, func(id proto.ID) bool { return shared[id] }); len(ids) > 0 {
		slices.SortFunc(ids, func(a, b proto.ID) int { return slices.Compare(a[:], b[:]) })
		m.do(Drop{slices.Compact(ids)})
	}
}

// markUnfit remembers that a payload is of no use, for as long as an update that names it is known where there are many.
func (m *Machine) markUnfit(u Use) {
	if m.unfit[u] = true; len(m.unfit) <= maxUpdates {
		return
	}
	named := make(map[proto.ID]bool, len(m.updates))
	for _, u := range m.updates {
		named[u.Payload] = true
	}
	maps.DeleteFunc(m.unfit, func(u Use, _ bool) bool { return !named[u.Payload] })
}

// measures tells whether an update that came is the first in this round of a voter's: who signs
// more of them would have more than a share of the spreads.
func (m *Machine) measures(u *Update) bool {
	if u.Author == m.cfg.Self || !m.counts(u.Author) || m.round.measured[u.Author] {
		return false
	}
	if slices.ContainsFunc(m.authors[u.Author], func(o *Update) bool { return o.Parent == u.Parent && o.ID != u.ID }) {
		return false // a twin of an update that is long here would be as late as its author likes
	}
	if m.round.measured == nil {
		m.round.measured = map[proto.PeerID]bool{}
	}
	m.round.measured[u.Author] = true
	return true
}

// arrived notes when an update's payload came, for grace.
func (m *Machine) arrived(u *Update) {
	switch {
	case u.Parent == m.head.ID:
		if !m.round.held {
			m.round.held, m.round.heldAt = true, m.now
		}
		if m.measures(u) {
			// What came before the round was due held nobody up.
			began := m.now
			if m.round.due {
				began = max(m.round.heldAt, m.round.dueAt)
			}
			m.noteSpread(m.now - began)
		}
	case u.Parent == m.head.Parent && m.measures(u):
		// Late for the commit that is now the head: grace was too short for it.
		m.noteSpread(m.cfg.Grace)
	}
}

// fetch asks for payloads that the next commit may list, and for those that
// pending commits do list.
func (m *Machine) fetch() {
	us, _ := m.candidates(m.head)
	fresh := map[proto.PeerID]Update{}
	for _, u := range us {
		if m.stranger(u.Author) {
			fresh[u.Author] = u
			continue
		}
		m.want(u, nil)
	}
	for _, p := range drawn(m.salted(m.head.ID), sortedPeers(fresh)) { // last, for keys are free where the swarm is open
		m.want(fresh[p], nil)
	}
	if len(m.undecided) == 0 {
		return
	}
	ahead, seen := map[proto.PeerID]int{}, m.forks()
	for _, b := range m.open() {
		if m.running[payload] >= MaxFetching {
			return
		}
		if b.state != pending || m.complete(b) {
			continue
		}
		if ahead[b.account()]++; ahead[b.account()] > maxAhead && !b.parent.leads() && !m.followsSide(b, seen) {
			continue
		}
		if !m.contends(b, seen) || m.skipTo != nil && m.skipTo.under(b) {
			continue
		}
		for _, u := range m.listed(b) {
			m.want(u, b)
		}
	}
}

// stranger tells whether a peer is of those whose payloads come last: whom the roster lacks, or who is on probation, and was
// not a voter before.
func (m *Machine) stranger(p proto.PeerID) bool {
	return p != m.cfg.Self && !m.voted(p) && (m.head.Rank(p) < 0 || m.cfg.newcomer(m.head.Commit, p))
}

// voted tells whether a peer was a voter of a head of this node's.
func (m *Machine) voted(p proto.PeerID) bool {
	_, ok := m.known[p]
	return ok
}

// want asks for the payload of an update, which a commit lists or, where in is nil, may list: of its author, of that commit's closer, and of
// all that are alive. What a voter's commit lists of a stranger's takes one of that voter's places.
func (m *Machine) want(u Update, in *block) {
	stranger, share, first := m.stranger(u.Author), quota{of: u.Author}, []proto.PeerID{u.Author}
	if in != nil {
		first = append(first, in.Closer)
		if by := in.account(); by != "" && stranger {
			stranger, share = false, quota{of: by, strangers: true}
		}
	}
	if _, open := m.asked[u.Payload]; open || m.holds(u) || m.unfit[u.Use()] || m.running[payload] >= MaxFetching || m.fetching[share] >= m.placesOf() ||
		stranger && m.strangers >= MaxFetching/4 || share.strangers && m.listedStrangers() >= MaxFetching/4 || !m.try(payload, u.ID) {
		return
	}
	m.asked[u.Payload] = u.ID
	t := m.tries[errand{payload, u.ID}]
	t.quota, t.stranger = share, stranger
	m.fetching[share]++
	if stranger {
		m.strangers++
	}
	if m.stranger(u.Author) {
		if m.loose[u.Use()] = true; len(m.loose) > max(m.dropAbove, 2*maxStrangers) { // of keys that gave way to others
			m.drop()
			m.dropAbove = len(m.loose) + maxStrangers
		}
	}
	m.do(Fetch{Update: u, Shared: m.shared(u.Payload), Sources: m.sources(first)})
}

// listedStrangers counts the payloads under way that voters' commits list of strangers': each voter has places for them beside its own, and a third of
// many voters would have most of all.
func (m *Machine) listedStrangers() (n int) {
	for q, open := range m.fetching {
		if q.strangers {
			n += open
		}
	}
	return n
}

// answered ends the fetch of a payload that is under way, by the update that it went by: copies have pauses of their own, for they may say another size.
func (m *Machine) answered(id proto.ID, end func(what, proto.ID)) {
	if by, ok := m.asked[id]; ok {
		delete(m.asked, id)
		end(payload, by)
	}
}

// maxAhead bounds the commits of one voter, or of all who are none, whose payloads are asked for before it
// is known whether their parents are valid, where the swarm is not on them.
const maxAhead = 8

// MaxFetching bounds the payloads asked for at once: a driver has as many places. Those of newcomers take a
// quarter of it at most: half of what is fetched at once, or as many keys as somebody likes
// would keep the others' out.
const MaxFetching = 32

// maxOfAuthor bounds the payloads of one author's asked for at once, where there are few voters.
const maxOfAuthor = 4

// placesOf is how many payloads of one author are asked for at once, so that a third of the voters have a quarter of the places: who
// signs many updates, and sends their payloads as slowly as may be, would have all of them.
func (m *Machine) placesOf() int {
	return min(max(MaxFetching/4/max(share(len(m.head.voters), vouchShare), 1), 1), maxOfAuthor)
}

// maxSources bounds how many peers one thing is asked of.
const maxSources = 8

func (m *Machine) sources(first []proto.PeerID) []proto.PeerID {
	var s []proto.PeerID
	for _, p := range append(first, m.peersAlive()...) {
		if p != "" && p != m.cfg.Self && !slices.Contains(s, p) && len(s) < maxSources {
			s = append(s, p)
		}
	}
	return s
}
