package executor

import (
	"context"
	"math"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
)

// measure takes the held-out loss of a snapshot height where it is this node's turn. Private texts say nothing of others'.
func (x *Executor) measure(ctx context.Context, c round.Commit) {
	if c.Height%uint64(x.p.Manifest.Rounds.SnapshotEvery) != 0 || x.p.Manifest.Data.Name == manifest.Private || round.Measurer(c) != x.p.Self {
		return
	}
	if x.flushDelta(ctx); x.trainer == nil || x.rep.Head().ID != c.ID || !x.affordable() {
		return
	}
	copy(x.trainer.Vector(), x.rep.Theta())
	loss, err := x.trainer.Heldout(ctx)
	if err != nil || math.IsNaN(loss) {
		x.p.Log.Warn("The held-out loss was not measured", "height", c.Height, "error", err)
		return
	}
	p := api.Heldout{Height: c.Height, Loss: loss, By: x.p.Self}
	x.p.Status.Measured(p)
	x.p.Measured(p)
}

// affordable tells whether measuring takes at most a tenth of the time between two snapshot heights: training and rounds
// wait meanwhile, and a node that is too slow lets its turn pass. Reading a token takes about a third of learning from it.
func (x *Executor) affordable() bool {
	v, m := x.p.Status.Snapshot(), x.p.Manifest
	tokens := float64(x.p.Heldout)
	if m.Data.Name == manifest.Shards {
		tokens = min(tokens, float64(m.Data.Heldout.Tokens))
	}
	return tokens/3 <= v.Trainer.TokensPerSec*v.Outcome.Seconds*float64(m.Rounds.SnapshotEvery)/10
}
