package status

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

const (
	restartSpan = 10 * time.Minute // time for which a restart of the trainer counts
	usualRounds = 16               // rounds whose median time is usual
)

// Check checks the node's health, by what the network sees: the verdict of its peers, if no peer lets this node in, and who is there.
func (b *Board) Check(r *health.Registry, reach api.Reach, seen []api.Peer, now time.Time) {
	d := b.Decide()
	f := health.Facts{
		Now: now, Resting: d.Rest, Training: d.Train, Refusal: reach.Refusal,
		Unreachable: reach.Verdict == "private" && len(reach.Dialled) == 0 && len(reach.Relays) == 0,
	}
	for _, p := range b.peers(seen, now) {
		switch {
		case !p.Connected:
		case p.State == string(policy.Seed): // a seed has no payloads of its own to give
			f.Seeds++
		case p.Path == "relayed":
			f.Relayed++
		default:
			f.Direct++
		}
	}
	b.set(func(v *Snapshot) {
		f.DiskWhy, f.TrainerWhy, f.Loss = v.diskWhy, v.trainerWhy, v.Trainer.Loss
		v.restarts = slices.DeleteFunc(v.restarts, func(at time.Time) bool { return now.Sub(at) > restartSpan })
		f.Restarts = len(v.restarts)
		if len(v.Outcome.Included) > 1 { // the loss of one update is this node's own
			f.SwarmLoss = v.Outcome.Loss
		}
		if !v.adoptedAt.IsZero() && (d.Train || v.status.Active > 0) {
			f.Waited = min(now.Sub(v.adoptedAt), now.Sub(v.changedAt))
		}
		f.Usual, f.LeftOut = v.usual(), v.leftOut(v.self)
		f.ClockAhead, f.Outdated = v.clock(now), v.outdated
		f.Twice, f.TwiceAgo = !v.twice.IsZero(), now.Sub(v.twice)
		f.Jump, f.JumpHeight, f.JumpAgo = v.jump.ratio, v.jump.height, now.Sub(v.jump.at)
	})
	conditions := r.Check(f)
	b.set(func(v *Snapshot) { v.health = conditions })
}

// jump is a commit that moved the shared model farther than training does.
type jump struct {
	ratio  float64 // times as far as usual
	height uint64
	at     time.Time
}

// Moved notes how far a commit moved the shared model, as a multiple of the usual.
func (b *Board) Moved(height uint64, ratio float64, now time.Time) {
	b.set(func(v *Snapshot) {
		if v.Outcome.Height == height {
			v.Outcome.Moved = ratio
		}
		for i := range v.rounds {
			if v.rounds[i].Height == height {
				v.rounds[i].Moved = ratio
			}
		}
		if health.Jump(ratio) {
			v.jump = jump{ratio, height, now}
		}
	})
}

// usual is the median time of the newest rounds.
func (v *Snapshot) usual() time.Duration {
	var took []float64
	for _, o := range v.rounds[max(0, len(v.rounds)-usualRounds):] {
		took = append(took, o.Seconds)
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return time.Duration(took[len(took)/2] * float64(time.Second))
}

// leftOut counts the newest rounds in a row that this node published for and that left its update out.
// A node on a slow line closes rounds for itself and then moves to the others' commits, so a round that
// it closed without all others neither counts nor ends the count.
func (v *Snapshot) leftOut(self proto.PeerID) (count int) {
	took := map[uint64]bool{} // heights for which this node published
	for _, o := range v.rounds {
		took[o.Height] = took[o.Height] || !o.Stages.Published.IsZero()
	}
	for _, o := range slices.Backward(v.rounds) {
		in := slices.Contains(o.Included, self)
		switch {
		case in && o.Closer == self && len(o.Missing) > 0:
		case in || !took[o.Height]:
			return count
		default:
			count++
		}
	}
	return count
}
