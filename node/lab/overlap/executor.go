package overlap

import (
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
)

// executor does one thing at a time, in order, as node/executor does.
type executor struct {
	n       *node
	queue   []func(done func())
	running bool
	heard   bool // whether progress waits in the queue

	head      round.Commit
	published time.Duration // time of this round's own update; 0 = none
	exchange  time.Duration
	step      int64 // inner step that was published
	stepTime  time.Duration
	overlap   int64
	saved     time.Duration
	saveCost  time.Duration
	everSaved bool
}

// saveShare bounds the time spent on saving the local state, as in node/executor.
const saveShare = 20

func (x *executor) do(task func(done func())) {
	x.queue = append(x.queue, task)
	x.next()
}

func (x *executor) next() {
	if x.running || len(x.queue) == 0 {
		return
	}
	x.running = true
	task := x.queue[0]
	x.queue = x.queue[1:]
	task(func() {
		x.running = false
		x.next()
	})
}

// publish captures between two steps, encodes, saves, and makes an update.
func (x *executor) publish(e round.Publish) {
	x.do(func(done func()) {
		s, n := x.n.s, x.n
		fail := func() {
			n.post(round.Unpublished{Parent: e.Parent})
			done()
		}
		if x.head.ID != e.Parent {
			fail()
			return
		}
		save := !x.everSaved || s.clock.now-x.saved >= saveShare*x.saveCost
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
					x.everSaved, x.saved, x.saveCost = true, s.clock.now, s.p.Costs.SaveLocal
				}
				covers := total - e.Delivered
				stride := max(uint64(len(x.head.Roster)), 1)
				u := round.Update{
					Author: n.id, Parent: e.Parent, Height: e.Height, Seq: e.Seq, Tokens: min(covers, e.Max),
					High:    min(position+(uint64(x.overlap)+1)*uint64(s.p.Batch)*stride, x.head.Highest(n.id, min(covers, e.Max), uint64(s.p.Model.SeqLen))),
					Payload: proto.Sum(fmt.Appendf(nil, "%s %d", n.id, e.Seq)), Size: s.size,
					Exchange: x.exchange, StepTime: x.stepTime,
				}
				u.ID = proto.Sum(fmt.Appendf(nil, "%v", u))
				n.held[u.Payload] = true
				n.know(u)
				x.step, x.published = steps, s.clock.now
				n.post(round.Published{Update: u, Covers: covers})
				done()
			})
		})
	})
}

// build makes a commit.
func (x *executor) build(e round.Build) {
	x.do(func(done func()) {
		s := x.n.s
		s.clock.after(s.p.Costs.Apply, func() {
			c := e.Draft
			c.Root = s.root(c.Parent, e.Updates)
			c.ID = identity(c)
			s.commits[c.ID] = c
			x.n.commits[c.ID] = true
			x.n.post(round.Built{Commit: c})
			done()
		})
	})
}

// verify computes a commit's root.
func (x *executor) verify(e round.Verify) {
	x.do(func(done func()) {
		s := x.n.s
		s.clock.after(s.p.Costs.Apply, func() {
			ok := s.root(e.Commit.Parent, e.Updates) == e.Commit.Root
			x.n.post(round.Verified{Commit: e.Commit.ID, OK: ok})
			done()
		})
	})
}

// adopt gives the trainer what a commit brings, between two steps, and then its
// next assignment.
func (x *executor) adopt(e round.Adopt, status round.Status) {
	x.do(func(done func()) {
		s, n := x.n.s, x.n
		if e.To.Parent != x.head.ID {
			n.switches++
		}
		s.clock.after(s.p.Costs.Delta, func() {
			n.device.ask("add", s.p.Costs.Add, func() {
				var saving time.Duration
				if e.To.Height%snapshotEvery == 0 {
					saving = s.p.Costs.SaveState
				}
				s.clock.after(saving, func() {
					x.head = e.To
					if x.published > 0 {
						x.exchange = s.clock.now - x.published
						x.overlap = n.device.steps - x.step
						x.published = 0
						n.exchanges = append(n.exchanges, x.exchange)
						n.late += uint64(x.overlap) * s.stepTokens()
					}
					n.device.ask("run", 0, func() { x.assign(status); done() })
				})
			})
		})
	})
}

// assign gives the trainer its samples on the head.
func (x *executor) assign(status round.Status) {
	if status.Head.ID != x.head.ID {
		return
	}
	x.n.device.assign(data.Assignment{
		Manifest: x.n.s.genesis.ID, Parent: x.head.ID, Cursor: x.head.Cursor, Rank: status.Rank,
		Roster: len(x.head.Roster), Peer: string(x.n.id), CapSamples: x.head.Cap() / uint64(x.n.s.p.Model.SeqLen),
	})
}

// hear passes on the newest progress; one task at most waits for it.
func (x *executor) noteProgress() {
	if x.heard {
		return
	}
	x.heard = true
	x.do(func(done func()) {
		x.heard = false
		d := x.n.device
		if d.rate > 0 {
			x.stepTime = time.Duration(float64(x.n.s.stepTokens()) / d.rate * float64(time.Second)).Truncate(time.Millisecond)
		}
		rate := d.rate
		if d.idle {
			rate = 0
		}
		x.n.post(round.Progress{Total: uint64(d.steps) * x.n.s.stepTokens(), Rate: rate})
		done()
	})
}
