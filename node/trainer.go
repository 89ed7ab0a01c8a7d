package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/worker"
	"github.com/murmurnet/murmur/trainer/writer"
)

const (
	restartFirst = 500 * time.Millisecond
	restartMost  = time.Minute
	steady       = time.Minute // a trainer that ran so long has earned a quick restart
	maxRestarts  = 16          // whose times are kept
)

// keepTrainer runs a trainer process, and another when it ends, until ctx ends.
func (n *Node) keepTrainer(ctx context.Context, fail func(error)) {
	pause, less := restartFirst, 0
	for {
		had, done := n.loan.take(ctx)
		if had == nil {
			return
		}
		began := time.Now()
		err := n.runTrainer(had, less)
		yielded := errors.Is(context.Cause(had), errYielded)
		done()
		if ctx.Err() != nil {
			return
		}
		if yielded {
			n.view.set(func(v *viewed) {
				v.trainer.Up, v.trainer.Pid, v.trainer.TokensPerSec, v.trainerWhy, v.trainers = false, 0, 0, "", nil
			})
			n.diary.Add(event.Trainer, 0, "the trainer has given the device back: "+n.loan.last())
			pause = restartFirst
			continue
		}
		if errors.Is(err, errReplica) {
			fail(err)
			return
		}
		if errors.Is(err, worker.ErrKilledForMemory) {
			if less < worker.MaxLess {
				less++
			}
			err = fmt.Errorf("%w; the next one takes half as many samples at once, as far as it can", err)
		}
		n.view.set(func(v *viewed) {
			v.trainer.Up, v.trainer.TokensPerSec, v.trainerWhy, v.trainers = false, 0, err.Error(), nil
			v.trainer.Restarts++
			v.restarts = append(v.restarts[max(0, len(v.restarts)+1-maxRestarts):], time.Now())
		})
		n.diary.Add(event.Trainer, 0, err.Error())
		n.log.Warn("Trainer ended", "error", err)
		if time.Since(began) > steady {
			pause = restartFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, restartMost)
	}
}

// errReplica says that this node's own files cannot be used.
var errReplica = errors.New("the local model cannot be loaded")

// runTrainer runs one whose step is laid out smaller so many times than memory seems to allow.
func (n *Node) runTrainer(ctx context.Context, less int) (err error) {
	ps := n.trainers()
	for i := range ps {
		ps[i].Spec.Less = less
	}
	p, err := worker.StartIsland(ctx, ps)
	if err != nil {
		return err
	}
	n.view.set(func(v *viewed) { v.trainers = p.Pids() }) // from here on they are on the card, and no strangers
	// The hand may hold views of the exchange file: it lets go before the file does.
	defer func() {
		if errors.Is(context.Cause(ctx), errYielded) {
			n.hand.yield(p)
		}
		p.Stop()
		n.hand.detach(p)
		err = errors.Join(err, p.Release())
	}()
	// The first load compiles, for seconds: off the hand, so that rounds go on.
	if err := p.Load(ctx, 0, false); err != nil {
		return err
	}
	if err := n.hand.ask(ctx, func(context.Context) error { return n.hand.attach(ctx, p) }); err != nil {
		return err
	}
	ready := p.Ready()
	n.view.set(func(v *viewed) {
		v.trainerWhy = ""
		v.trainer.Up, v.trainer.Pid, v.trainer.Params = true, p.Pid(), ready.Params
		v.trainer.Backend, v.trainer.Device, v.trainer.Refusals = ready.Backend, strings.Join(p.Devices(), ", "), ready.Refusals
	})
	n.diary.Add(event.Trainer, 0, fmt.Sprintf("the trainer is ready on %s (%s)", ready.Backend, strings.Join(p.Devices(), ", ")))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.Done():
			if err := p.Err(); err != nil {
				return err
			}
			return errors.New("the trainer stopped")
		case g := <-p.Progress():
			n.hand.hear(g)
		}
	}
}

// trainers say how to start a trainer for each device.
func (n *Node) trainers() (ps []worker.Params) {
	for k := range max(len(n.p.Devices), 1) {
		p := worker.Params{
			Command: n.p.Trainer, Inside: n.p.Engine, Env: n.p.Env, Exchange: n.p.Dir.Path(home.Exchange), Spec: n.spec(), Log: n.log,
		}
		if k > 0 {
			p.Exchange = n.p.Dir.Path(fmt.Sprintf("exchange-%d.vec", k))
		}
		// Cards are numbered as the driver does, which senses/device asks; CUDA's own order is by speed.
		p.Env = slices.Concat(p.Env, []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID"})
		if len(n.p.Devices) > 0 { // each kind of plugin looks at its own
			card := strconv.Itoa(n.p.Devices[k])
			p.Env = slices.Concat(p.Env, []string{"CUDA_VISIBLE_DEVICES=" + card, "HIP_VISIBLE_DEVICES=" + card})
		}
		ps = append(ps, p)
	}
	return ps
}

// attach loads what this node had learned into a fresh trainer.
func (h *hand) attach(ctx context.Context, p *worker.Island) error {
	r, err := h.recall(h.book, h.rep.Head())
	if err != nil {
		return fmt.Errorf("%w: %w", errReplica, err)
	}
	if r.orphaned {
		h.n.diary.Add(event.Node, 0, "what this node had learned belongs to a round that is forgotten; it is lost")
	}
	m, v := p.Moments()
	err = h.refetching(ctx, func() error { return h.fill(r, p.Vector(), m, v) })
	var lost *replica.LostError
	if errors.As(err, &lost) {
		// One of this node's own updates, which nobody holds any more.
		h.n.diary.Add(event.Node, 0, "what this node had learned and not delivered is lost with it")
		r = recalled{local: r.local, fresh: true}
		err = h.fill(r, p.Vector(), m, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errReplica, err)
	}
	var step int64
	if r.local != nil {
		step = r.local.Step
		r.local = nil // three vectors that need not stay in memory
	}
	if err := p.Load(ctx, step, step > 0); err != nil {
		return err
	}
	h.proc, h.owed = p, false
	h.session = session{step: step, total: h.delivered + r.lacking}
	h.pace.now, h.pace.step = step, step
	h.n.view.set(func(v *viewed) { v.learned = h.session.total })
	h.n.post(ctx, round.Progress{Total: h.session.total})
	h.runOn(ctx, h.n.view.status())
	return nil
}

// yieldLimit bounds how long a trainer keeps its device for what it has learned to be
// fetched off it: 20 steps of 20 ms, or one of the largest models that processors train.
const yieldLimit = 700 * time.Millisecond

// yield has a trainer give the device back, and saves what it has learned. A step that takes
// longer than yieldLimit is lost, with what came since the last save.
func (h *hand) yield(p *worker.Island) {
	late := time.AfterFunc(yieldLimit, func() { p.Kill(errYielded) })
	defer late.Stop()
	saved := make(chan struct{})
	h.do(func(ctx context.Context) {
		defer close(saved)
		defer p.Kill(errYielded)
		if h.proc != p {
			return
		}
		if err := h.saveAnd(ctx, func() { p.Kill(errYielded) }); err != nil {
			h.n.log.Warn("What was learned since the last save is lost", "error", err)
		}
	})
	select {
	case <-saved:
	case <-h.ended:
	}
}

// detach makes the hand let go of a trainer, and waits until it has.
func (h *hand) detach(p *worker.Island) {
	done := make(chan struct{})
	h.do(func(context.Context) {
		defer close(done)
		if h.proc == p {
			h.proc = nil
		}
	})
	select {
	case <-done:
	case <-h.ended:
	}
}

// hear takes the newest progress; one task at most waits for it.
func (h *hand) hear(g worker.Progress) {
	if h.heard.Swap(&g) == nil {
		h.do(func(ctx context.Context) {
			if g := h.heard.Swap(nil); g != nil {
				h.progress(ctx, *g)
			}
		})
	}
}

// progress tells the machine how far the trainer is.
func (h *hand) progress(ctx context.Context, g worker.Progress) {
	if h.proc == nil {
		return
	}
	if g.Absent != "" {
		h.n.supply.lost(g.Absent)
	}
	h.pace.now = max(h.pace.now, g.Step)
	if g.TokensPerSec > 0 {
		tokens := float64(h.n.manifest.Inner.Batch) * float64(h.n.manifest.Model.SeqLen)
		h.pace.stepTime = time.Duration(tokens / g.TokensPerSec * float64(time.Second))
	}
	total := h.total(g.Step)
	h.n.view.set(func(v *viewed) {
		v.trainer.TokensPerSec, v.trainer.Loss, v.idle, v.stepped = g.TokensPerSec, g.Loss, g.Idle, time.Now()
		if total > v.learned {
			v.trainer.Tokens += total - v.learned
			v.trainer.Steps = v.trainer.Tokens / h.n.stepTokens()
		}
		v.learned = total
	})
	rate := g.TokensPerSec
	if !h.train || g.Idle {
		rate = 0
	}
	h.n.post(ctx, round.Progress{Total: total, Rate: rate, Done: g.Idle})
}

func (n *Node) stepTokens() uint64 {
	return uint64(n.manifest.Inner.Batch) * uint64(n.manifest.Model.SeqLen)
}

// Heldout measures θ(head) on the held-out slice.
func (n *Node) Heldout(ctx context.Context) (out api.Heldout, err error) {
	if n.book.Load() == nil {
		return out, errStarting
	}
	err = n.hand.ask(ctx, func(running context.Context) error {
		if n.hand.pay(running); n.hand.proc == nil {
			return errNoTrainer
		}
		out.Height, out.By = n.hand.rep.Head().Height, n.self
		copy(n.hand.proc.Vector(), n.hand.rep.Theta())
		out.Loss, err = n.hand.proc.Heldout(ctx)
		return err
	})
	return out, err
}

// Generate continues a prompt by θ(head).
func (n *Node) Generate(ctx context.Context, g api.Generate, emit func(text string)) error {
	if n.book.Load() == nil {
		return errStarting
	}
	return n.hand.ask(ctx, func(running context.Context) error {
		if n.hand.pay(running); n.hand.proc == nil {
			return errNoTrainer
		}
		copy(n.hand.proc.Vector(), n.hand.rep.Theta())
		return n.hand.proc.Generate(ctx, writer.Request{
			Prompt: g.Prompt, N: g.Tokens, Stop: g.Stop, Sampling: eval.Sampling{Temperature: g.Temperature, TopK: g.TopK, TopP: g.TopP, Seed: g.Seed},
		}, emit)
	})
}

var (
	errStarting  = errors.New("this node is still looking for the swarm's manifest")
	errNoTrainer = errors.New("the trainer is not up; murmur status says why")
)
