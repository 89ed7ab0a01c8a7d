package membership

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Invite lets its holder into a swarm: it is a key pair that the community has signed.
type Invite struct {
	Signed *murmurv1.Envelope
	Key    ed25519.PrivateKey
}

// MaxInvite bounds the bytes of an invite's text.
const MaxInvite = 1 << 10

// NewInvite makes an invite that ends at a time, for so many peers; 0 is any number.
func NewInvite(community ed25519.PrivateKey, swarm proto.ID, until time.Time, uses uint32) (Invite, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Invite{}, fmt.Errorf("drawing an invite's key: %w", err)
	}
	payload := proto.Encode(&murmurv1.Invite{Swarm: swarm[:], Key: public, Until: until.Unix(), Uses: uses})
	return Invite{proto.Seal(community, proto.DomainInvite, payload), key}, nil
}

// String returns the invite's text for a link. It is a secret.
func (i Invite) String() string {
	b := append([]byte(nil), i.Key.Seed()...)
	return base64.RawURLEncoding.EncodeToString(append(b, proto.Encode(i.Signed)...))
}

// ParseInvite reads what String wrote. Whether it counts shows when it is used.
func ParseInvite(s string) (Invite, error) {
	if len(s) > MaxInvite {
		return Invite{}, fmt.Errorf("an invite of %d characters, at most %d are allowed", len(s), MaxInvite)
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) <= ed25519.SeedSize {
		return Invite{}, errors.New("the invite is damaged; copy the whole link")
	}
	i := Invite{Signed: &murmurv1.Envelope{}, Key: ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])}
	var inner murmurv1.Invite
	err = proto.Decode(b[ed25519.SeedSize:], MaxInvite, i.Signed)
	if err == nil {
		err = proto.Decode(i.Signed.Payload, proto.MaxEnvelope, &inner)
	}
	if err != nil || string(inner.Key) != string(i.Key.Public().(ed25519.PublicKey)) {
		return Invite{}, errors.New("the invite is damaged; copy the whole link")
	}
	return i, nil
}

// Enter puts the proof of a peer that comes in by the invite into a List's Saved, which may
// be empty: what the list knows of others stays.
func (i Invite) Enter(swarm proto.ID, peer proto.PeerID, saved []byte) ([]byte, error) {
	var list murmurv1.MemberList
	if err := proto.Decode(saved, proto.MaxMemberList, &list); err != nil {
		return nil, fmt.Errorf("the list of members: %w", err)
	}
	entry := proto.Encode(&murmurv1.Entry{Swarm: swarm[:], Peer: []byte(peer)})
	list.Proof = &murmurv1.Proof{Invite: i.Signed, Entry: proto.Seal(i.Key, proto.DomainEntry, entry)}
	return proto.Encode(&list), nil
}
