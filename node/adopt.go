package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// adopt moves θ to a commit's state and the trainer with it, as outer.Private
// has it.
func (h *hand) adopt(ctx context.Context, e round.Adopt, s round.Status) {
	if err := h.refetching(ctx, func() error { return h.move(ctx, e) }); err != nil {
		h.n.trouble("adopting a commit", err) // the next one starts from where θ stands
		return
	}
	err := h.book.SetHead(e.To.ID)
	if err == nil && e.To.Height%uint64(h.n.manifest.Rounds.SnapshotEvery) == 0 {
		if err = h.rep.Save(); err == nil {
			h.saveDaily()
		}
	}
	if err != nil {
		h.n.trouble("saving a commit", err)
	}
	h.delivered = e.Delivered
	if e.Jump {
		h.pace.saved = time.Time{} // what is on disk is measured against a branch that will be dropped
	}
	if !h.pace.published.IsZero() {
		h.pace.exchange = time.Since(h.pace.published)
		h.pace.overlap = max(h.pace.now-h.pace.step, 0)
		h.pace.published = time.Time{}
	}
	h.active = max(len(e.Included), 1)
	if h.late = e.More; h.late {
		return
	}
	h.startAnew(ctx)
	h.runOn(ctx, s)
	h.n.supply.stir()
	h.n.view.applied(e.To.Height, time.Now())
	if h.learning.Residual == outer.InModel {
		h.saveSometimes(ctx)
	}
	h.measure(ctx, e.To)
}

// saveDaily keeps the head's state for the operator. A failure is no trouble of the node's: rounds go on without it.
func (h *hand) saveDaily() {
	if err := h.rep.SaveDaily(time.Now()); err != nil {
		h.n.log.Warn("The day's state is not kept", "error", err)
	}
}

func (h *hand) move(ctx context.Context, e round.Adopt) error {
	if h.rep.Head().ID == e.To.ID {
		return nil
	}
	next, err := h.rep.Prepare(e.To)
	if err != nil {
		return err
	}
	if h.proc != nil {
		if err := h.shift(ctx, e, next); err != nil {
			return err
		}
	}
	moved, err := h.rep.Adopt(e.To)
	if err == nil {
		h.judge(e.To.Height, moved)
	}
	return err
}

// judge compares how far a commit moved the shared model with what is usual.
func (h *hand) judge(height uint64, moved float64) {
	ratio := h.moves.Note(moved)
	h.n.view.moved(height, ratio, time.Now())
	if health.Jump(ratio) {
		h.n.diary.Add(event.Chain, height, fmt.Sprintf("round %d moved the shared model %.0f times as far as rounds usually do; if it is spoiled, murmur fork makes a new swarm from an earlier round", height, ratio))
	}
}

// shift adds the change to the trainer's model between two of its steps. A
// trainer that cannot take it is gone; the next one starts from the disk.
func (h *hand) shift(ctx context.Context, e round.Adopt, next []float32) error {
	var undo, redo []outer.Own
	if !e.Jump {
		// From where θ stands: that is further back than e.From where an adoption failed.
		left, joined, ok := branches(h.book, h.rep.Head().ID, e.To.ID)
		if !ok {
			return fmt.Errorf("height %d and height %d have no common commit here", h.rep.Head().Height, e.To.Height)
		}
		if slices.ContainsFunc(joined, func(c round.Commit) bool { return h.newerIn(c, h.seq) }) {
			return h.startOver(ctx, next, e.Delivered)
		}
		slices.Reverse(joined)
		var err error
		if undo, err = h.read(h.ownOf(left)); err != nil {
			return err
		}
		if redo, err = h.read(h.ownOf(joined)); err != nil {
			return err
		}
	}
	delta := h.proc.Vector()
	if !h.owed {
		clear(delta)
	}
	h.owed = true
	if err := h.own.Move(delta, h.rep.Theta(), next, undo, redo); err != nil {
		return err
	}
	if !e.More {
		h.pay(ctx)
	}
	return nil
}

// pay has the trainer add what its vector holds for it. Whoever uses that vector
// comes here first.
func (h *hand) pay(ctx context.Context) {
	if h.owed && h.proc != nil {
		h.drop(h.give(ctx))
	}
	h.owed = false
}

// give has the trainer take what its vector holds: a delta, or a model where it
// gathers gradients.
func (h *hand) give(ctx context.Context) error {
	if h.learning.Gradients {
		return h.proc.Set(ctx)
	}
	return h.proc.Add(ctx)
}

// startOver sets the trainer onto a state: what it had learned went into updates
// that this disk has forgotten.
func (h *hand) startOver(ctx context.Context, next []float32, delivered uint64) error {
	h.owed = false // it is set onto another state altogether
	h.own.Forget()
	c, err := h.proc.Capture(ctx, worker.Capture{})
	if err != nil {
		h.drop(err)
		return nil
	}
	delta := h.proc.Vector()
	if h.learning.Gradients {
		copy(delta, next)
	} else {
		for i, v := range delta {
			delta[i] = next[i] - v
		}
	}
	h.session = session{step: c.Step, total: delivered}
	h.n.post(ctx, round.Progress{Total: delivered})
	h.drop(h.give(ctx))
	return nil
}

// startAnew drops what a commit left out, where the method keeps none of it.
func (h *hand) startAnew(ctx context.Context) {
	if h.proc == nil || h.learning.Residual != outer.Nowhere {
		return
	}
	c, err := h.proc.Capture(ctx, worker.Capture{Reset: true, Gradient: true})
	if err != nil {
		h.drop(err)
		return
	}
	h.session = session{step: c.Step, total: h.delivered}
	h.n.post(ctx, round.Progress{Total: h.delivered})
}

// read gets own updates from the disk.
func (h *hand) read(us []round.Update) (own []outer.Own, err error) {
	for _, u := range us {
		o, err := h.rep.Own(u)
		if err != nil {
			return nil, err
		}
		own = append(own, o)
	}
	return own, nil
}

// ownOf lists this node's own updates in some commits.
func (h *hand) ownOf(cs []round.Commit) (us []round.Update) {
	covers := h.n.store.Own()
	for _, c := range cs {
		us = append(us, h.ownIn(c, covers)...)
	}
	return us
}
