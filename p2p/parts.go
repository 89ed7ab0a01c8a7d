package p2p

import (
	"context"

	"github.com/murmurnet/murmur/p2p/blob"
)

// Fetch gets a blob, as blob.Exchange does.
func (n *Network) Fetch(ctx context.Context, f blob.Fetch) error { return n.blobs.Fetch(ctx, f) }

// Drawn is how many bytes of blobs went to peers who take no part in the swarm's rounds.
func (n *Network) Drawn() uint64 { return n.blobs.Drawn() }

// Spare has blobs served to those alone who take part, or to all again.
func (n *Network) Spare(on bool) { n.blobs.Spare(on) }
