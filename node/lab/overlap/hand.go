package overlap

import (
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
)

// hand does one thing at a time, in order, as node's hand does.
type hand struct {
	n       *node
	queue   []func(done func())
	running bool
	heard   bool // progress waits in the queue

	head      round.Commit
	published time.Duration // the own update of this round; 0 = none
	exchange  time.Duration
	step      int64 // that was published
	stepTime  time.Duration
	overlap   int64
	saved     time.Duration
	saveCost  time.Duration
	everSaved bool
}

// saveShare bounds the time spent on saving the local state, as in node.
const saveShare = 20

func (h *hand) do(task func(done func())) {
	h.queue = append(h.queue, task)
	h.next()
}

func (h *hand) next() {
	if h.running || len(h.queue) == 0 {
		return
	}
	h.running = true
	task := h.queue[0]
	h.queue = h.queue[1:]
	task(func() {
		h.running = false
		h.next()
	})
}

// publish captures between two steps, encodes, saves, and makes an update.
func (h *hand) publish(e round.Publish) {
	h.do(func(done func()) {
		s, n := h.n.s, h.n
		fail := func() {
			n.post(round.Unpublished{Parent: e.Parent})
			done()
		}
		if h.head.ID != e.Parent {
			fail()
			return
		}
		save := !h.everSaved || s.clock.now-h.saved >= saveShare*h.saveCost
		cost, after := s.p.Costs.Capture, s.p.Costs.Encode+s.p.Costs.Store
		if save {
			cost += s.p.Costs.Moments
			after += s.p.Costs.SaveLocal
		}
		n.device.ask("capture", cost, func() {
			steps, position := n.device.steps, n.device.position
			total := uint64(steps) * s.stepTokens()
			if total <= e.Delivered {
				fail()
				return
			}
			s.clock.after(after, func() {
				if save {
					h.everSaved, h.saved, h.saveCost = true, s.clock.now, s.p.Costs.SaveLocal
				}
				covers := total - e.Delivered
				stride := max(uint64(len(h.head.Roster)), 1)
				u := round.Update{
					Author: n.id, Parent: e.Parent, Height: e.Height, Seq: e.Seq, Tokens: min(covers, e.Max),
					High:    min(position+(uint64(h.overlap)+1)*uint64(s.p.Batch)*stride, h.head.Highest(n.id, min(covers, e.Max), uint64(s.p.Model.SeqLen))),
					Payload: proto.Sum(fmt.Appendf(nil, "%s %d", n.id, e.Seq)), Size: s.size,
					Exchange: h.exchange, StepTime: h.stepTime,
				}
				u.ID = proto.Sum(fmt.Appendf(nil, "%v", u))
				n.held[u.Payload] = true
				n.know(u)
				h.step, h.published = steps, s.clock.now
				n.post(round.Published{Update: u, Covers: covers})
				done()
			})
		})
	})
}

// build makes a commit.
func (h *hand) build(e round.Build) {
	h.do(func(done func()) {
		s := h.n.s
		s.clock.after(s.p.Costs.Apply, func() {
			c := e.Draft
			c.Root = s.root(c.Parent, e.Updates)
			c.ID = identity(c)
			s.commits[c.ID] = c
			h.n.commits[c.ID] = true
			h.n.post(round.Built{Commit: c})
			done()
		})
	})
}

// verify computes a commit's root.
func (h *hand) verify(e round.Verify) {
	h.do(func(done func()) {
		s := h.n.s
		s.clock.after(s.p.Costs.Apply, func() {
			ok := s.root(e.Commit.Parent, e.Updates) == e.Commit.Root
			h.n.post(round.Verified{Commit: e.Commit.ID, OK: ok})
			done()
		})
	})
}

// adopt gives the trainer what a commit brings, between two steps, and then its
// next assignment.
func (h *hand) adopt(e round.Adopt, status round.Status) {
	h.do(func(done func()) {
		s, n := h.n.s, h.n
		if e.To.Parent != h.head.ID {
			n.switches++
		}
		s.clock.after(s.p.Costs.Delta, func() {
			n.device.ask("add", s.p.Costs.Add, func() {
				var saving time.Duration
				if e.To.Height%snapshotEvery == 0 {
					saving = s.p.Costs.SaveState
				}
				s.clock.after(saving, func() {
					h.head = e.To
					if h.published > 0 {
						h.exchange = s.clock.now - h.published
						h.overlap = n.device.steps - h.step
						h.published = 0
						n.exchanges = append(n.exchanges, h.exchange)
						n.late += uint64(h.overlap) * s.stepTokens()
					}
					n.device.ask("run", 0, func() { h.assign(status); done() })
				})
			})
		})
	})
}

// assign gives the trainer its samples on the head.
func (h *hand) assign(status round.Status) {
	if status.Head.ID != h.head.ID {
		return
	}
	h.n.device.assign(data.Assignment{
		Manifest: h.n.s.genesis.ID, Parent: h.head.ID, Cursor: h.head.Cursor, Rank: status.Rank,
		Roster: len(h.head.Roster), Peer: string(h.n.id), CapSamples: h.head.Cap() / uint64(h.n.s.p.Model.SeqLen),
	})
}

// hear passes on the newest progress; one task at most waits for it.
func (h *hand) hear() {
	if h.heard {
		return
	}
	h.heard = true
	h.do(func(done func()) {
		h.heard = false
		d := h.n.device
		if d.rate > 0 {
			h.stepTime = time.Duration(float64(h.n.s.stepTokens()) / d.rate * float64(time.Second)).Truncate(time.Millisecond)
		}
		rate := d.rate
		if d.idle {
			rate = 0
		}
		h.n.post(round.Progress{Total: uint64(d.steps) * h.n.s.stepTokens(), Rate: rate})
		done()
	})
}
