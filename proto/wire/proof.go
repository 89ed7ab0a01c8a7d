package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	pb "google.golang.org/protobuf/proto"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// ErrNoProof says that a proof of membership is empty.
var ErrNoProof = errors.New("no proof of membership")

// Standing is what a proof of membership says, whatever the time and whoever the
// community's keys are.
type Standing struct {
	Signer  ed25519.PublicKey // who signed the membership, or the invite
	Invite  ed25519.PublicKey // the one that it came in by; nil for none
	Until   int64             // unix seconds
	Uses    uint32            // peers that may be in by the invite; 0: any number
	Renewed bool              // a membership, which lasts when the invite is over
}

// OpenProof checks a proof's signatures, and that it is a peer's for a swarm.
func OpenProof(swarm proto.ID, peer proto.PeerID, p *murmurv1.Proof) (Standing, error) {
	switch {
	case p.GetMember() != nil:
		var m murmurv1.Member
		if err := openAs(p.Member, proto.DomainMember, &m); err != nil {
			return Standing{}, fmt.Errorf("membership: %w", err)
		}
		if len(m.Invite) > 0 && len(m.Invite) != ed25519.PublicKeySize {
			return Standing{}, errors.New("membership by an invite without a key")
		}
		return Standing{Signer: p.Member.Key, Invite: m.Invite, Until: m.Until, Uses: m.Uses, Renewed: true}, bound(m.Swarm, m.Peer, swarm, peer)
	case p.GetInvite() != nil:
		var i murmurv1.Invite
		if err := openAs(p.Invite, proto.DomainInvite, &i); err != nil {
			return Standing{}, fmt.Errorf("invite: %w", err)
		}
		var e murmurv1.Entry
		if err := openAs(p.Entry, proto.DomainEntry, &e); err != nil {
			return Standing{}, fmt.Errorf("entry: %w", err)
		}
		s := Standing{Signer: p.Invite.Key, Invite: i.Key, Until: i.Until, Uses: i.Uses}
		if string(p.Entry.Key) != string(i.Key) || string(i.Swarm) != string(swarm[:]) {
			return s, errors.New("the entry is by another invite, or the invite is another swarm's")
		}
		return s, bound(e.Swarm, e.Peer, swarm, peer)
	default:
		return Standing{}, ErrNoProof
	}
}

func bound(inSwarm, ofPeer []byte, swarm proto.ID, peer proto.PeerID) error {
	if string(inSwarm) != string(swarm[:]) || string(ofPeer) != string(peer) {
		return errors.New("it is another peer's, or another swarm's")
	}
	return nil
}

// openAs checks an envelope and decodes what it holds.
func openAs(e *murmurv1.Envelope, d proto.Domain, m pb.Message) error {
	if _, err := proto.Open(e, d); err != nil {
		return err
	}
	return proto.Decode(e.Payload, proto.MaxEnvelope, m)
}
