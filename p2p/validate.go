package p2p

import (
	"errors"
	"fmt"
	"math"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Message is one gossip message, already checked: exactly one of Update,
// Announce and Heartbeat is set.
type Message struct {
	Author    proto.PeerID // who signed the envelope, or sent the heartbeat
	Via       proto.PeerID // the neighbour it came from
	Update    *murmurv1.Envelope
	Proof     *murmurv1.Proof // the update's; nil for none
	Announce  *murmurv1.Envelope
	Heartbeat *murmurv1.Heartbeat
}

// Bounds of a heartbeat, beyond the size of the message.
const (
	maxState    = 32
	maxWhy      = 256
	maxVersion  = 64
	maxBackend  = 64
	maxInterval = 10 * 60 * 1000 // ms
	maxRate     = 1e12           // tokens/s
)

// errUnknownKind is a message of a kind that this version does not know: no
// reason to think ill of the neighbour that passed it on.
var errUnknownKind = errors.New("a kind of message that this version does not know")

// check decodes a gossip message and verifies all that needs no knowledge of
// the chain. heartbeats says which of the two topics it came on. Every error but
// errUnknownKind is one that an honest neighbour would have found, too.
func check(swarm proto.ID, heartbeats bool, author proto.PeerID, data []byte) (Message, error) {
	var g murmurv1.Gossip
	if err := proto.Decode(data, proto.MaxGossip, &g); err != nil {
		return Message{}, err
	}
	var m Message
	var err error
	switch k := g.Kind.(type) {
	case *murmurv1.Gossip_Update:
		m.Update = k.Update
		m.Author, m.Proof, err = checkUpdate(swarm, k.Update)
	case *murmurv1.Gossip_Announce:
		m.Announce = k.Announce
		m.Author, err = checkAnnounce(swarm, k.Announce)
	case *murmurv1.Gossip_Heartbeat:
		m.Heartbeat, m.Author = k.Heartbeat, author
		err = checkHeartbeat(swarm, k.Heartbeat)
	default:
		if len(g.ProtoReflect().GetUnknown()) > 0 {
			return Message{}, errUnknownKind
		}
		return Message{}, errors.New("an empty message")
	}
	if err != nil {
		return Message{}, err
	}
	if heartbeats != (m.Heartbeat != nil) {
		return Message{}, errors.New("a message on the wrong topic")
	}
	return m, nil
}

func checkUpdate(swarm proto.ID, e *murmurv1.Envelope) (author proto.PeerID, proof *murmurv1.Proof, err error) {
	signer, err := proto.Open(e, proto.DomainUpdate)
	if err != nil {
		return "", nil, fmt.Errorf("update: %w", err)
	}
	var u murmurv1.Update
	if err := proto.Decode(e.Payload, proto.MaxEnvelope, &u); err != nil {
		return "", nil, err
	}
	switch {
	case string(u.Swarm) != string(swarm[:]):
		return "", nil, errors.New("update of another swarm")
	case string(u.Author) != string(signer):
		return "", nil, errors.New("update signed by another than its author")
	case len(u.Parent) != len(proto.ID{}), len(u.Payload) != len(proto.ID{}):
		return "", nil, errors.New("update with an id of wrong length")
	case u.PayloadSize > proto.MaxBlob:
		return "", nil, fmt.Errorf("update with a payload of %d bytes", u.PayloadSize)
	case !finite(float64(u.Loss)):
		return "", nil, errors.New("update with a loss that is no number")
	}
	return signer, u.Proof, nil
}

func checkAnnounce(swarm proto.ID, e *murmurv1.Envelope) (proto.PeerID, error) {
	signer, err := proto.Open(e, proto.DomainAnnounce)
	if err != nil {
		return "", fmt.Errorf("announcement: %w", err)
	}
	var a murmurv1.Announce
	if err := proto.Decode(e.Payload, proto.MaxEnvelope, &a); err != nil {
		return "", err
	}
	switch {
	case string(a.Swarm) != string(swarm[:]):
		return "", errors.New("announcement of another swarm")
	case string(a.Closer) != string(signer):
		return "", errors.New("announcement signed by another than its closer")
	case len(a.Commit) != len(proto.ID{}), len(a.Parent) != len(proto.ID{}):
		return "", errors.New("announcement with an id of wrong length")
	}
	return signer, nil
}

func checkHeartbeat(swarm proto.ID, h *murmurv1.Heartbeat) error {
	switch {
	case string(h.GetSwarm()) != string(swarm[:]):
		return errors.New("heartbeat of another swarm")
	case len(h.Head) != len(proto.ID{}):
		return errors.New("heartbeat with an id of wrong length")
	case !finite(h.Rate) || h.Rate < 0 || h.Rate > maxRate:
		return fmt.Errorf("heartbeat with a rate of %v tokens a second", h.Rate)
	case len(h.State) > maxState, len(h.Why) > maxWhy, len(h.Version) > maxVersion, len(h.Backend) > maxBackend:
		return errors.New("heartbeat with a text that is too long")
	case !proto.Printable(h.State + h.Why + h.Version + h.Backend):
		return errors.New("heartbeat with a text that cannot be shown")
	case h.IntervalMs > maxInterval:
		return fmt.Errorf("heartbeat with an interval of %d ms", h.IntervalMs)
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
