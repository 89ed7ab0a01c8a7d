package executor

import (
	"context"
	"errors"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto/wire"
	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// saveShare bounds the time spent on saving the local state: a save that took
// one second is not repeated for 20.
const saveShare = 20

// publish makes an update of what the trainer learned, durable before it is
// announced.
func (x *Executor) publish(ctx context.Context, e round.Publish) {
	u, covers, err := x.encode(ctx, e)
	if err != nil {
		if x.trainer != nil && x.learning.Waits && !errors.Is(err, errNothing) {
			x.beginFromHead(ctx) // encode took the trainer's gradient, which is lost, and the trainer waits for a commit
		}
		x.trouble("publishing", err)
		x.p.Post(ctx, round.Unpublished{Parent: e.Parent})
		return
	}
	x.p.Status.NoTrouble()
	x.pace.published = time.Now()
	x.p.Post(ctx, round.Published{Update: u, Covers: covers})
	if x.learning.Residual == outer.InBuffer {
		x.saveSometimes(ctx) // the payload says less than the buffer holds, so a restart needs the buffer
	}
}

// errNothing says that there is nothing to publish now.
var errNothing = errors.New("nothing to publish")

func (x *Executor) encode(ctx context.Context, e round.Publish) (u round.Update, covers uint64, err error) {
	if x.trainer == nil || x.rep.Head().ID != e.Parent {
		return u, 0, errNothing
	}
	x.flushDelta(ctx)
	if x.trainer == nil {
		return u, 0, errNothing
	}
	c, err := x.trainer.Capture(ctx, worker.Capture{Reset: true, Gradient: x.learning.Gradients})
	if err != nil {
		x.dropTrainer(err)
		return u, 0, errNothing
	}
	total := x.total(c.Step)
	if total <= e.Delivered {
		return u, 0, errNothing
	}
	covers = total - e.Delivered
	at := outer.Round{Height: e.Height, Tokens: x.rep.Head().Tokens}
	payload, moved, err := x.own.Encode(x.payload, at, x.rep.Theta(), x.trainer.Vector())
	if errors.Is(err, codec.ErrDiverged) {
		return u, 0, x.diverged(ctx, err)
	}
	if err != nil {
		return u, 0, err
	}
	if moved {
		if x.dropTrainer(x.trainer.Add(ctx)); x.trainer == nil {
			return u, 0, errNothing
		}
	}
	id, size, err := x.p.Store.PutPayload(x.p.Self, payload)
	if err != nil {
		return u, 0, err
	}
	stride := max(uint64(len(x.rep.Head().Roster)), 1)
	reserve := (uint64(x.pace.overlap) + 1) * uint64(x.p.Manifest.Inner.Batch) * stride
	tokens := min(covers, e.Max)
	w, err := wire.Update{
		Author: x.p.Self, Parent: e.Parent, Height: e.Height, Seq: e.Seq, Tokens: tokens,
		High: min(c.Position+reserve, x.rep.Head().Highest(x.p.Self, tokens, uint64(x.p.Manifest.Model.SeqLen))), Payload: id, Size: size,
		Exchange: x.pace.exchange, StepTime: x.pace.stepTime, Loss: float32(c.Loss), Proof: x.p.Proof(),
	}.Seal(x.p.Swarm, x.p.Key)
	if err != nil {
		return u, 0, err
	}
	// No peer may see an update before it is durable: after a crash this node would sign
	// a second one for this parent, which peers hold against it.
	if err := x.p.Store.PutOwn(w, covers); err != nil {
		return u, 0, err
	}
	u = x.book.AddUpdate(w)
	x.seq = e.Seq
	x.pace.step = c.Step
	return u, covers, nil
}

// save writes the local state from the exchange file, where the last capture left it: the
// residual d and the inner optimizer's moments where the trainer's model moves, and the
// buffer where the method has one.
func (x *Executor) save(seq, lacking uint64, step int64) error {
	began := time.Now()
	m, v := x.trainer.Moments()
	err := x.put(chain.Local{Head: x.rep.Head().ID, Seq: seq, Lacking: lacking, Step: step}, x.trainer.Vector(), m, v)
	x.trainer.Saved()
	if err != nil {
		return err
	}
	x.pace.saved, x.pace.savedStep, x.pace.saveCost = time.Now(), step, time.Since(began)
	return nil
}

// rescue saves what an ended trainer had kept in its exchange file since the last save. The moments are that save's.
func (x *Executor) rescue(t Trainer) {
	k, ok := t.Kept()
	if !ok || x.learning.Gradients || k.Step <= x.pace.savedStep || k.Step < x.pace.step {
		return
	}
	if x.deltaPending && !k.Added {
		for i, d := range t.Vector() {
			k.Theta[i] += d
		}
	}
	theta := t.Vector()
	copy(theta, k.Theta) // which may lie where the moments go
	m, v := t.Moments()
	err := x.remember(m, v)
	if err == nil {
		total := x.total(k.Step)
		err = x.put(chain.Local{Head: x.rep.Head().ID, Seq: x.seq, Lacking: total - min(x.delivered, total), Step: k.Step}, theta, m, v)
	}
	if err != nil {
		x.trouble("saving what an ended trainer had learned", err)
		return
	}
	x.p.Log.Info("What the trainer had learned is saved", "step", k.Step, "savedBefore", x.pace.savedStep)
}

// remember reads the moments of the last save; without one they are zero.
func (x *Executor) remember(m, v []float32) error {
	clear(m)
	clear(v)
	local, err := x.p.Store.Local()
	if errors.Is(err, chain.ErrCorrupt) {
		return nil
	}
	if err != nil || local == nil {
		return err
	}
	defer func() { _ = local.Close() }() // it was read alone
	saved, err := x.vectors(local.Bytes)
	if err != nil || saved.m == nil {
		return err
	}
	copy(replica.Bytes(m), saved.m)
	copy(replica.Bytes(v), saved.v)
	return nil
}

// put writes the local state of a θ_local and its moments, and turns the first into d.
func (x *Executor) put(l chain.Local, d, m, v []float32) error {
	var vectors [][]byte
	if !x.learning.Gradients {
		for i, t := range x.rep.Theta() {
			d[i] = t - d[i]
		}
		vectors = append(vectors, replica.Bytes(d), replica.Bytes(m), replica.Bytes(v))
	}
	if b := x.own.Buffer(); b != nil {
		vectors = append(vectors, replica.Bytes(b))
	}
	return x.p.Store.PutLocal(l, vectors...)
}

// carry moves the saved local state to the head while no trainer is up. Its commit lies below
// base, which the chain is about to forget; without that commit the state is lost.
func (x *Executor) carry(base round.Commit) error {
	if x.trainer != nil || x.learning.Residual == outer.Nowhere {
		return nil
	}
	head := x.rep.Head()
	r, err := x.recall(x.book, head)
	defer func() { _ = r.local.Close() }() // it was read alone
	if err != nil || r.local == nil || r.fresh {
		return err
	}
	at, known := x.book.Commit(r.local.Head)
	for known && at.Height > base.Height {
		at, known = x.book.Commit(at.Parent)
	}
	if known && at.ID == base.ID {
		return nil // its commit stays in the chain
	}
	size := len(x.rep.Theta())
	scratch, err := x.p.Store.Scratch(3 * size)
	if err != nil {
		return err
	}
	defer func() { _ = scratch.Close() }() // its file has no name any more
	all := scratch.Floats()
	d, m, v := all[:size:size], all[size:2*size:2*size], all[2*size:]
	if err := x.fill(r, d, m, v); err != nil {
		return err
	}
	if err := r.local.Close(); err != nil { // or it could not be replaced everywhere
		return err
	}
	return x.put(chain.Local{Head: head.ID, Seq: r.local.Seq, Lacking: r.lacking, Step: r.local.Step}, d, m, v)
}

// saveSometimes saves what was learned, unless the last save is more recent than saveShare
// times its cost. It is called when the executor has little to do until the next round.
func (x *Executor) saveSometimes(ctx context.Context) {
	if x.trainer == nil || time.Since(x.pace.saved) < saveShare*x.pace.saveCost {
		return
	}
	if err := x.saveLocal(ctx); err != nil {
		x.trouble("saving what was learned", err)
	}
}

// saveLocal saves what was learned.
func (x *Executor) saveLocal(ctx context.Context) error { return x.saveAnd(ctx, func() {}) }

// saveAnd calls captured once the trainer is not needed for it any more.
func (x *Executor) saveAnd(ctx context.Context, captured func()) error {
	if x.flushDelta(ctx); x.trainer == nil || x.learning.Residual == outer.Nowhere {
		return nil
	}
	c, err := x.trainer.Capture(ctx, worker.Capture{Moments: true})
	if err != nil {
		return err
	}
	captured()
	total := x.total(c.Step)
	return x.save(x.seq, total-min(x.delivered, total), c.Step)
}
