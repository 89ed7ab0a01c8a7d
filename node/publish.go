package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
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
func (h *hand) publish(ctx context.Context, e round.Publish) {
	u, covers, err := h.encode(ctx, e)
	if err != nil {
		if h.proc != nil && h.learning.Waits && !errors.Is(err, errNothing) {
			h.fromHead(ctx) // what it took from the trainer is gone, and the trainer does no more by itself
		}
		h.n.trouble("publishing", err)
		h.n.post(ctx, round.Unpublished{Parent: e.Parent})
		return
	}
	h.n.untroubled()
	h.pace.published = time.Now()
	h.n.post(ctx, round.Published{Update: u, Covers: covers})
	if h.learning.Residual == outer.InBuffer {
		h.saveSometimes(ctx) // the buffer holds more than the payload says
	}
}

// errNothing says that there is nothing to publish now.
var errNothing = errors.New("nothing to publish")

func (h *hand) encode(ctx context.Context, e round.Publish) (u round.Update, covers uint64, err error) {
	if h.proc == nil || h.rep.Head().ID != e.Parent {
		return u, 0, errNothing
	}
	h.pay(ctx)
	if h.proc == nil {
		return u, 0, errNothing
	}
	c, err := h.proc.Capture(ctx, worker.Capture{Reset: true, Gradient: h.learning.Gradients})
	if err != nil {
		h.drop(err)
		return u, 0, errNothing
	}
	total := h.total(c.Step)
	if total <= e.Delivered {
		return u, 0, errNothing
	}
	covers = total - e.Delivered
	var moved bool
	at := outer.Round{Height: e.Height, Tokens: h.rep.Head().Tokens}
	h.payload, moved, err = h.own.Encode(h.payload, at, h.rep.Theta(), h.proc.Vector())
	if errors.Is(err, codec.ErrDiverged) {
		return u, 0, h.reset(ctx, err)
	}
	if err != nil {
		return u, 0, err
	}
	if moved {
		if h.drop(h.proc.Add(ctx)); h.proc == nil {
			return u, 0, errNothing
		}
	}
	id, size, err := h.n.store.PutPayload(h.n.self, h.payload)
	if err != nil {
		return u, 0, err
	}
	stride := max(uint64(len(h.rep.Head().Roster)), 1)
	reserve := (uint64(h.pace.overlap) + 1) * uint64(h.n.manifest.Inner.Batch) * stride
	tokens := min(covers, e.Max)
	w, err := wire.Update{
		Author: h.n.self, Parent: e.Parent, Height: e.Height, Seq: e.Seq, Tokens: tokens,
		High: e.High(h.n.self, c.Position+reserve, tokens), Payload: id, Size: size,
		Exchange: h.pace.exchange, StepTime: h.pace.stepTime, Loss: float32(c.Loss), Proof: h.n.proof(),
	}.Seal(h.n.swarm, h.n.key)
	if err != nil {
		return u, 0, err
	}
	// Nobody may see it before it is durable: a second one for this parent would
	// be held against this node.
	if err := h.n.store.PutOwn(w, covers); err != nil {
		return u, 0, err
	}
	u = h.book.AddUpdate(w)
	h.seq = e.Seq
	h.pace.step = c.Step
	return u, covers, nil
}

// total is how many tokens were learned in all up to an inner step.
func (h *hand) total(step int64) uint64 {
	steps := uint64(max(step-h.session.step, 0))
	return h.session.total + steps*uint64(h.n.manifest.Inner.Batch)*uint64(h.n.manifest.Model.SeqLen)
}

// reset puts a trainer whose model has diverged back onto the shared one.
func (h *hand) reset(ctx context.Context, why error) error {
	h.n.diary.Add(event.Trainer, h.rep.Head().Height, fmt.Sprintf("the local model has diverged (%v); it goes on from the shared one", why))
	h.fromHead(ctx)
	return errNothing
}

// fromHead has the trainer begin anew on the shared model, with nothing learned.
func (h *hand) fromHead(ctx context.Context) {
	h.own.Forget()
	copy(h.proc.Vector(), h.rep.Theta())
	if h.drop(h.proc.Load(ctx, 0, false)); h.proc == nil {
		return
	}
	h.session = session{step: 0, total: h.delivered}
	h.runOn(ctx, h.n.view.status())
}

// save writes what this node alone has, as the last capture left it in the exchange
// file: d and the inner optimizer's moments where its model moves, and the buffer
// where there is one.
func (h *hand) save(seq, lacking uint64, step int64) error {
	began := time.Now()
	m, v := h.proc.Moments()
	err := h.put(chain.Local{Head: h.rep.Head().ID, Seq: seq, Lacking: lacking, Step: step}, h.proc.Vector(), m, v)
	if err != nil {
		return err
	}
	h.pace.saved, h.pace.saveCost = time.Now(), time.Since(began)
	return nil
}

// put writes the local state of a θ_local and its moments, and turns the first into d.
func (h *hand) put(l chain.Local, d, m, v []float32) error {
	var vectors [][]byte
	if !h.learning.Gradients {
		for i, t := range h.rep.Theta() {
			d[i] = t - d[i]
		}
		vectors = append(vectors, replica.Bytes(d), replica.Bytes(m), replica.Bytes(v))
	}
	if b := h.own.Buffer(); b != nil {
		vectors = append(vectors, replica.Bytes(b))
	}
	return h.n.store.PutLocal(l, vectors...)
}

// carry takes what lies saved to the head, where no trainer does it, before the chain forgets
// what lies below base and with it the commit that this belongs to.
func (h *hand) carry(base round.Commit) error {
	if h.proc != nil || h.learning.Residual == outer.Nowhere {
		return nil
	}
	head := h.rep.Head()
	r, err := h.recall(h.book, head)
	if err != nil || r.local == nil || r.fresh {
		return err
	}
	at, known := h.book.Commit(r.local.Head)
	for known && at.Height > base.Height {
		at, known = h.book.Commit(at.Parent)
	}
	if known && at.ID == base.ID {
		return nil // it stays
	}
	size := len(h.rep.Theta())
	d, m, v := make([]float32, size), make([]float32, size), make([]float32, size)
	if err := h.fill(r, d, m, v); err != nil {
		return err
	}
	return h.put(chain.Local{Head: head.ID, Seq: r.local.Seq, Lacking: r.lacking, Step: r.local.Step}, d, m, v)
}

// saveSometimes saves what was learned if that was not done for long. It comes
// after an adoption: then the hand has little to do until the round is due.
func (h *hand) saveSometimes(ctx context.Context) {
	if h.proc == nil || time.Since(h.pace.saved) < saveShare*h.pace.saveCost {
		return
	}
	if err := h.saveLocal(ctx); err != nil {
		h.n.trouble("saving what was learned", err)
	}
}

// saveLocal saves what was learned.
func (h *hand) saveLocal(ctx context.Context) error { return h.saveAnd(ctx, func() {}) }

// saveAnd calls captured once the trainer is not needed for it any more.
func (h *hand) saveAnd(ctx context.Context, captured func()) error {
	if h.pay(ctx); h.proc == nil || h.learning.Residual == outer.Nowhere {
		return nil
	}
	c, err := h.proc.Capture(ctx, worker.Capture{Moments: true})
	if err != nil {
		return err
	}
	captured()
	total := h.total(c.Step)
	return h.save(h.seq, total-min(h.delivered, total), c.Step)
}
