package gossip

import (
	"errors"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// Message is one gossip message, already checked: exactly one of Update,
// Announce and Heartbeat is set.
type Message struct {
	Author    proto.PeerID // signer of the envelope, or sender of the heartbeat
	Via       proto.PeerID // neighbour that the message came from
	Update    *wire.Update
	Announce  *wire.Announce
	Heartbeat *murmurv1.Heartbeat
}

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
		var u wire.Update
		u, err = wire.OpenUpdate(swarm, k.Update)
		m.Update, m.Author = &u, u.Author
	case *murmurv1.Gossip_Announce:
		var a wire.Announce
		a, err = wire.OpenAnnounce(swarm, k.Announce)
		m.Announce, m.Author = &a, a.Closer
	case *murmurv1.Gossip_Heartbeat:
		m.Heartbeat, m.Author = k.Heartbeat, author
		err = wire.CheckHeartbeat(swarm, k.Heartbeat)
	default:
		if len(data) > 0 {
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
