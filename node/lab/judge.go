package lab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
)

// The stages at which a fault may find a round.
const (
	stagePublishing = "publishing" // not all survivors' updates are out
	stageCollecting = "collecting" // no survivor has the commit
	stageApplying   = "applying"   // not all survivors have applied it
	stageOver       = "over"       // too late for this bench
)

// told is how each node says that rounds went, in the order in which it adopted them.
type told map[*daemon][]api.Outcome

// ask reads the rounds above a height from all nodes.
func (s *swarm) ask(ctx context.Context, since uint64) (told, error) {
	t := told{}
	for _, d := range s.nodes {
		os, err := d.rounds(ctx, since)
		if err != nil {
			return nil, err
		}
		t[d] = os
	}
	return t, nil
}

// learn measures the exchanges of rounds that had all nodes: from being due on the first to having been applied on the
// last. The newest may not have been applied yet.
func (k *killer) learn(ctx context.Context, head uint64) error {
	t, err := k.swarm.ask(ctx, k.learned)
	if err != nil {
		return err
	}
	for h := k.learned + 1; h < head; h++ {
		whole := true
		var due, applied time.Time
		for _, d := range k.swarm.nodes {
			o, _ := t.at(d, h)
			whole = whole && len(o.Included) == len(k.swarm.nodes) && !o.Stages.Applied.IsZero()
			due, applied = earlier(due, o.Stages.Due), later(applied, o.Stages.Applied)
		}
		if whole && !due.IsZero() {
			k.healthy = append(k.healthy, applied.Sub(due).Seconds())
		}
	}
	k.learned = head - 1
	return nil
}

// exchange is how long one takes, in seconds.
func (k *killer) exchange() float64 {
	if len(k.healthy) == 0 {
		return exchangeGuess.Seconds()
	}
	return spreadOf(k.healthy).Median
}

// judge fills a run's report from what the nodes tell of the rounds from head on.
func (k *killer) judge(r *KillRun, t told, head uint64, fault time.Time, survivors []*daemon) {
	first, in := survivors[0], map[*daemon]bool{}
	for h := head + 1; h <= head+2; h++ {
		r.Gap = max(r.Gap, millis(t.last(survivors, h).Sub(t.last(survivors, h-1)).Seconds()))
	}
	for h := head + 1; h <= first.state.Head.Height; h++ {
		r.Forks += t.left(survivors, h)
		o, ok := t.at(first, h)
		if !ok {
			continue // it was entered with a later one
		}
		for _, d := range survivors {
			if slices.Contains(o.Included, d.peer) {
				in[d] = true
			} else {
				r.Without++
			}
		}
		if applied := t.last(survivors, h); r.Height == 0 && applied.After(fault) {
			r.Height, r.View, r.Next = h, o.View, millis(applied.Sub(fault).Seconds())
			r.Closer = k.swarm.name(o.Closer)
			r.Stage = t.stage(survivors, h, fault)
			if h > head+1 {
				r.Stage = stageOver
			}
			r.Moment = millis(fault.Sub(t.due(survivors, h)).Seconds())
		}
	}
	if r.Height == 0 {
		r.Stage = stageOver // its commit had been applied before
	}
	r.Lost = len(survivors) - len(in)
}

// at is how a height went on a node: the last time, if it left a commit of that height for another one.
func (t told) at(d *daemon, height uint64) (api.Outcome, bool) {
	for _, o := range slices.Backward(t[d]) {
		if o.Height == height {
			return o, true
		}
	}
	return api.Outcome{}, false
}

// left is how many commits of a height some nodes adopted besides the one that any of them adopted last.
func (t told) left(ds []*daemon, height uint64) (n int) {
	var last api.Outcome
	roots := map[proto.ID]bool{}
	for _, d := range ds {
		for _, o := range t[d] {
			if o.Height == height {
				roots[o.Root] = true
				if o.Stages.Adopted.After(last.Stages.Adopted) {
					last = o
				}
			}
		}
	}
	delete(roots, last.Root)
	return len(roots)
}

// last is when the last of some nodes had applied a height. A node that entered a later one at once had it then.
func (t told) last(ds []*daemon, height uint64) (at time.Time) {
	for _, d := range ds {
		var next api.Outcome
		for _, o := range t[d] {
			if o.Height >= height && (next.Height == 0 || o.Height <= next.Height) {
				next = o
			}
		}
		at = later(at, next.Stages.Applied)
	}
	return at
}

// due is when a round was due on the first of some nodes; where none noticed, when the commit was adopted.
func (t told) due(ds []*daemon, height uint64) (at time.Time) {
	var adopted time.Time
	for _, d := range ds {
		o, _ := t.at(d, height)
		at, adopted = earlier(at, o.Stages.Due), earlier(adopted, o.Stages.Adopted)
	}
	return earlier(at, adopted)
}

// stage is how far a round was at some time.
func (t told) stage(ds []*daemon, height uint64, at time.Time) string {
	var published, known time.Time
	for _, d := range ds {
		o, _ := t.at(d, height)
		published, known = later(published, o.Stages.Published), earlier(known, o.Stages.Known)
	}
	switch {
	case at.Before(published):
		return stagePublishing
	case at.Before(known):
		return stageCollecting
	}
	return stageApplying
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlier is the earlier of two times that are known; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (r KillRun) verdict() string {
	switch {
	case !r.Identical:
		return "SURVIVORS DIFFER"
	case r.Lost > 0:
		return fmt.Sprintf("%d HEALTHY LOST", r.Lost)
	}
	return "identical"
}

func sumUp(kind string, runs []KillRun) KillKind {
	s := KillKind{Kind: kind, Runs: len(runs), Stages: map[string]int{}}
	var next, gap, level, back []float64
	for _, r := range runs {
		if r.Identical {
			s.Identical++
		}
		s.Without += r.Without
		s.Lost += r.Lost
		s.Forks += r.Forks
		s.Stages[r.Stage]++
		next, gap, level, back = append(next, r.Next), append(gap, r.Gap), append(level, r.Level), append(back, r.Back)
	}
	s.Next, s.Gap, s.Level, s.Back = spreadOf(next), spreadOf(gap), spreadOf(level), spreadOf(back)
	s.BeyondGrace = millis(max(s.Next.Worst-grace.Seconds(), 0))
	return s
}
