package round

import (
	"cmp"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// shortcut asks for the state of a snapshot height on a branch that this node
// has the commits of and most of its roster is on: where that is fewer bytes than
// the payloads on the way, or where they cannot be had. Nobody computes the commits
// below, so no minority may lead there.
func (m *Machine) shortcut() {
	if len(m.undecided) == 0 {
		return
	}
	seen := m.forks()
	for _, first := range m.open() {
		if first.state != pending || !first.parent.leads() || m.complete(first) || !m.contends(first, seen) || !m.supported(first) {
			continue
		}
		tip := m.tip(first, (*block).hopeful, seen.tips)
		at, missing := m.lastSnapshot(first, tip)
		if at == nil {
			continue
		}
		withheld := m.now-first.at > m.cfg.Grace
		if missing*m.cfg.MaxPayload <= m.cfg.StateSize && !withheld || !m.try(snapshot, at.ID) {
			continue
		}
		m.skipTo = at
		m.do(Enter{Commit: at.Commit, Sources: m.holders(at.Commit, m.otherVoters(), func(p proto.PeerID) bool { return m.stands(p, at) })})
		return
	}
}

// supported tells whether most other voters of the head, or where there are none
// most peers, stand on a commit or above it by heartbeat or newest update.
func (m *Machine) supported(b *block) bool {
	voters, votes := m.otherVoters(), 0
	for _, p := range voters {
		if m.stands(p, b) {
			votes++
		}
	}
	return 2*votes > len(voters)
}

// otherVoters lists the head's voters but for this node, or where there are none the peers that are heard.
func (m *Machine) otherVoters() []proto.PeerID {
	voters := slices.DeleteFunc(slices.Clone(m.head.voters), func(p proto.PeerID) bool { return p == m.cfg.Self })
	if len(voters) == 0 {
		return m.peersAlive()
	}
	return voters
}

// lastSnapshot finds the highest snapshot height from first up to tip that most stand on, and how
// many payloads on the way to it are not held.
func (m *Machine) lastSnapshot(first, tip *block) (at *block, missing uint64) {
	for b := tip; b != first.parent; b = b.parent {
		if at == nil && b.Height%m.cfg.Snapshot == 0 && m.supported(b) { // whoever told of the branch may have added to it
			at = b
		}
		if at == nil {
			continue
		}
		for _, id := range b.Updates {
			if u := m.updates[id]; u == nil || !m.holds(*u) {
				missing++
			}
		}
	}
	return at, missing
}

// weigh compares a branch that parted from this one below the base, or that
// this node has never been on, by the rule of fork choice, and asks for its
// snapshot if it is preferred. Nobody here knows who voted where the branches parted:
// the voters are the peers that this node knows and hears, and for a node that is alone
// those of the tips. Where it knows nobody on that branch, members count who are heard and can prove it: whoever showed
// a newcomer a branch first is no more than one of them.
func (m *Machine) weigh(e Foreign) {
	if len(e.Branch) == 0 || m.blocks[e.Branch[0].ID] != nil || !m.sane(e.Branch[0]) || !m.follows(e) || !m.cfg.Checkpoint.below(e) {
		return
	}
	for i, c := range e.Branch {
		if m.blocks[c.ID] != nil { // it is of this tree after all: what lies below the base is over
			m.pulled(Pulled{Commits: e.Branch[i+1:], Updates: e.Updates})
			return
		}
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
	o, mine := offer{base: base, tip: tip, branch: theirs}, offer{base: m.base.Commit, tip: m.head.Commit}
	there, here, elsewhere := m.company(theirs)
	followed, alone := there > 0 && 2*there >= elsewhere, there == 0 && m.alone()
	if !followed && !alone && m.cfg.Membership.Open() {
		return // and nothing of it is kept
	}
	for _, u := range e.Updates {
		m.seen(u)
	}
	if followed {
		o.votes, mine.votes = there, here
	} else if alone {
		o.votes, mine.votes = m.votesFor(m.cfg.voters(tip), theirs), m.votesFor(m.head.voters, ours)
	}
	if !alone && !m.cfg.Membership.Open() && (!followed || !o.beats(mine)) { // what those said who are gone may be about a past that both share
		heard := slices.DeleteFunc(m.cfg.voters(tip), func(p proto.PeerID) bool { // whose newest update here is old may be anywhere by now
			b := m.beats[p]
			return b == nil || !b.fresh(m.now) || !m.along(b, theirs)
		})
		o.votes, mine.votes = max(there, m.votesFor(heard, theirs)), elsewhere
	}
	worse := !o.beats(mine)
	if m.damaged { // its own branch tells nothing, but the others whom it hears do
		worse = !alone && o.votes+1 < mine.votes
	}
	if worse || m.skipTo != nil || !m.besides(o) || !m.try(snapshot, base.ID) {
		return
	}
	m.entering[base.ID] = o
	m.do(Enter{Commit: base, Sources: m.holders(base, m.cfg.voters(tip), func(p proto.PeerID) bool { return m.along(m.beats[p], theirs) })})
}

// holders draws whom to ask for a snapshot height's state, others each time: first its branch's voters who are heard, those who stand there
// ahead of the others. Eight keys that vote nowhere say where they stand for nothing, and would be all that is asked.
func (m *Machine) holders(c Commit, voters []proto.PeerID, stands func(proto.PeerID) bool) []proto.PeerID {
	var there, heard, silent []proto.PeerID
	for _, p := range voters {
		switch b := m.beats[p]; {
		case b == nil || !b.fresh(m.now):
			silent = append(silent, p)
		case stands(p):
			there = append(there, p)
		default:
			heard = append(heard, p)
		}
	}
	seed := append(m.salted(c.ID), byte(m.fails(snapshot, c.ID)))
	return m.sources(slices.Concat(drawn(seed, there), drawn(seed, heard), drawn(seed, m.peersAlive()), drawn(seed, silent)))
}

// company counts the peers known from rosters, this node among them, that are heard: who
// stands on a branch of these commits, who on this node's tree, and all who do not stand
// on that branch. Who has not been heard for longer than a round may last, or since this node started or woke, tells nothing; before that it is
// taken to stand elsewhere, or one who is heard first would have a node that starts; but nobody is who was never heard and whom this node's
// own disk did not name: the roster of somebody's snapshot may name whom it likes. Somebody whose head
// is nowhere here counts among the last for as long as a round may last after it was in
// this node's roster: this node may be behind, and is no easier to lead away then.
func (m *Machine) company(theirs map[proto.ID]bool) (there, here, elsewhere int) {
	for p, met := range m.known {
		b := m.beats[p]
		if p == m.cfg.Self {
			here++
			elsewhere++
			continue
		}
		if b == nil || !b.fresh(m.now) {
			last := max(m.started, m.awake)
			if b != nil {
				last = max(last, b.at)
			}
			if met >= 0 && m.now-last <= m.cfg.Max+m.cfg.Grace && (b != nil || m.kept[p]) {
				elsewhere++ // it may be heard again
			}
			continue
		}
		switch {
		case m.along(b, theirs):
			there++ // perhaps further on by now
		case m.blocks[b.Head] != nil:
			here++
			elsewhere++
		case m.now-met <= m.cfg.Max+m.cfg.Grace:
			elsewhere++
		}
	}
	return there, here, elsewhere
}

// along tells whether a peer stands on a branch of these commits, or did just now.
func (m *Machine) along(b *beat, theirs map[proto.ID]bool) bool {
	return theirs[b.Head] || m.blocks[b.Head] == nil && m.named(b, theirs)
}

// named tells whether a peer's last heads were on a branch of these commits and none on this node's tree: who says the one in turn with the other
// would have two sides change places, each to where most seem to be.
func (m *Machine) named(b *beat, theirs map[proto.ID]bool) bool {
	there := false
	for _, id := range b.heads {
		if m.blocks[id] != nil {
			return false
		}
		there = there || theirs[id]
	}
	return there
}

// alone tells whether this node has heard of nobody whom it knows for longer than a
// round may last, or knows nobody: it takes what there is.
func (m *Machine) alone() bool {
	heard, others := max(m.started, m.awake), false
	for p := range m.known {
		if p != m.cfg.Self {
			others = true
			if b := m.beats[p]; b != nil {
				heard = max(heard, b.at)
			}
		}
	}
	return !others || m.now-heard > m.cfg.Max+m.cfg.Grace
}

// below tells whether a branch goes through the checkpoint: by the branch itself, or
// by the snapshot heights below it, each of which names the one before.
func (c Checkpoint) below(e Foreign) bool {
	if c.Height == 0 {
		return true
	}
	if slices.ContainsFunc(e.Branch, func(b Commit) bool { return b.ID == c.Commit }) {
		return true
	}
	next := e.Branch[0].Skip
	for _, p := range e.Past {
		if p.ID != next {
			return false
		}
		if p.ID == c.Commit {
			return true
		}
		next = p.Skip
	}
	return false
}

// anchored tells whether b lies on a branch through the checkpoint.
func (m *Machine) anchored(b *block) bool {
	c := m.cfg.Checkpoint
	if m.base.Height >= c.Height {
		return true // it was, when this node came here
	}
	at := m.blocks[c.Commit]
	return at != nil && (b.under(at) || at.under(b))
}

// offer is a branch that shares no commit with this one, as its peers tell of it.
type offer struct {
	base, tip Commit
	votes     int
	branch    map[proto.ID]bool // its commits
}

// maxEntering bounds the states of foreign branches that are fetched at once.
const maxEntering = 3

// besides tells whether a state may be fetched beside those on their way: where it is better than each, or further up the same branch, for whoever
// alone still holds an old state could send it as slowly as it likes. Where there are too many, the lowest is not waited for any more.
func (m *Machine) besides(o offer) bool {
	var lowest *offer
	for _, id := range sortedIDs(m.entering) {
		p := m.entering[id]
		if !o.replaces(p, 2*m.cfg.Snapshot) {
			return false
		}
		if lowest == nil || p.base.Height < lowest.base.Height {
			lowest = &p
		}
	}
	if len(m.entering) >= maxEntering {
		delete(m.entering, lowest.base.ID)
	}
	return true
}

// replaces tells whether an offer is better than another whose state is on its way, or leads further up the same branch.
func (o offer) replaces(p offer, kept uint64) bool {
	switch {
	case o.branch[p.base.ID]:
		return false
	case p.branch[o.base.ID]:
		return o.base.Height >= p.base.Height+kept // its peers keep the lower one's state until then
	case p.branch[o.base.Skip] && o.base.Height >= p.base.Height+kept: // by its own word, so about as many have to be there
		return o.votes >= p.votes-share(p.votes, vouchShare)
	}
	return o.beats(p)
}

func (o offer) rival() rival {
	return rival{child: first(o.base), tip: &block{Commit: o.tip}, votes: o.votes}
}

func (o offer) beats(p offer) bool {
	return o.rival().beats(p.rival())
}

// sane tells whether a snapshot height claims what a chain can lead to.
func (m *Machine) sane(c Commit) bool {
	return c.Height%m.cfg.Snapshot == 0 && c.NextH >= m.cfg.HMin && c.NextH <= m.cfg.HMax &&
		c.Target == uint64(c.NextH)*m.cfg.StepTokens && len(c.Roster) <= rosterDepth*proto.MaxUpdates &&
		!slices.ContainsFunc(c.Roster, func(r Member) bool { return r.Age >= rosterDepth || r.Seen > probation })
}

// first stands for the unknown commit at which a branch parted from another: what
// it has of it that stays the same while both grow is who is on it.
func first(c Commit) *block {
	var id proto.ID
	if len(c.Roster) > 0 {
		id = peerKey(c.Roster[0].Peer)
	}
	return &block{Commit: Commit{ID: id}}
}

// follows tells whether each commit of a foreign branch is what its parent and
// list give, and no voter is counted twice. The first one rests on the word of
// whoever sent it.
func (m *Machine) follows(e Foreign) bool {
	sorted := slices.IsSortedFunc(e.Branch[0].Roster, func(a, b Member) int { return cmp.Compare(a.Peer, b.Peer) })
	if twice := len(slices.CompactFunc(slices.Clone(e.Branch[0].Roster), func(a, b Member) bool { return a.Peer == b.Peer })); !sorted || twice != len(e.Branch[0].Roster) {
		return false
	}
	ms, ok := newMembers(m.cfg.Membership, nil).extended(e.Branch[0].Notices)
	updates := indexed(e.Updates)
	for i, c := range e.Branch[1:] {
		if !ok {
			return false
		}
		_, ms, ok = m.wellFormed(e.Branch[i], ms, c, updates)
	}
	return ok
}

// votesFor counts the voters, members by what this node knows, whose newest update
// names one of some commits; or names none that is here, while one before it does: its author has gone on while an answer travelled.
func (m *Machine) votesFor(voters []proto.PeerID, commits map[proto.ID]bool) int {
	n := 0
	in := map[Key]int{}
	for _, p := range voters {
		u := m.newest(p)
		if u != nil && !commits[u.Parent] && m.blocks[u.Parent] == nil {
			if i := slices.IndexFunc(m.authors[p], func(u *Update) bool { return commits[u.Parent] }); i >= 0 {
				u = m.authors[p][i]
			}
		}
		if u == nil || !commits[u.Parent] || !m.local.admits(*u) {
			continue
		}
		if in[u.Proof.Invite]++; u.Proof.Uses == 0 || in[u.Proof.Invite] <= int(u.Proof.Uses) {
			n++
		}
	}
	return n
}

// toProve is how many commits above a snapshot that came from others a node
// computes for itself before it builds on it.
const toProve = 2

// land takes a snapshot height whose state is held now: one of the tree, or of a
// foreign branch, where it becomes base and head.
func (m *Machine) land(c Commit) {
	m.done(snapshot, c.ID)
	m.skipTo = nil
	if b := m.blocks[c.ID]; b != nil {
		delete(m.entering, c.ID) // it came by the tree meanwhile
		if b.state == pending {
			m.unproven = toProve
			m.decide(b, valid)
			for b = b.parent; b != nil && b.state == pending; b = b.parent {
				m.decide(b, skipped)
			}
		}
		return
	}
	o, ok := m.entering[c.ID]
	if !ok {
		return
	}
	clear(m.entering)
	if _, here, _ := m.company(o.branch); here > o.votes && !m.damaged && !m.alone() {
		return // those who were there have come here meanwhile: two sides would change places
	}
	from := m.head
	m.blocks, m.undecided, m.listings = map[proto.ID]*block{}, map[proto.ID]*block{}, listings{}
	m.base = m.plant(c, nil)
	m.base.members = m.membersAt(c, nil)
	m.decide(m.base, valid)
	m.forget()
	m.enter(m.base)
	m.unproven = toProve
	m.do(Adopt{From: from.Commit, To: c, Delivered: m.own.delivered, Jump: true})
	m.do(Beat{})
	m.do(AskUpdates{Parent: c.ID, Sources: m.sources(nil)})
}
