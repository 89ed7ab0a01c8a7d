package node

import (
	"context"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/states"
)

// Keep puts the state of a height, or the newest, on this node's disk as a whole.
func (n *Node) Keep(ctx context.Context, height int64) (k api.Kept, err error) {
	if n.book.Load() == nil {
		return k, errStarting
	}
	err = n.hand.ask(ctx, func(context.Context) error {
		k, err = states.Keep(n.hand.rep, n.book.Load(), n.store, height)
		return err
	})
	return k, err
}

// States lists the states that the node can go back to, the oldest first.
func (n *Node) States() []api.Held {
	book := n.book.Load()
	if book == nil {
		return []api.Held{}
	}
	return states.Held(book, n.store)
}

// settledDepth is how far a commit lies below the head where no honest node leaves it any more.
const settledDepth = 3

// checkpointBelow is the newest snapshot height that lies so deep below a head; nil where genesis is
// the newest.
func checkpointBelow(book *chain.Book, head round.Commit) *api.Checkpoint {
	for c, ok := book.Commit(head.Skip); ok && c.Height > 0; c, ok = book.Commit(c.Skip) {
		if head.Height-c.Height >= settledDepth {
			return &api.Checkpoint{Height: c.Height, Commit: c.ID}
		}
	}
	return nil
}
