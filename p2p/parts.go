package p2p

import (
	"context"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/gossip"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Fetch gets a blob, as blob.Exchange does.
func (n *Network) Fetch(ctx context.Context, f blob.Fetch) error { return n.blobs.Fetch(ctx, f) }

// Drawn is how many bytes of blobs went to peers who take no part in the swarm's rounds.
func (n *Network) Drawn() uint64 { return n.blobs.Drawn() }

// Spare turns on or off that blobs are served only to peers who take part in the swarm's rounds.
func (n *Network) Spare(on bool) { n.blobs.Spare(on) }

// Messages is the stream of checked gossip from other nodes. It is never closed.
func (n *Network) Messages() <-chan gossip.Message { return n.gossip.Messages() }

// PublishUpdate announces an update to the swarm.
func (n *Network) PublishUpdate(ctx context.Context, e *murmurv1.Envelope) error {
	return n.gossip.PublishUpdate(ctx, e)
}

// PublishAnnounce announces a commit to the swarm.
func (n *Network) PublishAnnounce(ctx context.Context, e *murmurv1.Envelope) error {
	return n.gossip.PublishAnnounce(ctx, e)
}

// PublishHeartbeat tells the swarm that this node is there.
func (n *Network) PublishHeartbeat(ctx context.Context, h *murmurv1.Heartbeat) error {
	return n.gossip.PublishHeartbeat(ctx, h)
}
