package node

import (
	"context"
	"fmt"

	"github.com/murmurnet/murmur/node/manifest"
)

// Room is what a machine has free, in bytes; 0: it is not known.
type Room struct{ Memory, Disk uint64 }

// needs is the least that a swarm takes of a machine, whatever its method and device: memory for parameters and gradients, and disk for eleven
// models: two snapshots and one that is written, the trainer's model and moments, the same once more in the file that it shares with the
// daemon, and the two states that the daemon works on. It is computed without making anything of the model's size.
func needs(m manifest.Manifest) Room {
	model := 4 * uint64(m.Model.Layout().Params())
	return Room{Memory: 2 * model, Disk: 11 * model}
}

// fits tells whether the swarm's model fits into this machine. If not, it waits to be stopped, before anything of the model's
// size is fetched or made, because the sender of a link decides how large the model is. A node that took part before is
// not asked.
func (n *Node) fits(ctx context.Context, m manifest.Manifest) bool {
	if n.p.Room == nil || n.p.Anyway || n.store.HasLocal() {
		return true
	}
	need, have := needs(m), n.p.Room()
	short := func(need, have uint64) bool { return have > 0 && have < need }
	if !short(need.Memory, have.Memory) && !short(need.Disk, have.Disk) {
		return true
	}
	const gib = 1 << 30
	why := fmt.Sprintf("this swarm's model takes %.1f GiB of memory and %.1f GiB of disk at least, and this machine has %.1f and %.1f free: murmur up --anyway takes part all the same",
		float64(need.Memory)/gib, float64(need.Disk)/gib, float64(have.Memory)/gib, float64(have.Disk)/gib)
	n.status.TooLarge(why)
	n.wait(ctx)
	return false
}
