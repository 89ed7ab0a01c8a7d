// Package executor carries out what touches vectors, one thing after the other: it publishes, builds, verifies and adopts, and
// holds the session of the trainer, which learns meanwhile.
//
// It guarantees that an update is durable before anybody hears of it, that the trainer's model is moved between two of its steps
// alone, and that what was learned and not delivered outlives the trainer as far as the disk has it. It must not know how
// peers are reached, nor how trainers are started.
package executor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/mapped"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
	"github.com/murmurnet/murmur/trainer/writer"
)

// Params say what an Executor works with.
type Params struct {
	Manifest manifest.Manifest
	Swarm    proto.ID
	Self     proto.PeerID
	Key      ed25519.PrivateKey
	Method   outer.Method
	Store    *chain.Store
	Book     *chain.Book
	Replica  *replica.Replica
	Heldout  int // tokens of the held-out slice
	Data     Data
	Status   *status.Board
	Diary    *event.Log
	Log      *slog.Logger

	Post     func(context.Context, round.Event)             // to whoever owns the round machine
	Proof    func() *murmurv1.Proof                         // of this node's membership; nil where it need not
	Refetch  func(context.Context, replica.LostError) error // a payload that this disk has lost
	Pull     func(context.Context, proto.ID)                // a commit's body, once more
	Measured func(api.Heldout)                              // a held-out loss of the swarm's
}

// Validate says what is missing.
func (p Params) Validate() error {
	switch {
	case p.Method == nil || p.Store == nil || p.Book == nil || p.Replica == nil:
		return errors.New("executor: no method, store, book or replica")
	case p.Data == nil || p.Status == nil || p.Diary == nil || p.Log == nil:
		return errors.New("executor: no data, status, diary or log")
	case p.Post == nil || p.Proof == nil || p.Refetch == nil || p.Pull == nil || p.Measured == nil:
		return errors.New("executor: a callback is missing")
	}
	return nil
}

// Data are the swarm's texts on this disk.
type Data interface {
	Ahead() uint64  // position up to which the trainer has them; 0: all are here
	Stir()          // the head has moved
	Lost(id string) // the trainer could not read a shard
}

// AllHere is the data of a swarm whose texts every node has from the start.
type AllHere struct{}

// Ahead says that nothing is missing.
func (AllHere) Ahead() uint64 { return 0 }

// Stir does nothing.
func (AllHere) Stir() {}

// Lost does nothing: there is nothing to fetch again.
func (AllHere) Lost(string) {}

// Trainer is what an Executor asks of the process that learns. Vectors are its exchange file's, of θ's length, and the trainer's own while a
// call is under way.
type Trainer interface {
	Load(ctx context.Context, step int64, moments bool) error // θ_local from Vector, and the moments
	Run(ctx context.Context, r worker.Run) error
	Capture(ctx context.Context, c worker.Capture) (worker.Captured, error)
	Add(ctx context.Context) error // Vector to its model, between two steps
	Set(ctx context.Context) error // its model to Vector
	Heldout(ctx context.Context) (float64, error)
	Generate(ctx context.Context, r writer.Request, emit func(text string)) error
	Vector() []float32
	Moments() (m, v []float32)
	Saved()                         // the moments of the last capture are on disk
	Kept() (k worker.Kept, ok bool) // what it had learned, once it has ended
	Kill(why error)
}

// Executor carries out what touches vectors: the replica, the exchange with the trainer, the files of states. Its queue is
// bounded by what the round machine leaves open at once.
type Executor struct {
	p    Params
	rep  *replica.Replica
	book *chain.Book
	own  *outer.Feedback // what this node alone has learned, beside the trainer's model
	room []*mapped.File  // of the payload and of own

	learning outer.Learning // what the method asks

	mu         sync.Mutex
	queue      []func(context.Context)
	wake       chan struct{}
	ended      chan struct{}                   // closed when Run has returned
	progressed atomic.Pointer[worker.Progress] // the newest, not yet taken in

	// Of Run's goroutine only.
	session
	train     bool
	passed    passed
	delivered uint64 // tokens of Progress.Total that the head's branch has
	seq       uint64 // of the newest own update
	payload   []byte // room for an own update's
	pace      pace
	active    int
	moves     health.Moves // of the shared model
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
	savedStep int64     // its inner step
	saveCost  time.Duration
}

// New returns an executor, with what its disk remembers: how many tokens learned there the head lacks.
func New(p Params) (x *Executor, lacking uint64, err error) {
	if err := p.Validate(); err != nil {
		return nil, 0, err
	}
	x = &Executor{
		p: p, rep: p.Replica, book: p.Book, learning: p.Method.Learning(), wake: make(chan struct{}, 1), ended: make(chan struct{}), active: 1,
	}
	var buffer []float32
	payload, err := x.scratch((p.Method.MaxPayload() + 3) / 4)
	if err == nil && x.learning.Residual == outer.InBuffer {
		buffer, err = x.scratch(len(p.Replica.Theta()))
	}
	x.payload = replica.Bytes(payload)
	x.own = outer.NewFeedback(p.Method, len(p.Replica.Theta()), buffer)
	if err == nil {
		lacking, err = x.restore(x.book, x.rep.Head())
	}
	if err != nil {
		return nil, 0, errors.Join(err, x.Close())
	}
	return x, lacking, nil
}

// scratch is a vector of zeros in a file without a name: a dense payload and a residual in a buffer are as large as the model.
func (x *Executor) scratch(values int) ([]float32, error) {
	f, err := x.p.Store.Scratch(values)
	if err != nil {
		return nil, err
	}
	x.room = append(x.room, f)
	return f.Floats(), nil
}

// Close lets the vectors go, once Run has returned.
func (x *Executor) Close() (err error) {
	for _, f := range x.room {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Seq is the number of the newest update of this node's that is known, before Run.
func (x *Executor) Seq() uint64 { return x.seq }

// Publish queues the publishing of what was learned.
func (x *Executor) Publish(e round.Publish) {
	x.do(func(ctx context.Context) { x.publish(ctx, e) })
}

// Build queues the making of a commit.
func (x *Executor) Build(e round.Build) { x.do(func(ctx context.Context) { x.build(ctx, e) }) }

// Verify queues the check of a commit's root.
func (x *Executor) Verify(e round.Verify) { x.do(func(ctx context.Context) { x.verify(ctx, e) }) }

// Adopt queues the move to a commit's state; s is the machine's status on it.
func (x *Executor) Adopt(e round.Adopt, s round.Status) {
	x.do(func(ctx context.Context) { x.adopt(ctx, e, s) })
}

// Rebase queues the tidying of what lies below a commit.
func (x *Executor) Rebase(e round.Rebase) {
	x.do(func(context.Context) { x.rebase(e.Commit, e.Known) })
}

// Assign tells the trainer to go on or to wait.
func (x *Executor) Assign(s round.Status, train bool) {
	x.do(func(ctx context.Context) {
		x.train = train
		x.runOn(ctx, s)
	})
}

// Extend tells the trainer that more of the data is here.
func (x *Executor) Extend() {
	x.do(func(ctx context.Context) { x.runOn(ctx, x.p.Status.Status()) })
}

// Save writes what was learned, and calls done with what came of it.
func (x *Executor) Save(done func(error)) {
	x.do(func(ctx context.Context) { done(x.saveLocal(ctx)) })
}

// Keep puts the state of a height, or the newest, on this disk as a whole.
func (x *Executor) Keep(ctx context.Context, height int64) (k api.Kept, err error) {
	err = x.ask(ctx, func(context.Context) error {
		k, err = states.Keep(x.rep, x.book, x.p.Store, height)
		return err
	})
	return k, err
}

// Heldout measures θ(head) on the held-out slice.
func (x *Executor) Heldout(ctx context.Context) (out api.Heldout, err error) {
	err = x.ask(ctx, func(running context.Context) error {
		if x.flushDelta(running); x.trainer == nil {
			return ErrNoTrainer
		}
		out.Height, out.By = x.rep.Head().Height, x.p.Self
		copy(x.trainer.Vector(), x.rep.Theta())
		out.Loss, err = x.trainer.Heldout(ctx)
		return err
	})
	return out, err
}

// Generate continues a prompt by θ(head).
func (x *Executor) Generate(ctx context.Context, r writer.Request, emit func(text string)) error {
	return x.ask(ctx, func(running context.Context) error {
		if x.flushDelta(running); x.trainer == nil {
			return ErrNoTrainer
		}
		copy(x.trainer.Vector(), x.rep.Theta())
		return x.trainer.Generate(ctx, r, emit)
	})
}

// Why a trainer or a question comes to nothing.
var (
	ErrNoTrainer = errors.New("the trainer is not up; murmur status says why")
	ErrYielded   = errors.New("the device was given back")
	ErrReplica   = errors.New("the local model cannot be loaded") // this node's own files cannot be used
)

// trouble shows what failed here and is tried again; that there is nothing to do, or no trainer any more, is none.
func (x *Executor) trouble(doing string, err error) {
	if !errors.Is(err, errNothing) && !errors.Is(err, ErrYielded) { // Yield tells of what was lost
		x.p.Status.Trouble(doing, err)
	}
}

// do queues a task.
func (x *Executor) do(task func(context.Context)) {
	x.mu.Lock()
	x.queue = append(x.queue, task)
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// ask queues a task and waits for it. A task that has begun is waited for even
// when ctx ends: it uses what belongs to the caller.
func (x *Executor) ask(ctx context.Context, task func(context.Context) error) error {
	done := make(chan error, 1)
	var taken atomic.Bool // by Run, or by the caller who goes away
	x.do(func(running context.Context) {
		if taken.CompareAndSwap(false, true) {
			done <- task(running)
		}
	})
	select {
	case err := <-done:
		return err
	case <-x.ended:
		return errStopping
	case <-ctx.Done():
	}
	if taken.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-x.ended:
		return errStopping
	}
}

var errStopping = errors.New("this node is shutting down")

// Run carries out what is asked until ctx ends.
func (x *Executor) Run(ctx context.Context) {
	defer close(x.ended)
	for {
		x.mu.Lock()
		var task func(context.Context)
		if len(x.queue) > 0 {
			task = x.queue[0]
			x.queue = x.queue[1:]
		}
		x.mu.Unlock()
		if task != nil && ctx.Err() == nil {
			task(ctx)
			continue
		}
		var quiet <-chan time.Time
		if x.behind {
			quiet = time.After(behindLimit)
		}
		select {
		case <-ctx.Done():
			return
		case <-x.wake:
		case <-quiet: // what was at hand does not come
			x.behind = false
			x.flushDelta(ctx)
			x.dropLeftOut(ctx)
			x.runOn(ctx, x.p.Status.Status())
			x.p.Status.Applied(x.rep.Head().Height, time.Now())
		}
	}
}

// behindLimit is how long the trainer's part of an adoption waits for the next one.
const behindLimit = 100 * time.Millisecond
