package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/trainer/outer"
)

// adopt moves θ to a commit's state and the trainer with it, as outer.Feedback
// has it.
func (x *Executor) adopt(ctx context.Context, e round.Adopt, s round.Status) {
	x.passed.add(e)
	if err := x.refetching(ctx, func() error { return x.move(ctx, e) }); err != nil {
		x.trouble("adopting a commit", err)
		return
	}
	x.passed = passed{}
	err := x.book.SetHead(e.To.ID)
	if err == nil && e.To.Height%uint64(x.p.Manifest.Rounds.SnapshotEvery) == 0 {
		if err = x.rep.Save(); err == nil {
			x.saveDaily()
		}
	}
	if err != nil {
		x.trouble("saving a commit", err)
	}
	x.delivered = e.Delivered
	if e.Jump {
		x.pace.saved = time.Time{} // the saved residual belongs to a branch that will be dropped: save anew soon
	}
	if !x.pace.published.IsZero() {
		x.pace.exchange = time.Since(x.pace.published)
		x.pace.overlap = max(x.pace.now-x.pace.step, 0)
		x.pace.published = time.Time{}
	}
	x.active = max(len(e.Included), 1)
	if x.behind = e.More; x.behind {
		return
	}
	x.dropLeftOut(ctx)
	x.runOn(ctx, s)
	x.p.Data.Stir()
	x.p.Status.Applied(e.To.Height, time.Now())
	if x.learning.Residual == outer.InModel {
		x.saveSometimes(ctx)
	}
	x.measure(ctx, e.To)
}

// saveDaily keeps the head's state for the operator. A failure is no trouble of the node's: rounds go on without it.
func (x *Executor) saveDaily() {
	if err := x.rep.SaveDaily(time.Now()); err != nil {
		x.p.Log.Warn("The day's state is not kept", "error", err)
	}
}

func (x *Executor) move(ctx context.Context, e round.Adopt) error {
	if x.rep.Head().ID == e.To.ID {
		return nil
	}
	next, err := x.rep.Prepare(e.To)
	if err != nil {
		return err
	}
	if x.trainer != nil || x.dropped != nil {
		if err := x.shift(ctx, e, next); err != nil {
			return err
		}
	}
	moved, err := x.rep.Adopt(e.To)
	if err == nil {
		x.judge(e.To.Height, moved)
	}
	return err
}

// judge compares how far a commit moved the shared model with what is usual.
func (x *Executor) judge(height uint64, moved float64) {
	ratio := x.moves.Note(moved)
	x.p.Status.Moved(height, ratio, time.Now())
	if health.Jump(ratio) {
		x.p.Diary.Add(event.Chain, height, fmt.Sprintf("round %d moved the shared model %.0f times as far as rounds usually do; if it is spoiled, murmur fork makes a new swarm from an earlier round", height, ratio))
	}
}

// passed are adoptions that the machine made and the replica has not, for one failed: they are made with the next.
type passed struct {
	jump         bool
	left, joined []round.Own
}

func (p *passed) add(e round.Adopt) {
	p.jump = p.jump || e.Jump
	p.left, p.joined = append(p.left, e.Left...), append(p.joined, e.Joined...)
}

// shift adds the change to the trainer's model between two of its steps. A
// trainer that cannot take it is gone; the next one starts from the disk.
func (x *Executor) shift(ctx context.Context, e round.Adopt, next []float32) error {
	var undo, redo []outer.Own
	if !x.passed.jump {
		if slices.ContainsFunc(x.passed.joined, func(u round.Own) bool { return u.Seq > x.seq }) {
			return x.beginOn(ctx, next, e.Delivered)
		}
		var err error
		var done func()
		undo, done, err = x.rep.Own(remembered(x.passed.left))
		defer done()
		if err != nil {
			return err
		}
		redo, done, err = x.rep.Own(remembered(x.passed.joined))
		defer done()
		if err != nil {
			return err
		}
	}
	t := x.trainer
	if t == nil {
		t = x.dropped
	}
	delta := t.Vector()
	if !x.deltaPending {
		clear(delta)
	}
	x.deltaPending = true
	if err := x.own.Move(delta, x.rep.Theta(), next, undo, redo); err != nil {
		return err
	}
	if !e.More {
		x.flushDelta(ctx)
	}
	return nil
}

// remembered leaves of own updates those that this disk remembers making.
func remembered(own []round.Own) (us []round.Update) {
	for _, u := range own {
		if u.Covers > 0 {
			us = append(us, u.Update)
		}
	}
	return us
}
