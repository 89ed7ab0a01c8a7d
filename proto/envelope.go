package proto

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Domain separates the kinds of signed messages, so that a signature for one
// can never serve as another.
type Domain string

// The domains of murmur's signed messages.
const (
	DomainUpdate   Domain = "murmur/update/1"
	DomainAnnounce Domain = "murmur/announce/1"
	DomainInvite   Domain = "murmur/invite/1"
	DomainEntry    Domain = "murmur/entry/1"
	DomainMember   Domain = "murmur/member/1"
	DomainNotice   Domain = "murmur/notice/1"
)

// Size limits, checked before decoding.
const (
	MaxGossip     = 4 << 10   // an announcement or heartbeat
	MaxEnvelope   = 2 << 10   // a signed update or announcement
	MaxManifest   = 256 << 10 // a swarm's description
	MaxCommit     = 4 << 20   // a commit with all its envelopes: 3.9 MB where each list is full and each envelope too
	MaxSync       = 8 << 20   // an answer with several commits
	MaxRequest    = 64 << 10  // a request on a stream
	MaxBlob       = 1 << 40   // a payload or a state
	MaxUpdates    = 1024      // updates in a commit
	MaxEvidence   = 64        // evidence in a commit
	MaxPeerBytes  = 64        // a peer id
	MaxHello      = 256 << 10 // what a peer shows to be let in, with all notices
	MaxNotices    = 512       // of one swarm
	MaxMemberList = 4 << 20   // what a node keeps of its swarm's members
)

// ErrSignature says that bytes are not signed by the key they name.
var ErrSignature = errors.New("signature does not match")

// Seal signs payload bytes.
func Seal(key ed25519.PrivateKey, d Domain, payload []byte) *murmurv1.Envelope {
	return &murmurv1.Envelope{
		Payload: payload,
		Key:     key.Public().(ed25519.PublicKey),
		Sig:     ed25519.Sign(key, signed(d, payload)),
	}
}

// Open checks an envelope and returns its signer.
func Open(e *murmurv1.Envelope, d Domain) (PeerID, error) {
	switch {
	case e == nil:
		return "", errors.New("no envelope")
	case len(e.Payload) > MaxEnvelope:
		return "", fmt.Errorf("envelope of %d bytes, at most %d are allowed", len(e.Payload), MaxEnvelope)
	case len(e.Key) != ed25519.PublicKeySize:
		return "", fmt.Errorf("key of %d bytes, want %d", len(e.Key), ed25519.PublicKeySize)
	case !ed25519.Verify(e.Key, signed(d, e.Payload), e.Sig):
		return "", ErrSignature
	}
	return PeerOf(e.Key), nil
}

func signed(d Domain, payload []byte) []byte {
	b := make([]byte, 0, len(d)+1+len(payload))
	b = append(b, d...)
	b = append(b, 0)
	return append(b, payload...)
}

// Decode unmarshals bytes that may be at most limit long. Fields that this version does not know are dropped, for nothing signed has them: a
// message that carried them on would be larger than its parts are allowed to be, and the same parts would have many forms.
func Decode(b []byte, limit int, m proto.Message) error {
	if len(b) > limit {
		return fmt.Errorf("%s of %d bytes, at most %d are allowed", m.ProtoReflect().Descriptor().Name(), len(b), limit)
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
		return fmt.Errorf("decoding %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}

// Encode marshals a message deterministically. It cannot fail for murmur's
// messages: they have no required fields, and their strings are checked before.
func Encode(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", m, err))
	}
	return b
}
