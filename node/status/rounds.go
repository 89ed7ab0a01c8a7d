package status

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/round"
)

// maxRounds bounds the rounds whose story is kept.
const maxRounds = 256

// Noted keeps when the round under way came to a stage.
func (b *Board) Noted(e round.Event, now time.Time) {
	b.set(func(v *Snapshot) {
		s := &v.stages
		switch e := e.(type) {
		case round.Seen:
			v.came(e.Update)
		case round.Published:
			s.Published = now
		case round.Held:
			s.Held = now
		case round.Pulled:
			if e.Commits[0].Parent == v.status.Head.ID {
				s.Known = now
			}
		case round.Verified:
			s.Verified = now
		case round.Built:
			s.Known, s.Verified = now, now
		}
	})
}

// Enter takes in the round machine's status.
func (b *Board) Enter(s round.Status) {
	b.set(func(v *Snapshot) {
		if s.Due && v.stages.Due.IsZero() {
			v.stages.Due = time.Now()
		}
		v.status = s
	})
}

// Turned notes that the node begins or ceases to train, and so when the first round of this
// process began.
func (b *Board) Turned(now time.Time) {
	b.set(func(v *Snapshot) {
		v.changedAt = now
		if v.adoptedAt.IsZero() {
			v.adoptedAt = now
		}
	})
}

// Adopted tells the story of a round that ended; twice: its commit proves two updates of this node's key for one parent.
func (b *Board) Adopted(e round.Adopt, twice bool, now time.Time) {
	b.set(func(v *Snapshot) {
		o := api.Outcome{Height: e.To.Height, Root: e.To.Root, Closer: e.To.Closer, View: e.To.View, Missing: e.Missing}
		if !v.adoptedAt.IsZero() {
			o.Seconds = now.Sub(v.adoptedAt).Seconds()
		}
		if twice {
			v.twice = now
		}
		var loss, tokens float64
		for _, u := range e.Included {
			o.Included = append(o.Included, u.Author)
			loss += float64(u.Loss) * float64(u.Tokens)
			tokens += float64(u.Tokens)
		}
		if tokens > 0 {
			o.Loss = loss / tokens
		}
		v.tally(&o, e.Included)
		v.counts.Rounds++
		v.counts.Included += uint64(len(o.Included))
		v.counts.Missing += uint64(len(o.Missing))
		v.counts.Late += uint64(len(o.Late))
		v.counts.Seconds += o.Seconds
		if i := slices.IndexFunc(api.RoundBounds[:], func(most float64) bool { return o.Seconds <= most }); i >= 0 {
			v.counts.Took[i]++
		}
		switch {
		case slices.Contains(o.Included, v.self):
			v.counts.OwnIncluded++
		case !v.stages.Published.IsZero():
			v.counts.OwnMissing++
		}
		v.ended(o, now)
		v.Outcome, v.adoptedAt, v.idle = v.rounds[len(v.rounds)-1], now, false
	})
}

// ended keeps the story of a round that the head has moved past.
func (v *Snapshot) ended(o api.Outcome, now time.Time) {
	o.Stages, v.stages = v.stages, api.Stages{}
	o.Stages.Adopted = now
	v.rounds = append(v.rounds, o)
	if len(v.rounds) > maxRounds {
		v.rounds = append(v.rounds[:0], v.rounds[1:]...)
	}
}

// Applied notes that the trainer has a commit's state, and so those below it.
func (b *Board) Applied(height uint64, now time.Time) {
	b.set(func(v *Snapshot) {
		for i := range v.rounds {
			if s := &v.rounds[i].Stages; v.rounds[i].Height <= height && s.Applied.IsZero() {
				s.Applied = now
			}
		}
	})
}

// Rounds returns the newest rounds above a height.
func (b *Board) Rounds(since uint64) []api.Outcome {
	out := []api.Outcome{}
	b.set(func(v *Snapshot) {
		for _, o := range v.rounds {
			if o.Height > since {
				out = append(out, o)
			}
		}
	})
	return out
}
