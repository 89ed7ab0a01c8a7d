package gossip

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto/prototest"
)

// topics are without a host: what they check and let through shows without one.
func topics(now func() time.Time, outsider func(peer.ID) bool) *Topics {
	p := Params{Swarm: prototest.Swarm, Members: func() *membership.List { return nil }, Outsider: outsider}
	return newTopics(p, "self", now)
}
