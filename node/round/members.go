package round

import (
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// Key is an Ed25519 public key of a community or of an invite.
type Key string

// Proof says by whose word an author belongs to a swarm for members.
type Proof struct {
	Signer  Key    // the community key that signed; "" for no proof
	Invite  Key    // the key of the invite that it came in by; "" for none
	Uses    uint32 // peers that may be in by the invite; 0: any number
	Renewed bool   // a membership, which lasts when the invite is over
}

// Notice is a community key's word on who belongs. It counts from the children of
// the first commit that carries it.
type Notice struct {
	ID      proto.ID
	Kind    NoticeKind
	Subject string // a peer id or a key
	Signer  Key
}

// NoticeKind says what a notice is about.
type NoticeKind uint8

// The kinds of notices.
const (
	RevokePeer NoticeKind = iota + 1
	RevokeInvite
	NewKey
	DropKey
)

// Membership is who belongs to a swarm by its manifest.
type Membership struct {
	Keys  []Key          // the community's
	Peers []proto.PeerID // who need no proof
}

// Open tells whether everybody belongs.
func (m Membership) Open() bool { return len(m.Keys) == 0 && len(m.Peers) == 0 }

// members is who belongs by the manifest and a set of notices: a pure function of
// both, so that all nodes agree on it at a commit.
type members struct {
	open          bool
	listed        map[proto.PeerID]bool
	keys, dropped map[Key]bool
	peers         map[proto.PeerID]bool // revoked
	invites       map[Key]bool          // revoked
	notices       []Notice              // sorted by id
	unauthorised  bool                  // a notice is signed by none of the community's keys
	manifest      Membership
}

func newMembers(m Membership, notices []Notice) *members {
	s := &members{
		open: m.Open(), listed: map[proto.PeerID]bool{}, keys: map[Key]bool{}, dropped: map[Key]bool{},
		peers: map[proto.PeerID]bool{}, invites: map[Key]bool{}, notices: notices, manifest: m,
	}
	for _, p := range m.Peers {
		s.listed[p] = true
	}
	for _, k := range m.Keys {
		s.keys[k] = true
	}
	for grown := true; grown; { // a new key's notice may sort before its own
		grown = false
		for _, n := range notices {
			if n.Kind == NewKey && s.keys[n.Signer] && !s.keys[Key(n.Subject)] {
				s.keys[Key(n.Subject)], grown = true, true
			}
		}
	}
	for _, n := range notices {
		switch {
		case !s.keys[n.Signer]:
			s.unauthorised = true
		case n.Kind == RevokePeer:
			s.peers[proto.PeerID(n.Subject)] = true
		case n.Kind == RevokeInvite:
			s.invites[Key(n.Subject)] = true
		case n.Kind == DropKey:
			s.dropped[Key(n.Subject)] = true
		}
	}
	return s
}

// admits tells whether an update's author belongs.
func (s *members) admits(u Update) bool {
	switch {
	case s.open:
		return true
	case s.peers[u.Author]:
		return false
	case s.listed[u.Author]:
		return true
	}
	return s.keys[u.Proof.Signer] && !s.dropped[u.Proof.Signer] && (u.Proof.Renewed || !s.invites[u.Proof.Invite])
}

// overused tells whether a roster holds more peers than may be in by one of the
// listed updates' invites. Whoever has an invite can enter keys by it without end; the
// chain counts those that take part at one time.
func overused(roster []Member, us []Update) bool {
	in := map[Key]int{}
	for _, m := range roster {
		in[m.Invite]++
	}
	return slices.ContainsFunc(us, func(u Update) bool { return u.Proof.Uses > 0 && in[u.Proof.Invite] > int(u.Proof.Uses) })
}

// extended returns the members after a commit that carries notices: all that its
// parent carries, and new ones by keys that count at the parent.
func (s *members) extended(notices []Notice) (*members, bool) {
	if slices.Equal(notices, s.notices) {
		return s, true
	}
	if s.open || len(notices) > proto.MaxNotices {
		return nil, false
	}
	at := 0 // in the parent's
	for i, n := range notices {
		if i > 0 && compareIDs(notices[i-1].ID, n.ID) >= 0 {
			return nil, false
		}
		if at < len(s.notices) && s.notices[at] == n {
			at++
		} else if s.dropped[n.Signer] {
			return nil, false
		}
	}
	next := newMembers(s.manifest, notices)
	return next, at == len(s.notices) && !next.unauthorised
}

// with returns a commit's notices joined with others that may be added there, as
// far as there is room.
func (s *members) with(known map[proto.ID]Notice) []Notice {
	all := s.notices
	if s.open {
		return all
	}
	for _, id := range sortedIDs(known) {
		carried := slices.ContainsFunc(s.notices, func(n Notice) bool { return n.ID == id }) // by whichever of the community's keys
		if len(all) < proto.MaxNotices && !carried && !s.dropped[known[id].Signer] {
			all = append(all[:len(all):len(all)], known[id])
		}
	}
	slices.SortFunc(all, func(a, b Notice) int { return compareIDs(a.ID, b.ID) })
	if next := newMembers(s.manifest, all); next.unauthorised {
		all = slices.DeleteFunc(slices.Clone(all), func(n Notice) bool { return !next.keys[n.Signer] })
	}
	return all
}

func compareIDs(a, b proto.ID) int { return slices.Compare(a[:], b[:]) }

// takeNotices keeps what the community says: whoever it revokes is listed by this
// node no more, and the next commit of this node's carries it.
func (m *Machine) takeNotices(ns []Notice) {
	for _, n := range ns {
		if len(m.noticed) < proto.MaxNotices && !m.cfg.Membership.Open() {
			m.noticed[n.ID] = n
		}
	}
	m.refresh()
}

// refresh brings who belongs here up to date with the head and what this node knows.
func (m *Machine) refresh() {
	if !m.cfg.Membership.Open() {
		m.local = newMembers(m.cfg.Membership, m.head.members.with(m.noticed))
	}
}
