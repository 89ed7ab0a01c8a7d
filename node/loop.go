package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

const (
	minBeat = 500 * time.Millisecond
	maxBeat = 5 * time.Second
	// restTick is how often the loop turns while the node rests: it takes no part in rounds then,
	// and waking up is most of what an idle node costs.
	restTick = 500 * time.Millisecond
	// A loop that has not come round for so long hangs: it ticks twenty times a
	// second, and waits for nothing.
	maxTurn = 10 * time.Second
)

// loop owns the round machine.
func (n *Node) loop(ctx context.Context) {
	tick := time.NewTicker(round.TickEvery)
	defer tick.Stop()
	training, resting, finishing := false, false, n.finishing
	began := time.Now() // the machine's clock: it knows nothing of what came before
	var beatAt time.Time
	step := func(e round.Event) {
		for _, effect := range n.machine.Step(time.Since(began), e) {
			n.carryOut(ctx, effect)
		}
	}
	for {
		n.turned.Store(int64(time.Since(n.start)))
		select {
		case <-ctx.Done():
			return
		case <-finishing:
			finishing = nil
			step(round.Finish{})
		case e := <-n.events:
			n.view.note(e, time.Now())
			step(e)
		case <-tick.C:
			step(round.Tick{})
		}
		n.view.enter(n.machine.Status())
		d := n.view.decide()
		n.loan.set(d.Yield, d.Why)
		if d.Yield != resting {
			resting = d.Yield
			every := round.TickEvery
			if resting {
				every = restTick
			}
			tick.Reset(every)
		}
		n.net.Rest(d.Rest)
		if d.Train != training {
			training = d.Train
			step(round.Training{On: training})
			n.hand.assign(n.machine.Status(), training)
			n.diary.Add(event.Node, 0, "now: "+d.Why)
			n.view.changed(time.Now())
			beatAt = time.Time{}
		}
		if time.Since(beatAt) >= n.view.beatInterval() {
			beatAt = time.Now()
			n.say(ctx, n.beat)
		}
	}
}

// alive tells whether the loop goes round, or has not begun: before it the node
// waits for peers and the disk.
func (n *Node) alive() bool {
	turned := time.Duration(n.turned.Load())
	return turned == 0 || time.Since(n.start)-turned < maxTurn
}

// carryOut does what the machine asks for.
func (n *Node) carryOut(ctx context.Context, effect round.Effect) {
	switch e := effect.(type) {
	case round.Publish:
		n.hand.do(func(ctx context.Context) { n.hand.publish(ctx, e) })
	case round.Build:
		n.hand.do(func(ctx context.Context) { n.hand.build(ctx, e) })
	case round.Verify:
		n.hand.do(func(ctx context.Context) { n.hand.verify(ctx, e) })
	case round.Adopt:
		n.adopted(e)
		status := n.machine.Status()
		n.hand.do(func(ctx context.Context) { n.hand.adopt(ctx, e, status) })
	case round.Rebase:
		n.hand.do(func(ctx context.Context) { n.hand.rebase(e.Commit) })
	case round.Drop:
		for _, id := range e.Payloads {
			if err := n.store.RemovePayload(id); err != nil {
				n.trouble("tidying the disk", err)
			}
		}
	case round.Fetch:
		n.transfer(ctx, n.transfers, func(ctx context.Context) { n.fetch(ctx, e) })
	case round.Pull:
		n.transfer(ctx, n.questions, func(ctx context.Context) { n.pull(ctx, e) })
	case round.CatchUp:
		n.transfer(ctx, n.questions, func(ctx context.Context) { n.catchUp(ctx, e) })
	case round.Enter:
		n.transfer(ctx, n.transfers, func(ctx context.Context) { n.enter(ctx, e) })
	case round.AskUpdates:
		n.transfer(ctx, n.questions, func(ctx context.Context) { n.askUpdates(ctx, e) })
	case round.AnnounceUpdate:
		n.say(ctx, func(ctx context.Context) { n.announceUpdate(ctx, e.Update) })
	case round.Announce:
		n.say(ctx, func(ctx context.Context) { n.announce(ctx, e.Commit.ID) })
	case round.Finished:
		n.finished(e.In)
	case round.Beat:
		n.view.enter(n.machine.Status())
		n.say(ctx, n.beat)
	}
}

// adopted tells the story of a round.
func (n *Node) adopted(e round.Adopt) {
	n.view.adopted(e, time.Now())
	n.takeNotices(e.From, e.To)
	if n.twice(e.To) {
		n.view.set(func(v *viewed) { v.twice = time.Now() })
	}
	h := e.To.Height
	switch {
	case e.Jump:
		n.diary.Add(event.Chain, h, fmt.Sprintf("took over the snapshot of round %d", h))
		return
	case e.To.Parent != e.From.ID:
		n.diary.Add(event.Chain, h, fmt.Sprintf("moved from round %d to round %d on the branch that most of the swarm is on", e.From.Height, h))
		return
	}
	text := fmt.Sprintf("round %d: %d of %d updates in, closed by %s",
		h, len(e.Included), len(e.Included)+len(e.Missing), n.name(e.To.Closer))
	if e.To.View > 0 {
		text += fmt.Sprintf(" in place of %d before it", e.To.View)
	}
	if len(e.Missing) > 0 {
		text += "; left out: " + n.names(e.Missing)
	}
	n.diary.Add(event.Round, h, text)
}

// twice tells whether a commit proves that this node's key signed two updates for its parent. A node never signs two: another has its key.
func (n *Node) twice(c round.Commit) bool {
	book := n.book.Load()
	return slices.ContainsFunc(c.Evidence, func(pair [2]proto.ID) bool {
		u, ok := book.Update(pair[0])
		return ok && u.Author == n.self
	})
}

func (n *Node) name(p proto.PeerID) string {
	if p == n.self {
		return "this node"
	}
	return p.Short()
}

func (n *Node) names(ps []proto.PeerID) string {
	var s []string
	for _, p := range ps {
		s = append(s, n.name(p))
	}
	return strings.Join(s, ", ")
}
