package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

const (
	askLimit   = 10 * time.Second // one question to one peer
	fetchFloor = 30 * time.Second // one payload, from all sources, beside twice the grace
	fetchLimit = 10 * time.Minute // one state
	sayLimit   = 2 * time.Second  // one announcement
	nextSource = 2 * time.Second  // before another peer is asked for a commit as well
	askPeers   = 3                // peers asked the same question at most
)

// transfer runs something that waits for the network, with a bounded number of
// its kind.
func (n *Node) transfer(ctx context.Context, places chan struct{}, f func(context.Context)) {
	n.group.Go(func() {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			f(ctx)
		case <-ctx.Done():
		}
	})
}

// fetch pulls an update's payload and says whether it decodes.
func (n *Node) fetch(ctx context.Context, e round.Fetch) {
	id := e.Update.Payload
	// Whoever trickles it holds a place no longer than that; the next try goes on
	// from what is here.
	limited, cancel := context.WithTimeout(ctx, fetchFloor+2*time.Duration(n.manifest.Rounds.GraceMS)*time.Millisecond)
	defer cancel()
	b, err := n.store.Payload(id, e.Update.Author)
	if err != nil && !errors.Is(err, chain.ErrOthers) {
		err = n.net.Fetch(limited, p2p.Fetch{
			ID: id, Size: e.Update.Size, MaxSize: e.Update.Size, Path: n.store.PayloadPath(id), Sources: e.Sources,
		})
		if err != nil {
			n.store.MakeRoom(err) // for the next try
			n.log.Debug("Payload did not come", "payload", id.Short(), "author", e.Update.Author.Short(), "error", err)
			n.post(ctx, round.Missed{Payload: id})
			return
		}
		b, err = n.store.Payload(id, e.Update.Author)
	}
	of := round.Use{Payload: id, Height: e.Update.Height, Author: e.Update.Author}
	switch {
	case errors.Is(err, chain.ErrOthers):
		n.view.flag(e.Update.Author, fmt.Sprintf("its update for round %d is a copy of another's", e.Update.Height))
		n.post(ctx, round.Unfit{Use: of})
	case err != nil:
		n.post(ctx, round.Missed{Payload: id})
	case n.method.Check(e.Update.Height, b) != nil:
		if e.Shared {
			n.log.Debug("An update names a payload of another round's", "payload", id.Short(), "author", e.Update.Author.Short())
		} else if err := os.Remove(n.store.PayloadPath(id)); err != nil { // or it would count as held after a restart
			n.log.Warn("A payload that does not decode stays on disk", "payload", id.Short(), "error", err)
		}
		n.view.flag(e.Update.Author, fmt.Sprintf("its update for round %d does not decode", e.Update.Height))
		n.diary.Add(event.Peer, e.Update.Height, fmt.Sprintf("%s sent an update that does not decode; it is left out", e.Update.Author.Short()))
		n.post(ctx, round.Unfit{Use: of})
	default:
		n.post(ctx, round.Held{Use: of})
	}
}

// pull asks for a commit's body: the nearest source, and as long as none has it, one more every nextSource.
func (n *Node) pull(ctx context.Context, e round.Pull) {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	sources := n.net.Nearest(e.Sources)
	answers := make(chan *murmurv1.Commit, len(sources))
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	more := time.NewTimer(0)
	defer more.Stop()
	for left := len(sources); left > 0; {
		select {
		case <-more.C:
			if len(sources) == 0 {
				continue
			}
			peer := sources[0]
			sources = sources[1:]
			asking.Go(func() { answers <- n.body(limited, peer, e.Commit) })
			more.Reset(nextSource)
		case w := <-answers:
			if left--; w == nil {
				more.Reset(0)
				continue
			}
			if c, us, news, err := n.book.Load().AddCommit(w); err == nil && c.ID == e.Commit {
				n.admit(news)
				n.post(ctx, round.Pulled{Commits: []round.Commit{c}, Updates: us})
				return
			}
			more.Reset(0)
		case <-limited.Done():
			left = 0
		}
	}
	n.post(ctx, round.PullFailed{Commit: e.Commit})
}

// body asks one peer for a commit's body; nil: it has none.
func (n *Node) body(ctx context.Context, peer proto.PeerID, id proto.ID) *murmurv1.Commit {
	res, err := n.ask(ctx, peer, &murmurv1.SyncRequest{Commits: [][]byte{id[:]}})
	if err != nil || len(res.Commits) == 0 {
		return nil
	}
	return res.Commits[0]
}

// catchUp pulls what follows the head from the first peer that has it.
func (n *Node) catchUp(ctx context.Context, e round.CatchUp) {
	req := &murmurv1.SyncRequest{}
	for _, id := range e.Have {
		req.Have = append(req.Have, id[:])
	}
	for _, peer := range n.net.Nearest(e.Sources) {
		res, err := n.ask(ctx, peer, req)
		if err != nil {
			continue
		}
		news, err := n.takeCommits(ctx, peer, res)
		if err == nil && news {
			break
		}
		n.log.Debug("Catching up came to nothing", "peer", peer.Short(), "error", err)
	}
	n.post(ctx, round.CaughtUp{Target: e.Target})
}

// takeCommits passes on a branch: what follows commits that are held, or one
// from a snapshot height on. It tells whether any of it was not known before.
func (n *Node) takeCommits(ctx context.Context, from proto.PeerID, res *murmurv1.SyncResponse) (news bool, err error) {
	var branch []round.Commit
	var updates []round.Update
	for _, w := range res.Commits {
		_, known := n.book.Load().Commit(proto.Sum(w.Content))
		c, us, fresh, err := n.book.Load().AddCommit(w)
		if err != nil {
			return news, err
		}
		news = news || !known
		n.admit(fresh)
		branch, updates = append(branch, c), append(updates, us...)
	}
	switch g := n.book.Load().Genesis; {
	case len(branch) == 0:
	case !res.Snapshot:
		n.post(ctx, round.Pulled{Commits: branch, Updates: updates})
	case branch[0].Parent == g.ID:
		n.post(ctx, round.Foreign{Branch: append([]round.Commit{g}, branch...), Updates: updates})
	default:
		past, err := n.askPast(ctx, from, branch)
		if err != nil {
			return news, err
		}
		n.post(ctx, round.Foreign{Branch: branch, Past: past, Updates: updates})
	}
	return news, nil
}

// askPast asks for the snapshot heights between a branch and this node's checkpoint, where it has
// one that lies below the branch.
func (n *Node) askPast(ctx context.Context, peer proto.PeerID, branch []round.Commit) (past []round.Commit, err error) {
	for lowest := branch[0]; lowest.Height > n.checkpoint.Height && n.checkpoint.Height > 0 && len(past) < chain.MaxPast; {
		res, err := n.ask(ctx, peer, &murmurv1.SyncRequest{Past: &murmurv1.SyncRequest_Past{From: lowest.Skip[:], Height: n.checkpoint.Height}})
		if err != nil {
			return nil, err
		}
		if len(res.Past) == 0 {
			n.log.Warn("A peer does not hold what joins its branch to this node's checkpoint; a newer link may be needed", "peer", peer.Short(), "checkpoint", n.checkpoint.Height, "from", lowest.Height)
			return past, nil
		}
		for _, b := range res.Past {
			c, err := chain.ReadContent(n.swarm, b)
			if err != nil || c.ID != lowest.Skip || c.Height >= lowest.Height {
				return nil, fmt.Errorf("what peer %s says lies below its branch does not hang together", peer.Short())
			}
			past, lowest = append(past, c), c
		}
	}
	return past, nil
}

// enter pulls the state of a snapshot height, from many peers at once.
func (n *Node) enter(ctx context.Context, e round.Enter) {
	c := e.Commit
	if c.ID == n.book.Load().Genesis.ID {
		n.post(ctx, round.Landed{Commit: c})
		return
	}
	n.diary.Add(event.Chain, c.Height, fmt.Sprintf("fetching the snapshot of round %d", c.Height))
	size := stateSize(n.method)
	limited, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	err := n.net.Fetch(limited, p2p.Fetch{ID: c.Root, Size: size, MaxSize: size, Path: n.store.StatePath(c.Root), Sources: e.Sources})
	if err == nil {
		err = n.keepBranch(c)
	}
	if err != nil {
		n.store.MakeRoom(err) // for the next try
		n.log.Warn("Snapshot did not come", "height", c.Height, "error", err)
		n.post(ctx, round.NotLanded{Commit: c.ID})
		return
	}
	n.post(ctx, round.Landed{Commit: c})
	n.keepPast(ctx, c, e.Sources)
}

// keepPast gets the snapshot heights below one that this node came in by: others who join by an
// older checkpoint ask for them when all are gone who were there.
func (n *Node) keepPast(ctx context.Context, lowest round.Commit, sources []proto.PeerID) {
	book := n.book.Load()
	for _, peer := range n.net.Nearest(sources) {
		for kept := 0; kept < chain.MaxPast && lowest.Height > 0 && lowest.Skip != book.Genesis.ID; {
			res, err := n.ask(ctx, peer, &murmurv1.SyncRequest{Past: &murmurv1.SyncRequest_Past{From: lowest.Skip[:]}})
			if err != nil || len(res.Past) == 0 {
				break
			}
			if lowest, err = book.AddPast(lowest, res.Past); err != nil {
				n.log.Debug("Snapshot heights below the one entered do not come", "peer", peer.Short(), "error", err)
				break
			}
			kept += len(res.Past)
		}
	}
}

// keepBranch puts a commit on disk after those below it that are not there: their
// states were skipped, but the branch must be known after a restart. The lowest
// goes first, so that a crash leaves no hole.
func (n *Node) keepBranch(c round.Commit) error {
	book := n.book.Load()
	var path []proto.ID
	for known := true; known && c.Height > 0 && n.store.Commit(c.ID) == nil; c, known = book.Commit(c.Parent) {
		path = append(path, c.ID)
	}
	for _, id := range slices.Backward(path) {
		if err := book.Save(id); err != nil {
			return err
		}
	}
	return nil
}

// askUpdates asks a few peers for this round's updates.
func (n *Node) askUpdates(ctx context.Context, e round.AskUpdates) {
	for i, peer := range n.net.Nearest(e.Sources) {
		if i == askPeers {
			return
		}
		res, err := n.ask(ctx, peer, &murmurv1.SyncRequest{UpdatesFor: e.Parent[:]})
		if err != nil {
			continue
		}
		n.takeUpdates(ctx, res.Updates)
	}
}

func (n *Node) takeUpdates(ctx context.Context, es []*murmurv1.Envelope) {
	for _, env := range es {
		if u, err := wire.OpenUpdate(n.swarm, env); err == nil {
			n.post(ctx, round.Seen{Update: n.book.Load().AddUpdate(u)})
		}
	}
}

// settle asks the first peers for this node's own newest update, so that a disk
// that forgot it does not sign a second one.
func (n *Node) settle(ctx context.Context) {
	asked := map[proto.PeerID]bool{}
	const recheck = 250 * time.Millisecond
	for len(asked) < askPeers {
		before := len(asked)
		for _, peer := range n.net.Connected() {
			if asked[peer] || len(asked) == askPeers {
				continue
			}
			if res, err := n.ask(ctx, peer, &murmurv1.SyncRequest{Author: []byte(n.self)}); err == nil {
				n.takeUpdates(ctx, res.Updates)
				asked[peer] = true
			}
		}
		if len(asked) > before {
			n.post(ctx, round.Settled{}) // all who are here now have been asked
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(recheck):
		}
	}
}

func (n *Node) askManifest(ctx context.Context, peer proto.PeerID) []byte {
	res, err := n.ask(ctx, peer, &murmurv1.SyncRequest{Manifest: true})
	if err != nil || len(res.Manifest) > proto.MaxManifest || proto.Sum(res.Manifest) != n.swarm {
		return nil
	}
	return res.Manifest
}

func (n *Node) ask(ctx context.Context, peer proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	res, err := n.net.Request(ctx, peer, req)
	if err != nil {
		n.log.Debug("Peer did not answer", "peer", peer.Short(), "error", err)
	}
	return res, err
}

func (n *Node) announceUpdate(ctx context.Context, id proto.ID) {
	if e := n.book.Load().Envelope(id); e != nil {
		n.said(n.net.PublishUpdate(ctx, e))
	}
}

func (n *Node) announce(ctx context.Context, id proto.ID) {
	if e := n.book.Load().Announcement(id); e != nil {
		n.said(n.net.PublishAnnounce(ctx, e))
	}
}

// say runs an announcement beside the transfers, which must never hold it up.
func (n *Node) say(ctx context.Context, f func(context.Context)) {
	n.group.Go(func() {
		limited, cancel := context.WithTimeout(ctx, sayLimit)
		defer cancel()
		f(limited)
	})
}

// beat publishes a heartbeat.
func (n *Node) beat(ctx context.Context) { n.said(n.net.PublishHeartbeat(ctx, n.view.heartbeat(n))) }

func (n *Node) said(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		n.log.Warn("Announcement did not leave this node", "error", err)
	}
}

// listen turns gossip into events.
func (n *Node) listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-n.net.Messages():
			if !ok {
				return
			}
			n.hear(ctx, m)
		}
	}
}

func (n *Node) hear(ctx context.Context, m p2p.Message) {
	switch {
	case m.Author == n.self:
	case m.Update != nil:
		n.post(ctx, round.Seen{Update: n.book.Load().AddUpdate(*m.Update)})
	case m.Announce != nil:
		a := m.Announce
		n.post(ctx, round.Announced{Commit: a.Commit, Parent: a.Parent, Height: a.Height, View: a.View, Closer: a.Closer})
	case m.Heartbeat != nil:
		h := m.Heartbeat
		head, err := proto.IDFrom(h.Head)
		if err != nil {
			return
		}
		n.view.heard(m.Author, h, time.Now())
		n.told(api.Heldout{Height: h.HeldoutHeight, Loss: h.HeldoutLoss, By: m.Author})
		n.post(ctx, round.Heartbeat{
			From: m.Author, Head: head, Height: h.Height, Tokens: h.Tokens, Rate: h.Rate, Paused: h.Paused, Done: h.Done,
			Leaving:  h.State == string(policy.Leaving),
			Interval: time.Duration(h.IntervalMs) * time.Millisecond,
		})
	}
}
