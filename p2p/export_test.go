package p2p

import (
	"context"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
)

// What the tests in package p2p_test, which run on simulated links, share with
// those in here.
var (
	ParamsFor   = testParams
	RandomBytes = randomBytes
)

type (
	MemStore = memStore
	LongSync = longSync
)

// SyncStream opens a stream for a question, which a hostile asker reads as it likes.
func (n *Network) SyncStream(ctx context.Context, to proto.PeerID) (network.Stream, error) {
	return n.host.NewStream(ctx, peer.ID(to), n.syncID)
}

// BlobStream opens a stream for blobs, likewise.
func (n *Network) BlobStream(ctx context.Context, to proto.PeerID) (network.Stream, error) {
	return n.host.NewStream(ctx, peer.ID(to), n.blobID)
}
