package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// hand carries out, one after the other, what touches vectors: the replica, the
// exchange with the trainer, the files of states. Its queue is bounded by what
// the round machine leaves open at once.
type hand struct {
	n    *Node
	rep  *replica.Replica
	book *chain.Book
	own  *outer.Private // what this node alone has learned, beside the trainer's model

	mu    sync.Mutex
	queue []func(context.Context)
	wake  chan struct{}
	ended chan struct{}                   // run has returned
	heard atomic.Pointer[worker.Progress] // the newest, not yet taken in

	// Of the run goroutine only.
	proc      *worker.Process // nil while no trainer is up
	late      bool            // the trainer has not been given the head's delta and assignment: more was at hand
	owed      bool            // the trainer's vector holds a delta that the trainer has not taken yet
	train     bool
	session   session
	delivered uint64 // own tokens on the branch, of the machine's total
	seq       uint64 // of the newest own update
	payload   []byte // reused
	pace      pace
	active    int
}

// session is where the counts of one trainer process began.
type session struct {
	step  int64  // of the inner optimizer
	total uint64 // tokens learned in all, by the machine's count
}

// pace is what a node measures of its own rounds.
type pace struct {
	published time.Time     // the own update of this round
	exchange  time.Duration // from there to the commit, last round
	step      int64         // the inner step that was published
	overlap   int64         // inner steps between publishing and adopting, last round
	now       int64         // the newest inner step heard of
	stepTime  time.Duration
	saved     time.Time // local state on disk
	saveCost  time.Duration
}

func newHand(n *Node, rep *replica.Replica, book *chain.Book) *hand {
	return &hand{
		n: n, rep: rep, book: book, own: outer.NewPrivate(n.method, len(rep.Theta())),
		wake: make(chan struct{}, 1), ended: make(chan struct{}), active: 1,
	}
}

// do queues a task.
func (h *hand) do(task func(context.Context)) {
	h.mu.Lock()
	h.queue = append(h.queue, task)
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// ask queues a task and waits for it. A task that has begun is waited for even
// when ctx ends: it uses what belongs to the caller.
func (h *hand) ask(ctx context.Context, task func(context.Context) error) error {
	done := make(chan error, 1)
	var taken atomic.Bool // by the hand, or by the caller who goes away
	h.do(func(running context.Context) {
		if taken.CompareAndSwap(false, true) {
			done <- task(running)
		}
	})
	select {
	case err := <-done:
		return err
	case <-h.ended:
		return errStopping
	case <-ctx.Done():
	}
	if taken.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-h.ended:
		return errStopping
	}
}

var errStopping = errors.New("this node is shutting down")

func (h *hand) run(ctx context.Context) {
	defer close(h.ended)
	for {
		h.mu.Lock()
		var task func(context.Context)
		if len(h.queue) > 0 {
			task = h.queue[0]
			h.queue = h.queue[1:]
		}
		h.mu.Unlock()
		if task != nil && ctx.Err() == nil {
			task(ctx)
			continue
		}
		var quiet <-chan time.Time
		if h.late {
			quiet = time.After(lateLimit)
		}
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-quiet: // what was at hand does not come
			h.late = false
			h.pay(ctx)
			h.startAnew(ctx)
			h.runOn(ctx, h.n.view.status())
			h.n.view.applied(h.rep.Head().Height, time.Now())
		}
	}
}

// lateLimit is how long the trainer's part of an adoption waits for the next one.
const lateLimit = 100 * time.Millisecond

// build makes a commit.
func (h *hand) build(ctx context.Context, e round.Build) {
	c, err := h.commit(ctx, e)
	if err != nil {
		h.n.trouble("building a commit", err)
		h.n.post(ctx, round.Unbuilt{Parent: e.Draft.Parent})
		return
	}
	h.n.post(ctx, round.Built{Commit: c})
}

func (h *hand) commit(ctx context.Context, e round.Build) (round.Commit, error) {
	parent, ok := h.book.Commit(e.Draft.Parent)
	if !ok {
		return e.Draft, errors.New("its parent is not held")
	}
	err := h.refetching(ctx, func() (err error) {
		e.Draft.Root, err = h.rep.Compute(parent, e.Updates)
		return err
	})
	if err != nil {
		return e.Draft, err
	}
	return h.book.Write(h.n.key, e.Draft)
}

// verify compares a commit's root with what its updates give here.
func (h *hand) verify(ctx context.Context, e round.Verify) {
	parent, ok := h.book.Commit(e.Commit.Parent)
	var root proto.ID
	err := h.refetching(ctx, func() (err error) {
		if !ok {
			return errors.New("its parent is not held")
		}
		root, err = h.rep.Compute(parent, e.Updates)
		return err
	})
	switch {
	case err != nil:
	case root != e.Commit.Root:
		h.n.diary.Add(event.Chain, e.Commit.Height, fmt.Sprintf("refused a commit of %s: its state is not what its updates give", h.n.name(e.Commit.Closer)))
	default:
		err = h.book.Save(e.Commit.ID)
	}
	if err != nil {
		h.n.trouble("checking a commit", err)
		h.n.post(ctx, round.Unverified{Commit: e.Commit.ID})
		return
	}
	h.n.post(ctx, round.Verified{Commit: e.Commit.ID, OK: root == e.Commit.Root})
}

// adopt moves θ to a commit's state and the trainer with it, as outer.Private
// has it.
func (h *hand) adopt(ctx context.Context, e round.Adopt, s round.Status) {
	if err := h.refetching(ctx, func() error { return h.move(ctx, e) }); err != nil {
		h.n.trouble("adopting a commit", err) // the next one starts from where θ stands
		return
	}
	err := h.book.SetHead(e.To.ID)
	if err == nil && e.To.Height%uint64(h.n.manifest.Rounds.SnapshotEvery) == 0 {
		err = h.rep.Save()
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
	h.n.view.applied(e.To.Height, time.Now())
	if h.n.method.Learning().Residual == outer.InModel {
		h.saveSometimes(ctx)
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
	return h.rep.Adopt(e.To)
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
	if h.n.method.Learning().Gradients {
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
	if h.n.method.Learning().Gradients {
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
	if h.proc == nil || h.n.method.Learning().Residual != outer.Nowhere {
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

// drop ends a trainer that failed at a request; the keeper starts another, from
// the disk.
func (h *hand) drop(err error) {
	if err != nil {
		h.proc.Kill(fmt.Errorf("the trainer cannot go on: %w", err))
		h.proc = nil
	}
}

// rebase forgets what lies below the base, but for the states of snapshots.
func (h *hand) rebase(base round.Commit) {
	every := uint64(h.n.manifest.Rounds.SnapshotEvery)
	states := map[proto.ID]bool{base.Root: true}
	for _, c := range h.book.Above(base.Height) {
		if c.Height%every == 0 {
			states[c.Root] = true
		}
	}
	// What is dropped must never be needed to compute the base's state.
	err := h.rep.Keep(base)
	if err == nil {
		err = h.book.Rebase(base, states)
	}
	if err != nil {
		h.n.trouble("tidying the disk", err)
	}
}

// assign tells the trainer to go on or to wait.
func (h *hand) assign(s round.Status, train bool) {
	h.do(func(ctx context.Context) {
		h.train = train
		h.runOn(ctx, s)
	})
}

// runOn gives the trainer its assignment on the head.
func (h *hand) runOn(ctx context.Context, s round.Status) {
	if h.proc == nil {
		return
	}
	head := h.rep.Head()
	if s.Head.ID != head.ID {
		return // another adoption is on its way here
	}
	capSamples := head.Cap() / uint64(h.n.manifest.Model.SeqLen)
	var most uint64
	if h.n.method.Learning().Waits {
		most = uint64(head.NextH)
	}
	h.drop(h.proc.Run(ctx, worker.Run{
		Assignment: data.Assignment{
			Manifest: h.n.swarm, Parent: head.ID, Cursor: head.Cursor, Rank: s.Rank, Roster: len(head.Roster),
			Peer: string(h.n.self), CapSamples: capSamples,
		},
		Committed: head.Tokens, Active: h.active, Paused: !h.train, Most: most,
		Epochs: uint64(h.n.manifest.Method.Epochs),
	}))
}

// One task asks peers for damaged payloads so often and so long at most: all
// other work on vectors waits meanwhile.
const (
	refetchTries = 4
	refetchLimit = 30 * time.Second
)

// refetching repeats a task whose payloads turn out to be damaged on this disk,
// after fetching them from peers.
func (h *hand) refetching(ctx context.Context, task func() error) error {
	for range refetchTries {
		err := task()
		var lost *replica.LostError
		if !errors.As(err, &lost) {
			return err
		}
		h.n.diary.Add(event.Chain, 0, lost.Error()+"; fetching it again")
		size := lost.Size
		limited, cancel := context.WithTimeout(ctx, refetchLimit)
		err = h.n.net.Fetch(limited, p2p.Fetch{
			ID: lost.Payload, Size: size, MaxSize: size, Path: h.n.store.PayloadPath(lost.Payload), Sources: h.n.net.Connected(),
		})
		cancel()
		if err != nil {
			return fmt.Errorf("%w; fetching it again: %w", lost, err)
		}
	}
	return errors.New("payloads on this disk are damaged again and again; check the disk")
}
