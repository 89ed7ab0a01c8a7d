// Package membership says who belongs to a swarm.
//
// A community's keys stand in the manifest. They sign invites, memberships and
// notices (this peer is out, this key is new). A newcomer proves itself to anybody,
// offline: the link that it was given holds an invite and the invite's own private
// key, which signs the newcomer's peer id. What it shows is worth nothing in another
// peer's hands, since connections are authenticated by peer id. How many came in by an
// invite each node counts for itself, from those that it met.
//
// The package guarantees that nothing unsigned, expired or revoked counts, at the time
// that its caller gives. It must not know connections, clocks or files.
package membership

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// Reasons for which a peer is not let in. The peer is told the texts.
var (
	ErrNoProof  = errors.New("this swarm is for members: ask one of them for an invite")
	ErrExpired  = errors.New("the invite or membership has expired: ask for a new invite; if it has not, look at this machine's clock")
	ErrRevoked  = errors.New("the membership or the invite was revoked")
	ErrForged   = errors.New("the invite or membership is not signed by the swarm's community, or is another peer's")
	ErrUsedUp   = errors.New("the invite was used as often as it may be: ask for a new one")
	errNotices  = fmt.Errorf("more than %d notices", proto.MaxNotices)
	errStranger = errors.New("signed by a key that is not the community's")
)

const (
	// membershipFor is how long a membership lasts that a community key renews when it
	// meets a member, and renewBefore when it does so.
	membershipFor = 90 * 24 * time.Hour
	renewBefore   = 60 * 24 * time.Hour
	maxEntered    = 10_000 // peers remembered to have come in by invites
)

// Params is what a List is made from.
type Params struct {
	Swarm   proto.ID
	Self    proto.PeerID
	Keys    []ed25519.PublicKey // the community's keys in the manifest
	Members []proto.PeerID      // members in the manifest, who need no proof
	Key     ed25519.PrivateKey  // private part of one of Keys, which renews memberships; nil: this node has none
	Saved   []byte              // bytes that Encode returned before; nil: none
}

// List knows who belongs to one swarm. It is safe for concurrent use.
type List struct {
	p Params

	mu      sync.Mutex
	proof   *murmurv1.Proof
	notices []wire.Notice
	keys    map[string]bool                  // all community keys, dropped ones too
	dropped map[string]bool                  // community keys that count no more
	peers   map[proto.PeerID]bool            // revoked peers
	invites map[string]bool                  // revoked invites, by key
	entered map[string]map[proto.PeerID]bool // peers that came in, by invite
	count   int                              // number of peers in entered
	shown   map[proto.PeerID]standing        // standings of the peers that were let in
	changed bool
	issued  time.Time // when this node signed its own membership
}

// standing is the outcome of a checked proof, kept so that no signature is checked twice.
type standing struct {
	proof   *murmurv1.Proof
	until   int64  // end in unix seconds; 0: none
	signer  string // community key that signed
	invite  string // key of the invite that the peer came in by; "": none
	uses    uint32 // peers that may be in by the invite; 0: any number
	renewed bool   // whether it is a membership, which lasts when the invite is over
}

// lasts tells whether a standing still counts.
func (b *List) lasts(s standing, now time.Time) bool {
	return (s.until == 0 || now.Unix() <= s.until) && !b.dropped[s.signer] && (s.renewed || !b.invites[s.invite])
}

// New makes a List.
func New(p Params) (*List, error) {
	b := &List{
		p: p, proof: &murmurv1.Proof{}, keys: map[string]bool{}, dropped: map[string]bool{}, peers: map[proto.PeerID]bool{}, invites: map[string]bool{},
		entered: map[string]map[proto.PeerID]bool{}, shown: map[proto.PeerID]standing{},
	}
	for _, k := range p.Keys {
		b.keys[string(k)] = true
	}
	if len(p.Saved) == 0 {
		return b, nil
	}
	var saved murmurv1.MemberList
	if err := proto.Decode(p.Saved, proto.MaxMemberList, &saved); err != nil {
		return nil, fmt.Errorf("the list of members: %w", err)
	}
	if saved.Proof != nil {
		b.proof = saved.Proof
	}
	if err := b.hear(saved.Notices); err != nil {
		return nil, fmt.Errorf("the list of members: %w", err)
	}
	for _, e := range saved.Entered {
		b.enter(string(e.Invite), proto.PeerID(e.Peer))
	}
	b.changed = false
	return b, nil
}

// Open tells whether everybody may take part.
func (b *List) Open() bool { return len(b.p.Keys) == 0 && len(b.p.Members) == 0 }

// Admit checks what a peer shows, and remembers it.
func (b *List) Admit(peer proto.PeerID, proof *murmurv1.Proof, now time.Time) error {
	return b.admit(peer, proof, nil, now)
}

// AdmitAuthor admits the author of a checked update by its proof.
func (b *List) AdmitAuthor(u wire.Update, now time.Time) error {
	return b.admit(u.Author, u.Proof, &u.Standing, now)
}

func (b *List) admit(peer proto.PeerID, proof *murmurv1.Proof, opened *wire.Standing, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.check(peer, proof, opened, now)
	if err != nil {
		delete(b.shown, peer)
		return err
	}
	if _, known := b.shown[peer]; known || len(b.shown) < maxEntered {
		b.shown[peer] = s
	}
	return nil
}

// Admitted tells whether a peer that was admitted still belongs.
func (b *List) Admitted(peer proto.PeerID, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Open() || peer == b.p.Self {
		return true
	}
	s, ok := b.shown[peer]
	return ok && b.lasts(s, now) || b.listed(peer)
}

func (b *List) listed(peer proto.PeerID) bool {
	return slices.Contains(b.p.Members, peer) && !b.peers[peer]
}

// check checks what a peer shows, opened already or not.
func (b *List) check(peer proto.PeerID, proof *murmurv1.Proof, opened *wire.Standing, now time.Time) (s standing, err error) {
	s.proof = proof
	switch {
	case b.peers[peer]:
		return s, ErrRevoked
	case b.Open() || b.listed(peer):
		return s, nil
	}
	var st wire.Standing
	if opened != nil {
		st = *opened
	} else {
		st, err = wire.OpenProof(b.p.Swarm, peer, proof)
	}
	s.until, s.signer, s.invite = st.Until, string(st.Signer), string(st.Invite)
	s.uses, s.renewed = st.Uses, st.Renewed
	switch {
	case errors.Is(err, wire.ErrNoProof):
		return s, ErrNoProof
	case err != nil:
		return s, fmt.Errorf("%w: %w", ErrForged, err)
	case !b.signs(s.signer):
		return s, fmt.Errorf("%w: %w", ErrForged, errStranger)
	case b.invites[s.invite] && !s.renewed:
		return s, ErrRevoked
	case now.Unix() > s.until:
		return s, ErrExpired
	case s.invite == "":
		return s, nil
	case !s.renewed && !b.entered[s.invite][peer] && st.Uses > 0 && b.in(s.invite) >= int(st.Uses):
		return s, ErrUsedUp
	}
	b.enter(s.invite, peer)
	return s, nil
}

// signs tells whether a key is a community key that counts now.
func (b *List) signs(key string) bool { return b.keys[key] && !b.dropped[key] }

// in counts the peers that entered by an invite. Who was revoked keeps the place: else the same person would take it with another key.
func (b *List) in(invite string) int { return len(b.entered[invite]) }

func (b *List) enter(invite string, peer proto.PeerID) {
	if b.entered[invite] == nil {
		b.entered[invite] = map[proto.PeerID]bool{}
	}
	if !b.entered[invite][peer] && b.count < maxEntered {
		b.entered[invite][peer] = true
		b.count++
		b.changed = true
	}
}

// Inherit admits the peers that another list had admitted, if their proofs count here.
func (b *List) Inherit(from *List, now time.Time) {
	from.mu.Lock()
	shown := maps.Clone(from.shown)
	from.mu.Unlock()
	for peer, s := range shown {
		_ = b.Admit(peer, s.proof, now) // who does not belong here is out
	}
}

// Listing is a List's entry about a peer.
type Listing struct {
	Peer    proto.PeerID
	How     string    // "listed", "member", "invited" or "revoked"
	Until   time.Time // zero: for good
	Invited string    // the invite that it came in by, short
}

// Members lists the known members and the revoked peers.
func (b *List) Members(now time.Time) (ls []Listing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.p.Members {
		if b.listed(p) {
			ls = append(ls, Listing{Peer: p, How: "listed"})
		}
	}
	for p, s := range b.shown {
		if b.listed(p) || !b.lasts(s, now) {
			continue
		}
		l := Listing{Peer: p, How: "member", Until: time.Unix(s.until, 0)}
		if s.invite != "" {
			l.Invited = proto.PeerOf(ed25519.PublicKey(s.invite)).Short()
			if !s.renewed {
				l.How = "invited"
			}
		}
		ls = append(ls, l)
	}
	for p := range b.peers {
		ls = append(ls, Listing{Peer: p, How: "revoked"})
	}
	slices.SortFunc(ls, func(x, y Listing) int { return strings.Compare(string(x.Peer), string(y.Peer)) })
	return ls
}

// Issue gives this node a membership of its own, where it has a community key.
func (b *List) Issue(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.issue(now)
}

func (b *List) issue(now time.Time) {
	if b.p.Key != nil {
		b.proof, b.changed, b.issued = &murmurv1.Proof{Member: b.member(b.p.Self, standing{}, now)}, true, now
	}
}

// member signs a membership for a peer, by the invite that it came in by.
func (b *List) member(peer proto.PeerID, by standing, now time.Time) *murmurv1.Envelope {
	return proto.Seal(b.p.Key, proto.DomainMember, proto.Encode(&murmurv1.Member{
		Swarm: b.p.Swarm[:], Peer: []byte(peer), Until: now.Add(membershipFor).Unix(), Invite: []byte(by.invite), Uses: by.uses,
	}))
}

// Keys lists the community keys that count now.
func (b *List) Keys() (keys []ed25519.PublicKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k := range b.keys {
		if !b.dropped[k] {
			keys = append(keys, ed25519.PublicKey(k))
		}
	}
	return keys
}

// Sign changes the community key with which this node signs, and renews its own membership by it.
func (b *List) Sign(key ed25519.PrivateKey, now time.Time) {
	b.mu.Lock()
	b.p.Key = key
	b.mu.Unlock()
	b.Issue(now)
}

// Renew returns a new membership for a member, if this node has a community key and the old membership is of
// another key or ends within renewBefore; else nil.
func (b *List) Renew(peer proto.PeerID, proof *murmurv1.Proof, now time.Time) *murmurv1.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.p.Key == nil {
		return nil
	}
	if now.Sub(b.issued) > membershipFor-renewBefore { // nobody else renews the holder's own
		b.issue(now)
	}
	if b.listed(peer) {
		return nil
	}
	s, err := b.check(peer, proof, nil, now)
	newest := s.renewed && s.signer == string(b.p.Key.Public().(ed25519.PublicKey))
	if err != nil || newest && s.until > now.Add(renewBefore).Unix() {
		return nil
	}
	return b.member(peer, s, now)
}

// Take keeps a membership that somebody renewed, if it counts and is better than the proof that this node has. Whoever answers may send an older one,
// which stands in old updates; and before the manifest is here, nothing tells a membership from any other bytes.
func (b *List) Take(renewed *murmurv1.Envelope, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if renewed == nil || b.Open() {
		return
	}
	proof := &murmurv1.Proof{Member: renewed}
	if s, err := b.check(b.p.Self, proof, nil, now); err == nil && b.better(s, now) {
		b.proof, b.changed = proof, true
	}
}

// better tells whether a membership is worth more than this node's own proof: which counts no more, is of an older key, or ends earlier. In an
// invite's place it has to be as good as new.
func (b *List) better(s standing, now time.Time) bool {
	was, err := b.check(b.p.Self, b.proof, nil, now)
	if err != nil {
		return true
	}
	if age := b.age(s.signer) - b.age(was.signer); age != 0 {
		return age > 0
	}
	if !was.renewed {
		return s.until > now.Add(renewBefore).Unix()
	}
	return s.until > was.until
}

// age orders the community's keys: those of the manifest, then the others as they became known.
func (b *List) age(key string) int {
	return 1 + slices.IndexFunc(b.notices, func(n wire.Notice) bool { return n.Kind == murmurv1.Notice_NEW_KEY && n.Subject == key })
}

// Proof returns this node's own proof, with all notices that it heard.
func (b *List) Proof() (*murmurv1.Proof, []*murmurv1.Envelope) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proof, b.signed()
}

// Encode returns the bytes for Params.Saved; nil if nothing has changed since the last call.
func (b *List) Encode() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.changed {
		return nil
	}
	b.changed = false
	out := &murmurv1.MemberList{Proof: b.proof, Notices: b.signed()}
	for invite, peers := range b.entered {
		for p := range peers {
			out.Entered = append(out.Entered, &murmurv1.MemberList_Entered{Invite: []byte(invite), Peer: []byte(p)})
		}
	}
	slices.SortFunc(out.Entered, func(x, y *murmurv1.MemberList_Entered) int {
		return strings.Compare(string(x.Invite)+string(x.Peer), string(y.Invite)+string(y.Peer))
	})
	return proto.Encode(out)
}
