package round

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// graceFloor keeps grace above scheduling noise on a loaded machine, and is how
// long an active newcomer may take to publish.
const graceFloor = 500 * time.Millisecond

// stepShare of a round is the most that grace allows for the step that a member ends before it
// publishes: one in 16.
const stepShare = 16

// grace is how long a closer waits for members to publish: twice the largest recent spread, but
// for the third that are largest, for one member's may be what it likes.
func (m *Machine) grace() time.Duration { return m.graceBut(len(m.spreads) / vouchShare) }

// slowest is how long a closer waits for the payload of an update that it knows: twice the
// largest recent spread, or whose line is slower than most others' would never be in.
func (m *Machine) slowest() time.Duration { return m.graceBut(0) }

// graceBut is twice the largest recent spread but for some; the manifest's bound at most and at
// first; the step that a member ends before it publishes, and the floor, at least.
func (m *Machine) graceBut(but int) time.Duration {
	if len(m.spreads) == 0 {
		return m.cfg.Grace
	}
	sorted := slices.Sorted(slices.Values(m.spreads))
	usual := sorted[len(sorted)-1-but]
	step := median(m.recent(), func(u Update) time.Duration { return u.StepTime })
	step = step * time.Duration(min(m.head.NextH, stepShare)) / stepShare
	return min(max(2*usual, graceFloor+step), m.cfg.Grace)
}

// closeRound builds the commit when it is this node's turn.
func (m *Machine) closeRound() {
	if !m.round.due || !m.round.held {
		return
	}
	us, evidence := m.candidates(m.head)
	list := m.admissible(slices.DeleteFunc(m.heldOf(us), func(u Update) bool { return m.round.lost[u.ID] }))
	if len(list) == 0 {
		return
	}
	if !m.round.ready {
		if !m.closable(us) {
			return
		}
		m.round.ready, m.round.readyAt, m.round.turns = true, m.now, m.closers(us)
		m.waits.end(m.now)
	}
	view := slices.Index(m.closers(us), m.cfg.Self)
	if view < 0 || m.now < m.round.readyAt+time.Duration(view)*m.cfg.ViewTimeout {
		return
	}
	if !m.try(building, m.head.ID) {
		return
	}
	draft := Derive(m.cfg, m.head.Commit, list, evidence, m.head.members.with(m.noticed))
	draft.View, draft.Closer = uint32(view), m.cfg.Self
	m.do(Build{Draft: draft, Updates: list})
}

// admissible leaves of some updates as many as a commit on the head may list, of newcomers
// and by one invite. Who is in the roster comes
// first; of the others, which ones is drawn by the head's id, so that no key can be made
// ahead whose turn always comes.
func (m *Machine) admissible(us []Update) []Update {
	in := map[Key]int{} // places taken in the next roster, by whoever is not listed too
	for _, r := range m.head.Roster {
		if r.Age+1 < rosterDepth {
			in[r.Invite]++
		}
	}
	by := map[proto.PeerID]Update{}
	var proving, back, members, movers, fresh []proto.PeerID
	for _, u := range us {
		by[u.Author] = u
		switch rank := m.head.Rank(u.Author); {
		case m.voted(u.Author) && m.cfg.Membership.Open() && rank >= 0 && m.cfg.newcomer(m.head.Commit, u.Author):
			proving = append(proving, u.Author) // one after the other, or each would be out of the roster again before it votes
		case m.voted(u.Author) && m.cfg.Membership.Open() && m.cfg.newcomer(m.head.Commit, u.Author):
			back = append(back, u.Author) // who voted here before is not kept out by keys that were made since
		case rank < 0:
			fresh = append(fresh, u.Author)
		case m.head.Roster[rank].Invite != u.Proof.Invite:
			movers = append(movers, u.Author) // to another invite, where a place must be free
		default:
			members = append(members, u.Author)
		}
	}
	room, listed := m.cfg.newcomers(m.head.Commit), 0
	out := map[proto.PeerID]bool{}
	// Where more train than a commit lists, a quarter of the places is for who is not in the roster, and of those who are the longest unlisted come first:
	// else whoever misses rosterDepth rounds stays out for good.
	members = drawn(m.head.ID[:], members)
	slices.SortStableFunc(members, func(a, b proto.PeerID) int {
		return cmp.Compare(m.head.Roster[m.head.Rank(b)].Age, m.head.Roster[m.head.Rank(a)].Age)
	})
	first := min(len(members), m.cfg.MaxUpdates-min(len(us)-len(members), m.cfg.MaxUpdates/4))
	for _, p := range slices.Concat(drawn(m.head.ID[:], proving), drawn(m.head.ID[:], back), members[:first], drawn(m.head.ID[:], movers), drawn(m.head.ID[:], fresh), members[first:]) {
		proof, counts := by[p].Proof, m.cfg.newcomer(m.head.Commit, p)
		var had *Member // whose place it gives up
		if rank := m.head.Rank(p); rank >= 0 && m.head.Roster[rank].Age+1 < rosterDepth {
			had = &m.head.Roster[rank]
			in[had.Invite]--
		}
		switch {
		case counts && room == 0, proof.Uses > 0 && in[proof.Invite] >= int(proof.Uses), listed == m.cfg.MaxUpdates:
			out[p] = true
			if had != nil {
				in[had.Invite]++ // it stays, unlisted
			}
			continue
		case counts:
			room--
		}
		listed++
		in[proof.Invite]++
	}
	return slices.DeleteFunc(us, func(u Update) bool { return out[u.Author] })
}

// closable tells whether view 0 need wait no longer: every active voter's update is
// held, or grace has ended. Others are waited for as well, or a lone node would never
// let anyone in: through grace once their update is known, and for a moment if they
// are active and have yet to publish. Active is who is present: where rounds are
// short, heartbeats are often one round old.
func (m *Machine) closable(us []Update) bool {
	since := m.now - max(m.round.dueAt, m.round.heldAt)
	switch {
	case m.behind() && since < m.cfg.Grace:
		return false
	case m.early() && since < m.cfg.Grace+m.cfg.ViewTimeout:
		m.round.earlyAt = m.now
		return false
	}
	if min(since, m.now-m.round.earlyAt) >= m.slowest() { // before, the others' payloads had no time to come
		return true
	}
	by := func(us []Update, p proto.PeerID) bool {
		return slices.ContainsFunc(us, func(u Update) bool { return u.Author == p })
	}
	grace := m.grace()
	late := since >= grace
	if !late && m.training && m.counts(m.cfg.Self) && !by(us, m.cfg.Self) {
		return false
	}
	held := m.heldOf(us)
	var wait time.Duration // for those that do not count
	for _, u := range us {
		if b := m.beats[u.Author]; b == nil || !b.fresh(m.now) || m.holds(u) {
			continue
		}
		switch {
		case m.counts(u.Author) && (late || m.expected(us, u.Author)):
			return false // on its way here, though its author's head may have moved on, and a slow line is asked more than once
		case m.expected(us, u.Author):
			wait = grace
		}
	}
	if late {
		return true
	}
	for _, p := range m.present() {
		switch {
		case by(held, p): // it is listed, or cannot be
		case m.counts(p):
			return false
		case m.expected(us, p):
			wait = grace
		default:
			wait = max(wait, graceFloor)
		}
	}
	if !m.accompanied() && since < graceFloor && wait > 0 {
		return false // it holds up nobody else
	}
	return since >= wait || !m.waits.wait(m.now, wait-since)
}

// heldOf leaves of some updates those whose payloads are on this disk.
func (m *Machine) heldOf(us []Update) []Update {
	return slices.DeleteFunc(slices.Clone(us), func(u Update) bool { return !m.holds(u) })
}

// accompanied tells whether another voter is heard.
func (m *Machine) accompanied() bool {
	return slices.ContainsFunc(m.head.voters, func(p proto.PeerID) bool {
		b := m.beats[p]
		return p != m.cfg.Self && b != nil && b.fresh(m.now)
	})
}

// behind tells whether more than a third of the other voters are further on, on a
// branch that this node has not seen yet: a round closed here would only fork off
// below it.
func (m *Machine) behind() bool {
	others, on := 0, 0
	for _, p := range m.head.voters {
		if p == m.cfg.Self {
			continue
		}
		others++
		if b := m.beats[p]; b != nil && b.fresh(m.now) && b.Height > m.head.Height && m.blocks[b.Head] == nil {
			on++
		}
	}
	return on > others/vouchShare
}

// expected tells whether a peer's update is on its way here: known, and not yet
// asked for in vain.
func (m *Machine) expected(us []Update, p proto.PeerID) bool {
	i := slices.IndexFunc(us, func(u Update) bool { return u.Author == p })
	return i >= 0 && m.fails(payload, us[i].ID) == 0
}

// closers ranks who may close: the voters with a heartbeat, then other authors of
// this round, each by a hash.
func (m *Machine) closers(us []Update) []proto.PeerID {
	alive := func(p proto.PeerID) bool {
		b := m.beats[p]
		return p == m.cfg.Self || (b != nil && b.fresh(m.now))
	}
	var members, others []proto.PeerID
	for _, p := range m.head.voters {
		if alive(p) {
			members = append(members, p)
		}
	}
	for _, u := range us {
		if !slices.Contains(m.head.voters, u.Author) && alive(u.Author) {
			others = append(others, u.Author)
		}
	}
	members = m.ranked(members)
	slices.SortStableFunc(members, func(p, q proto.PeerID) int { return cmp.Compare(m.lapsed[p], m.lapsed[q]) })
	return append(members, m.ranked(others)...)
}

// lapse is for how many rounds the turn of a voter who let one pass comes last: heights are
// known ahead, so that a key can be drawn whose turn comes first in many.
const lapse = 16

// noteLapsed notes whose turn to close passed before the next commit came.
func (m *Machine) noteLapsed(next *block) {
	maps.DeleteFunc(m.lapsed, func(_ proto.PeerID, until uint64) bool { return until < next.Height })
	if next.parent != m.head || !m.round.ready {
		return
	}
	// Who takes all of each turn of its own makes rounds as long as who takes none, so half a view must do; or as much more, up to a
	// view, as payloads come to one node after another, for the closer may have been ready so much later than this node.
	late := min(max(m.slowest(), m.cfg.ViewTimeout/2), m.cfg.ViewTimeout)
	came := next.at // all of it: who lists a payload and holds it back has not closed
	for _, u := range m.listed(next) {
		came = max(came, m.held[u.Use()])
	}
	for i, p := range m.round.turns {
		// To announce what another closes later is not to close.
		over := m.round.readyAt + time.Duration(i)*m.cfg.ViewTimeout + late
		if m.now < over || came < over && (p == next.Closer || slices.Contains(next.by, p)) {
			return
		}
		if p != m.cfg.Self && slices.Contains(m.head.voters, p) {
			m.lapsed[p] = next.Height + lapse
		}
	}
}

func (m *Machine) ranked(ps []proto.PeerID) []proto.PeerID {
	seed := binary.BigEndian.AppendUint64(bytes.Clone(m.cfg.Swarm[:]), m.head.Height+1)
	return drawn(seed, ps)
}

// drawn orders peers by the hash of a seed and their ids.
func drawn(seed []byte, ps []proto.PeerID) []proto.PeerID {
	draws := make(map[proto.PeerID]proto.ID, len(ps))
	for _, p := range ps {
		draws[p] = proto.Sum(append(bytes.Clone(seed), p...))
	}
	slices.SortFunc(ps, func(a, b proto.PeerID) int {
		x, y := draws[a], draws[b]
		return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(a, b))
	})
	return ps
}

// built takes the commit that this node was asked for.
func (m *Machine) built(c Commit) {
	m.done(building, c.Parent)
	parent := m.blocks[c.Parent]
	if parent == nil || !parent.leads() {
		return
	}
	b := m.blocks[c.ID]
	if b == nil {
		b = m.plant(c, parent)
		b.members = m.membersAt(c, parent)
	}
	if b.state == invalid {
		return // others would not take it, whatever this node believes
	}
	b.sawView(announcement{Announced: Announced{View: c.View, Closer: c.Closer}})
	b.own = true
	m.decide(b, valid)
	if c.Parent == m.head.ID {
		m.do(Announce{Commit: c}) // as this node closed it, whoever announced the same before
	}
}

// unbuilt has a commit be built again: at once where that is without what the driver lost, later if not.
func (m *Machine) unbuilt(e Unbuilt) {
	known := len(m.round.lost)
	if e.Parent == m.head.ID && len(e.Lost) > 0 {
		if m.round.lost == nil {
			m.round.lost = map[proto.ID]bool{}
		}
		for _, id := range e.Lost {
			m.round.lost[id] = true
		}
	}
	if len(m.round.lost) > known {
		m.done(building, e.Parent)
	} else {
		m.retry(building, e.Parent)
	}
}

func sortedPeers[V any](set map[proto.PeerID]V) []proto.PeerID {
	ps := make([]proto.PeerID, 0, len(set))
	for p := range set {
		ps = append(ps, p)
	}
	slices.Sort(ps)
	return ps
}
