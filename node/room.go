package node

import (
	"context"

	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/manifest"
)

// fits tells whether the swarm's model fits into this machine. If not, it waits to be stopped, before anything of the model's
// size is fetched or made, because the sender of a link decides how large the model is. A node that took part before is
// not asked.
func (n *Node) fits(ctx context.Context, m manifest.Manifest) bool {
	if n.p.Machine == nil || n.p.Anyway || n.store.HasLocal() {
		return true
	}
	r, err := fits.Of(m, Spec(m, n.p.Backend, ""), n.p.Machine())
	if err != nil || r.Fits {
		return true // the error is one of the manifest's, which whoever founds the method tells
	}
	n.status.TooLarge(r.Line() + ": murmur up --anyway takes part all the same")
	n.wait(ctx)
	return false
}
