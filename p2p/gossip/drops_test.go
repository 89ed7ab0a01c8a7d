package gossip

import (
	"encoding/binary"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// TestDropCauses has each way that a message can end counted under its own name, and one that
// passes under none.
func TestDropCauses(t *testing.T) {
	ada := peer.ID(prototest.Peer(1))
	seqno := uint64(time.Now().UnixNano())
	message := func(data []byte) *pubsub.Message {
		seqno++
		return &pubsub.Message{Message: &pb.Message{From: []byte(ada), Data: data, Seqno: binary.BigEndian.AppendUint64(nil, seqno)}}
	}
	heard := func(heartbeats bool, m *pubsub.Message) func(*Topics) {
		return func(g *Topics) { g.validator(heartbeats)(t.Context(), ada, m) }
	}
	old := message(gossipOf(prototest.Heartbeat(1)))
	own := message(gossipOf(prototest.Heartbeat(1)))
	own.ReceivedFrom = "self"
	rejected := func(reason string) func(*Topics) {
		return func(g *Topics) { g.dropped.RejectMessage(old, reason) }
	}
	for name, c := range map[string]struct {
		do   func(*Topics)
		want map[string]uint64
	}{
		"a good one":     {heard(true, message(gossipOf(prototest.Heartbeat(1)))), nil},
		"rubbish":        {heard(true, message([]byte{0xff})), map[string]uint64{"malformed": 1}},
		"a new kind":     {heard(true, message([]byte{0xfa, 0x07, 0x00})), map[string]uint64{"unknown-kind": 1}},
		"another's word": {heard(false, message(proto.Encode(&murmurv1.Gossip{Kind: &murmurv1.Gossip_Update{Update: prototest.Update(2, 1)}}))), map[string]uint64{"not-its-own": 1}},
		"an echo": {func(g *Topics) {
			heard(true, old)(g)
			heard(true, old)(g)
		}, map[string]uint64{"stale": 1}},
		"a flood": {func(g *Topics) {
			for range authorBurst + 5 {
				heard(true, message(gossipOf(prototest.Heartbeat(1))))(g)
			}
		}, map[string]uint64{"rate": 5}},
		"a forgery":            {rejected(pubsub.RejectInvalidSignature), map[string]uint64{"signature": 1}},
		"too many at once":     {rejected(pubsub.RejectValidationThrottled), map[string]uint64{"unchecked": 1}},
		"what validator tells": {rejected(pubsub.RejectValidationFailed), nil},
		"nobody reads":         {func(g *Topics) { g.dropped.UndeliverableMessage(old) }, map[string]uint64{"unread": 1}},
		"nobody reads its own": {func(g *Topics) { g.dropped.UndeliverableMessage(own) }, nil},
		"a slow line": {func(g *Topics) {
			g.dropped.DropRPC(&pubsub.RPC{RPC: pb.RPC{Publish: []*pb.Message{old.Message, old.Message}}}, ada)
		}, map[string]uint64{"unsent": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			// The clock stands: nothing of an author's rate comes back.
			now := time.Now()
			g := topics(func() time.Time { return now }, func(peer.ID) bool { return true })
			c.do(g)
			for cause, n := range g.dropped.all() {
				if n != c.want[cause] {
					t.Errorf("%d were dropped as %s, want %d", n, cause, c.want[cause])
				}
			}
		})
	}
}
