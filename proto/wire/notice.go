package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Notice is a community's word to its swarm: whom it revokes, or which keys speak for it.
type Notice struct {
	ID      proto.ID // of the signed bytes
	Kind    murmurv1.Notice_Kind
	Subject string // peer, or public key
	Signer  ed25519.PublicKey
	Signed  *murmurv1.Envelope
}

// OpenNotice checks a notice. Whether its signer counts is not for this package to say.
func OpenNotice(swarm proto.ID, e *murmurv1.Envelope) (Notice, error) {
	var w murmurv1.Notice
	if err := openAs(e, proto.DomainNotice, &w); err != nil {
		return Notice{}, fmt.Errorf("notice: %w", err)
	}
	switch w.Kind {
	case murmurv1.Notice_PEER, murmurv1.Notice_INVITE, murmurv1.Notice_NEW_KEY, murmurv1.Notice_DROP_KEY:
	default:
		return Notice{}, fmt.Errorf("notice of kind %d, which this version does not know", w.Kind)
	}
	if string(w.Swarm) != string(swarm[:]) {
		return Notice{}, errors.New("notice of another swarm")
	}
	return Notice{ID: proto.Sum(e.Payload), Kind: w.Kind, Subject: string(w.Subject), Signer: e.Key, Signed: e}, nil
}
