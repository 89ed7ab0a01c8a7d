package p2p

import (
	"encoding/binary"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// TestDropCauses has each way that a message can end counted under its own name, and one that
// passes under none.
func TestDropCauses(t *testing.T) {
	ada := peer.ID(peerOf(1))
	seqno := uint64(time.Now().UnixNano())
	message := func(data []byte) *pubsub.Message {
		seqno++
		return &pubsub.Message{Message: &pb.Message{From: []byte(ada), Data: data, Seqno: binary.BigEndian.AppendUint64(nil, seqno)}}
	}
	heard := func(heartbeats bool, m *pubsub.Message) func(*gossip) {
		return func(g *gossip) { g.validator(heartbeats)(t.Context(), ada, m) }
	}
	old := message(gossipOf(heartbeat(1)))
	own := message(gossipOf(heartbeat(1)))
	own.ReceivedFrom = "self"
	rejected := func(reason string) func(*gossip) {
		return func(g *gossip) { g.dropped.RejectMessage(old, reason) }
	}
	for name, c := range map[string]struct {
		do   func(*gossip)
		want map[string]uint64
	}{
		"a good one":     {heard(true, message(gossipOf(heartbeat(1)))), nil},
		"rubbish":        {heard(true, message([]byte{0xff})), map[string]uint64{"malformed": 1}},
		"a new kind":     {heard(true, message([]byte{0xfa, 0x07, 0x00})), map[string]uint64{"unknown-kind": 1}},
		"another's word": {heard(false, message(proto.Encode(&murmurv1.Gossip{Kind: &murmurv1.Gossip_Update{Update: update(2, 1)}}))), map[string]uint64{"not-its-own": 1}},
		"an echo": {func(g *gossip) {
			heard(true, old)(g)
			heard(true, old)(g)
		}, map[string]uint64{"stale": 1}},
		"a flood": {func(g *gossip) {
			for range authorBurst + 5 {
				heard(true, message(gossipOf(heartbeat(1))))(g)
			}
		}, map[string]uint64{"rate": 5}},
		"a forgery":            {rejected(pubsub.RejectInvalidSignature), map[string]uint64{"signature": 1}},
		"too many at once":     {rejected(pubsub.RejectValidationThrottled), map[string]uint64{"unchecked": 1}},
		"what validator tells": {rejected(pubsub.RejectValidationFailed), nil},
		"nobody reads":         {func(g *gossip) { g.dropped.UndeliverableMessage(old) }, map[string]uint64{"unread": 1}},
		"nobody reads its own": {func(g *gossip) { g.dropped.UndeliverableMessage(own) }, nil},
		"a slow line": {func(g *gossip) {
			g.dropped.DropRPC(&pubsub.RPC{RPC: pb.RPC{Publish: []*pb.Message{old.Message, old.Message}}}, ada)
		}, map[string]uint64{"unsent": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			// The clock stands: nothing of an author's rate comes back.
			now := time.Now()
			g := &gossip{swarm: testSwarm, now: func() time.Time { return now }, authors: make(map[peer.ID]*author), dropped: &drops{self: "self"}, members: func() *membership.Book { return nil }, outsider: func(peer.ID) bool { return true }}
			c.do(g)
			for cause, n := range g.dropped.all() {
				if n != c.want[cause] {
					t.Errorf("%d were dropped as %s, want %d", n, cause, c.want[cause])
				}
			}
		})
	}
}

// TestFloodIsCounted has a peer say more than it may: it is heard, for a part, and what was
// dropped shows in the traffic.
func TestFloodIsCounted(t *testing.T) {
	const flood = 4 * authorBurst
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "they are connected", func() bool { return len(a.Connected()) == 1 && len(b.Connected()) == 1 })
	until(t, a, 10*time.Second, "the flood is dropped", func() bool {
		for i := range uint64(flood) {
			if err := b.PublishHeartbeat(t.Context(), heartbeat(i)); err != nil {
				t.Fatal(err)
			}
		}
		return a.Traffic().Dropped["rate"] > 0
	})
	for cause, n := range b.Traffic().Dropped {
		if n != 0 && cause != causeNames[unsent] { // its line may be slower
			t.Errorf("%d of nobody's were dropped as %s by who sent the flood", n, cause)
		}
	}
}
