package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
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

	learning outer.Learning // what the method asks

	mu    sync.Mutex
	queue []func(context.Context)
	wake  chan struct{}
	ended chan struct{}                   // run has returned
	heard atomic.Pointer[worker.Progress] // the newest, not yet taken in

	// Of the run goroutine only.
	proc      *worker.Island // nil while no trainer is up
	late      bool           // the trainer has not been given the head's delta and assignment: more was at hand
	owed      bool           // the trainer's vector holds a delta that the trainer has not taken yet
	train     bool
	session   session
	delivered uint64 // own tokens on the branch, of the machine's total
	seq       uint64 // of the newest own update
	payload   []byte // reused
	pace      pace
	active    int
	moves     health.Moves // of the shared model
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
		n: n, rep: rep, book: book, own: outer.NewPrivate(n.method, len(rep.Theta())), learning: n.method.Learning(),
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

// drop ends a trainer that failed at a request; the keeper starts another, from
// the disk.
func (h *hand) drop(err error) {
	if err != nil {
		h.proc.Kill(fmt.Errorf("the trainer cannot go on: %w", err))
		h.proc = nil
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
	if h.learning.Waits {
		most = uint64(head.NextH)
	}
	h.drop(h.proc.Run(ctx, worker.Run{
		Assignment: data.Assignment{
			Manifest: h.n.manifest.Order(h.n.swarm), Parent: head.ID, Cursor: head.Cursor, Rank: s.Rank, Roster: len(head.Roster),
			Peer: string(h.n.self), CapSamples: capSamples,
		},
		Committed: head.Tokens, Active: h.active, Paused: !h.train, Most: most, Until: h.n.supply.ahead(),
		Epochs: uint64(h.n.manifest.Method.Epochs),
	}))
}
