package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Announce is a closer's word that a commit exists.
type Announce struct {
	Commit, Parent proto.ID
	Height         uint64
	View           uint32
	Closer         proto.PeerID
}

// Seal signs an announcement.
func (a Announce) Seal(swarm proto.ID, key ed25519.PrivateKey) *murmurv1.Envelope {
	return proto.Seal(key, proto.DomainAnnounce, proto.Encode(&murmurv1.Announce{
		Swarm: swarm[:], Commit: a.Commit[:], Parent: a.Parent[:], Height: a.Height, View: a.View, Closer: []byte(a.Closer),
	}))
}

// OpenAnnounce checks an announcement.
func OpenAnnounce(swarm proto.ID, e *murmurv1.Envelope) (Announce, error) {
	closer, err := proto.Open(e, proto.DomainAnnounce)
	if err != nil {
		return Announce{}, fmt.Errorf("announcement: %w", err)
	}
	var w murmurv1.Announce
	if err := proto.Decode(e.Payload, proto.MaxEnvelope, &w); err != nil {
		return Announce{}, err
	}
	commit, err1 := proto.IDFrom(w.Commit)
	parent, err2 := proto.IDFrom(w.Parent)
	switch {
	case err1 != nil || err2 != nil:
		return Announce{}, fmt.Errorf("announcement: %w", errors.Join(err1, err2))
	case string(w.Swarm) != string(swarm[:]):
		return Announce{}, errors.New("announcement of another swarm")
	case string(w.Closer) != string(closer):
		return Announce{}, errors.New("announcement signed by another than its closer")
	}
	return Announce{Commit: commit, Parent: parent, Height: w.Height, View: w.View, Closer: closer}, nil
}
