package node

import (
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/round"
)

// maxRounds bounds the rounds whose story is kept.
const maxRounds = 256

// note keeps when the round under way came to a stage.
func (w *view) note(e round.Event, now time.Time) {
	w.set(func(v *viewed) {
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

// ended keeps the story of a round that the head has moved past.
func (v *viewed) ended(o api.Outcome, now time.Time) {
	o.Stages, v.stages = v.stages, api.Stages{}
	o.Stages.Adopted = now
	v.rounds = append(v.rounds, o)
	if len(v.rounds) > maxRounds {
		v.rounds = append(v.rounds[:0], v.rounds[1:]...)
	}
}

// applied notes that the trainer has a commit's state, and so those below it.
func (w *view) applied(height uint64, now time.Time) {
	w.set(func(v *viewed) {
		for i := range v.rounds {
			if s := &v.rounds[i].Stages; v.rounds[i].Height <= height && s.Applied.IsZero() {
				s.Applied = now
			}
		}
	})
}

// Rounds returns the newest rounds above a height.
func (n *Node) Rounds(since uint64) []api.Outcome {
	out := []api.Outcome{}
	n.view.set(func(v *viewed) {
		for _, o := range v.rounds {
			if o.Height > since {
				out = append(out, o)
			}
		}
	})
	return out
}
