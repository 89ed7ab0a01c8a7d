package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// session is one trainer's, from Attach to its end. It is in one of five states:
//
//	none      trainer is nil: Attach begins one from the disk: θ(head) with the residual and the moments that lie there
//	running   the trainer has the head's delta and its assignment
//	behind    a commit was adopted and one on it is at hand: what the trainer is to add waits in its vector until that is
//	          adopted too, or until behindLimit
//	dropped   it has ended, or cannot do what it is asked: what the head moves by waits in its vector, and Detach saves what it had kept
//	diverged  what it learned is no number: it begins anew from the head, with nothing learned
//
// A dropped trainer leads to none; the keeper attaches another. Where the chain has
// updates of this node's that its disk has forgotten, the trainer is set onto the commit's state, for its residual is not known.
type session struct {
	trainer       Trainer // nil while no trainer is up
	dropped       Trainer // nil but between a failure and Detach
	behind        bool
	deltaPending  bool   // its vector holds a delta that the trainer has not added yet
	firstStep     int64  // of the inner optimizer, when the counts began
	learnedBefore uint64 // tokens in all by then, by the machine's count
}

// begin begins the counts anew.
func (s *session) begin(step int64, total uint64) { s.firstStep, s.learnedBefore = step, total }

// Attach makes a trainer that has loaded the session's: from the disk, with what this node had learned.
func (x *Executor) Attach(ctx context.Context, p Trainer) error {
	return x.ask(ctx, func(context.Context) error { return x.load(ctx, p) })
}

// load loads what this node had learned into a fresh trainer.
func (x *Executor) load(ctx context.Context, p Trainer) error {
	r, err := x.recall(x.book, x.rep.Head())
	defer func() { _ = r.local.Close() }() // it was read alone
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReplica, err)
	}
	if r.orphaned {
		x.p.Diary.Add(event.Node, 0, "what this node had learned belongs to a round that is forgotten; it is lost")
	}
	m, v := p.Moments()
	err = x.refetching(ctx, func() error { return x.fill(r, p.Vector(), m, v) })
	var lost *replica.LostError
	if errors.As(err, &lost) {
		// One of this node's own updates, which nobody holds any more.
		x.p.Diary.Add(event.Node, 0, "what this node had learned and not delivered is lost with it")
		r = recalled{local: r.local, fresh: true}
		err = x.fill(r, p.Vector(), m, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReplica, err)
	}
	var step int64
	if r.local != nil {
		step = r.local.Step
	}
	if err := p.Load(ctx, step, step > 0); err != nil {
		return err
	}
	x.session = session{trainer: p, behind: x.behind, firstStep: step, learnedBefore: x.delivered + r.lacking}
	x.pace.now, x.pace.step, x.pace.savedStep = step, step, step
	x.p.Status.TrainerBegins(x.learnedBefore)
	x.p.Post(ctx, round.Progress{Total: x.learnedBefore})
	x.runOn(ctx, x.p.Status.Status())
	return nil
}

// yieldLimit bounds how long a trainer keeps its device for what it has learned to be
// fetched off it: 20 steps of 20 ms, or one of the largest models that processors train.
const yieldLimit = 700 * time.Millisecond

// Yield has a trainer give the device back, and saves what it has learned. A step that takes
// longer than yieldLimit is lost; Detach saves what the trainer had kept before it.
func (x *Executor) Yield(p Trainer) {
	late := time.AfterFunc(yieldLimit, func() { p.Kill(ErrYielded) })
	defer late.Stop()
	saved := make(chan struct{})
	x.do(func(ctx context.Context) {
		defer close(saved)
		defer p.Kill(ErrYielded)
		if x.trainer != p {
			return
		}
		if err := x.saveAnd(ctx, func() { p.Kill(ErrYielded) }); err != nil {
			x.p.Log.Warn("The step under way is lost; what the trainer had kept before is saved as it ends", "error", err)
		}
	})
	select {
	case <-saved:
	case <-x.ended:
	}
}

// Detach lets go of a trainer that has ended, saves what it had kept, and waits until that is done.
func (x *Executor) Detach(p Trainer) {
	done := make(chan struct{})
	x.do(func(context.Context) {
		defer close(done)
		if x.trainer == p || x.dropped == p {
			x.rescue(p)
			x.trainer, x.dropped, x.deltaPending = nil, nil, false
		}
	})
	select {
	case <-done:
	case <-x.ended:
	}
}

// NoteProgress takes the newest progress; one task at most waits for it.
func (x *Executor) NoteProgress(g worker.Progress) {
	if x.progressed.Swap(&g) == nil {
		x.do(func(ctx context.Context) {
			if g := x.progressed.Swap(nil); g != nil {
				x.progress(ctx, *g)
			}
		})
	}
}

// progress tells the machine how far the trainer is.
func (x *Executor) progress(ctx context.Context, g worker.Progress) {
	if x.trainer == nil {
		return
	}
	if g.Absent != "" {
		x.p.Data.Lost(g.Absent)
	}
	x.pace.now = max(x.pace.now, g.Step)
	if g.TokensPerSec > 0 {
		tokens := float64(x.p.Manifest.Inner.Batch) * float64(x.p.Manifest.Model.SeqLen)
		x.pace.stepTime = time.Duration(tokens / g.TokensPerSec * float64(time.Second))
	}
	total := x.total(g.Step)
	x.p.Status.TrainerStepped(g, total, time.Now())
	rate := g.TokensPerSec
	if !x.train || g.Idle {
		rate = 0
	}
	x.p.Post(ctx, round.Progress{Total: total, Rate: rate, Done: g.Idle})
}

// dropTrainer ends a trainer that failed at a request; the keeper starts another, from
// the disk.
func (x *Executor) dropTrainer(err error) {
	if err != nil {
		x.trainer.Kill(fmt.Errorf("the trainer cannot go on: %w", err))
		x.trainer, x.dropped = nil, x.trainer
	}
}

// runOn gives the trainer its assignment on the head.
func (x *Executor) runOn(ctx context.Context, s round.Status) {
	if x.trainer == nil {
		return
	}
	head := x.rep.Head()
	if s.Head.ID != head.ID {
		return // another adoption is on its way here
	}
	capSamples := head.Cap() / uint64(x.p.Manifest.Model.SeqLen)
	var most uint64
	if x.learning.Waits {
		most = uint64(head.NextH)
	}
	x.dropTrainer(x.trainer.Run(ctx, worker.Run{
		Assignment: data.Assignment{
			Manifest: x.p.Manifest.Order(x.p.Swarm), Parent: head.ID, Cursor: head.Cursor, Rank: s.Rank, Roster: len(head.Roster),
			Peer: string(x.p.Self), CapSamples: capSamples,
		},
		Committed: head.Tokens, Active: x.active, Paused: !x.train, Most: most, Until: x.p.Data.Ahead(),
		Epochs: uint64(x.p.Manifest.Method.Epochs),
	}))
}

// flushDelta has the trainer add what its vector holds for it. Whoever uses that vector
// comes here first.
func (x *Executor) flushDelta(ctx context.Context) {
	if !x.deltaPending || x.trainer == nil {
		return
	}
	x.dropTrainer(x.applyDelta(ctx))
	x.deltaPending = x.trainer == nil
}

// applyDelta has the trainer take what its vector holds: a delta, or a model where it
// gathers gradients.
func (x *Executor) applyDelta(ctx context.Context) error {
	if x.learning.Gradients {
		return x.trainer.Set(ctx)
	}
	return x.trainer.Add(ctx)
}

// beginOn sets the trainer onto a state: what it had learned went into updates
// that this disk has forgotten.
func (x *Executor) beginOn(ctx context.Context, next []float32, delivered uint64) error {
	x.deltaPending = false // a delta has no use where the trainer is set onto another state
	x.own.Forget()
	if x.trainer == nil {
		x.dropped = nil
		return nil
	}
	c, err := x.trainer.Capture(ctx, worker.Capture{})
	if err != nil {
		x.dropTrainer(err)
		return nil
	}
	delta := x.trainer.Vector()
	if x.learning.Gradients {
		copy(delta, next)
	} else {
		for i, v := range delta {
			delta[i] = next[i] - v
		}
	}
	x.begin(c.Step, delivered)
	x.p.Post(ctx, round.Progress{Total: delivered})
	x.dropTrainer(x.applyDelta(ctx))
	return nil
}

// dropLeftOut drops what a commit left out, where the method keeps none of it.
func (x *Executor) dropLeftOut(ctx context.Context) {
	if x.trainer == nil || x.learning.Residual != outer.Nowhere {
		return
	}
	c, err := x.trainer.Capture(ctx, worker.Capture{Reset: true, Gradient: true})
	if err != nil {
		x.dropTrainer(err)
		return
	}
	x.begin(c.Step, x.delivered)
	x.p.Post(ctx, round.Progress{Total: x.delivered})
}

// total is how many tokens were learned in all up to an inner step.
func (x *Executor) total(step int64) uint64 {
	steps := uint64(max(step-x.firstStep, 0))
	return x.learnedBefore + steps*uint64(x.p.Manifest.Inner.Batch)*uint64(x.p.Manifest.Model.SeqLen)
}

// diverged puts a trainer whose model has diverged back onto the shared one.
func (x *Executor) diverged(ctx context.Context, why error) error {
	x.p.Diary.Add(event.Trainer, x.rep.Head().Height, fmt.Sprintf("the local model has diverged (%v); it goes on from the shared one", why))
	x.beginFromHead(ctx)
	return errNothing
}

// beginFromHead has the trainer begin anew on the shared model, with nothing learned.
func (x *Executor) beginFromHead(ctx context.Context) {
	x.own.Forget()
	copy(x.trainer.Vector(), x.rep.Theta())
	if x.dropTrainer(x.trainer.Load(ctx, 0, false)); x.trainer == nil {
		return
	}
	x.begin(0, x.delivered)
	x.runOn(ctx, x.p.Status.Status())
}
