package gossip

import (
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// cause is why a gossip message went no further. Copies of a message that came before are
// not among them: they are the rule.
type cause int

const (
	malformed   cause = iota // no honest neighbour would have passed it on
	unknownKind              // of a kind that this version does not know
	notItsOwn                // passed off as another's
	noMember                 // by nobody who belongs to the swarm
	tooMany                  // beyond the rate of its author or of a neighbour
	stale                    // a heartbeat older than one heard before
	unsigned                 // signed by nobody, or not by the author that it names
	unchecked                // more came at once than can be checked
	unread                   // the node did not take it in time
	unsent                   // a neighbour's line did not take it in time: one for each such neighbour
	causes
)

var causeNames = [causes]string{
	"malformed", "unknown-kind", "not-its-own", "no-member", "rate", "stale", "signature", "unchecked", "unread", "unsent",
}

// drops counts dropped messages by cause. The validator and gossip itself tell it of them.
type drops struct {
	self peer.ID
	by   [causes]atomic.Uint64
}

func (d *drops) add(c cause) { d.by[c].Add(1) }

// all returns the count of every cause, of those without a drop too, so that a scrape sees a first drop as an increase.
func (d *drops) all() map[string]uint64 {
	out := make(map[string]uint64, causes)
	for c, name := range causeNames {
		out[name] = d.by[c].Load()
	}
	return out
}

// RejectMessage counts what gossip refuses before or after the validator, which counts its own refusals.
func (d *drops) RejectMessage(_ *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		d.add(unchecked)
	case pubsub.RejectMissingSignature, pubsub.RejectInvalidSignature, pubsub.RejectUnexpectedSignature, pubsub.RejectUnexpectedAuthInfo:
		d.add(unsigned)
	}
}

// UndeliverableMessage counts what a full subscription drops, without this node's own
// messages, which nobody reads here.
func (d *drops) UndeliverableMessage(m *pubsub.Message) {
	if m.ReceivedFrom != d.self {
		d.add(unread)
	}
}

// DropRPC counts the messages of a frame for a neighbour whose queue is full.
func (d *drops) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	d.by[unsent].Add(uint64(len(rpc.GetPublish())))
}

// The other events of a pubsub.RawTracer lose no message and are not counted.

func (d *drops) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (d *drops) Join(string)                              {}
func (d *drops) Leave(string)                             {}
func (d *drops) Graft(peer.ID, string)                    {}
func (d *drops) Prune(peer.ID, string)                    {}
func (d *drops) ValidateMessage(*pubsub.Message)          {}
func (d *drops) DeliverMessage(*pubsub.Message)           {}
func (d *drops) DuplicateMessage(*pubsub.Message)         {}
func (d *drops) ThrottlePeer(peer.ID)                     {}
func (d *drops) RecvRPC(*pubsub.RPC)                      {}
func (d *drops) SendRPC(*pubsub.RPC, peer.ID)             {}
