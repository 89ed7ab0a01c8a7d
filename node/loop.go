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
	// restTick is how often the loop turns while the device is given back: the node trains nothing then,
	// and waking up is most of what an idle node costs.
	restTick = 500 * time.Millisecond
	// maxTurn is the time after which a loop without a turn counts as hung. A turn takes
	// milliseconds, and there are two a second at least.
	maxTurn = 10 * time.Second
)

// loop owns the round machine.
func (n *Node) loop(ctx context.Context) {
	tick := time.NewTicker(round.TickEvery)
	defer tick.Stop()
	training, resting, finishing := false, false, n.finishing
	began := time.Now() // the round machine's clock counts from here
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
			n.status.Noted(e, time.Now())
			step(e)
		case <-tick.C:
			step(round.Tick{})
		}
		n.status.Enter(n.machine.Status())
		d := n.status.Decide()
		n.lend(d)
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
			n.executor.Assign(n.machine.Status(), training)
			n.diary.Add(event.Node, 0, "now: "+d.Why)
			n.status.Turned(time.Now())
			beatAt = time.Time{}
		}
		if time.Since(beatAt) >= n.status.BeatInterval() {
			beatAt = time.Now()
			n.exchange.Beat(ctx)
		}
	}
}

// alive tells whether the loop still turns. Before the loop begins the node waits for
// peers and the disk, which counts as alive.
func (n *Node) alive() bool {
	turned := time.Duration(n.turned.Load())
	return turned == 0 || time.Since(n.start)-turned < maxTurn
}

// carryOut does what the machine asks for.
func (n *Node) carryOut(ctx context.Context, effect round.Effect) {
	switch e := effect.(type) {
	case round.Publish:
		n.executor.Publish(e)
	case round.Build:
		n.executor.Build(e)
	case round.Verify:
		n.executor.Verify(e)
	case round.Adopt:
		n.adopted(e)
		n.executor.Adopt(e, n.machine.Status())
	case round.Rebase:
		n.executor.Rebase(e)
	case round.Drop:
		for _, id := range e.Payloads {
			if err := n.store.RemovePayload(id); err != nil {
				n.status.Trouble("tidying the disk", err)
			}
		}
	case round.Fetch:
		n.exchange.Fetch(ctx, e)
	case round.Pull:
		n.exchange.Pull(ctx, e)
	case round.CatchUp:
		n.exchange.CatchUp(ctx, e)
	case round.Enter:
		n.exchange.Enter(ctx, e)
	case round.AskUpdates:
		n.exchange.AskUpdates(ctx, e)
	case round.AnnounceUpdate:
		n.exchange.AnnounceUpdate(ctx, e.Update)
	case round.Announce:
		n.exchange.Announce(ctx, e.Commit.ID)
	case round.Finished:
		n.finished(e.In)
	case round.Beat:
		n.status.Enter(n.machine.Status())
		n.exchange.Beat(ctx)
	}
}

// adopted writes the diary's entry about an adopted commit, and takes in its notices.
func (n *Node) adopted(e round.Adopt) {
	n.status.Adopted(e, n.twice(e.To), time.Now())
	n.takeNotices(e.From, e.To)
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

// twice tells whether a commit proves that this node's key signed two updates for its parent. A node never signs two, so another machine has its key.
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
