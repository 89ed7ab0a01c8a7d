package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Update is a node's contribution to a round.
type Update struct {
	ID       proto.ID // of the signed bytes
	Author   proto.PeerID
	Parent   proto.ID // commit that it is for
	Height   uint64   // of the commit that may list it
	Seq      uint64
	Tokens   uint64 // learned from
	High     uint64 // data position up to which the author's lane is used
	Payload  proto.ID
	Size     uint64 // payload, bytes
	Loss     float32
	Exchange time.Duration // last round's
	StepTime time.Duration

	Proof    *murmurv1.Proof // of membership; nil in an open swarm
	Standing Standing        // what the proof says
	Signed   *murmurv1.Envelope
}

// Seal signs an update. It returns what peers will read: times are rounded on the wire.
func (u Update) Seal(swarm proto.ID, key ed25519.PrivateKey) (Update, error) {
	return readUpdate(swarm, u.Author, proto.Seal(key, proto.DomainUpdate, proto.Encode(&murmurv1.Update{
		Swarm: swarm[:], Author: []byte(u.Author), Parent: u.Parent[:], Height: u.Height, Seq: u.Seq,
		Tokens: u.Tokens, Payload: u.Payload[:], PayloadSize: u.Size, High: u.High,
		ExchangeMs: uint32(u.Exchange.Milliseconds()), StepUs: uint32(u.StepTime.Microseconds()), Loss: u.Loss, Proof: u.Proof,
	})))
}

// OpenUpdate checks an update and its proof of membership, whoever the community's keys are.
func OpenUpdate(swarm proto.ID, e *murmurv1.Envelope) (Update, error) {
	author, err := proto.Open(e, proto.DomainUpdate)
	if err != nil {
		return Update{}, fmt.Errorf("update: %w", err)
	}
	return readUpdate(swarm, author, e)
}

func readUpdate(swarm proto.ID, author proto.PeerID, e *murmurv1.Envelope) (Update, error) {
	var w murmurv1.Update
	if err := proto.Decode(e.Payload, proto.MaxEnvelope, &w); err != nil {
		return Update{}, err
	}
	parent, err1 := proto.IDFrom(w.Parent)
	payload, err2 := proto.IDFrom(w.Payload)
	switch {
	case err1 != nil || err2 != nil:
		return Update{}, fmt.Errorf("update: %w", errors.Join(err1, err2))
	case string(w.Swarm) != string(swarm[:]):
		return Update{}, errors.New("update of another swarm")
	case string(w.Author) != string(author):
		return Update{}, errors.New("update signed by another than its author")
	case w.PayloadSize > proto.MaxBlob:
		return Update{}, fmt.Errorf("update with a payload of %d bytes", w.PayloadSize)
	case !finite(float64(w.Loss)):
		return Update{}, errors.New("update with a loss that is no number")
	case w.Cohort != 0:
		return Update{}, fmt.Errorf("update of cohort %d, this version knows cohort 0", w.Cohort)
	}
	u := Update{
		ID: proto.Sum(e.Payload), Author: author, Parent: parent, Height: w.Height, Seq: w.Seq, Tokens: w.Tokens,
		High: w.High, Payload: payload, Size: w.PayloadSize, Loss: w.Loss,
		Exchange: time.Duration(w.ExchangeMs) * time.Millisecond, StepTime: time.Duration(w.StepUs) * time.Microsecond,
		Proof: w.Proof, Signed: e,
	}
	if w.Proof != nil {
		var err error
		if u.Standing, err = OpenProof(swarm, author, w.Proof); err != nil {
			return Update{}, fmt.Errorf("update's proof of membership: %w", err)
		}
	}
	return u, nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
