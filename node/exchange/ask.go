package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// body asks for a commit's body, and tells whether it came: the nearest source, and as long as none has it, one more every nextSource.
func (x *Exchange) body(ctx context.Context, e round.Pull) bool {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	sources := x.p.Net.Nearest(e.Sources)
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
			asking.Go(func() { answers <- x.bodyOf(limited, peer, e.Commit) })
			more.Reset(nextSource)
		case w := <-answers:
			if left--; w == nil {
				more.Reset(0)
				continue
			}
			if c, us, news, err := x.p.Book.AddCommit(w); err == nil && c.ID == e.Commit {
				x.p.Admit(news)
				x.p.Post(ctx, round.Pulled{Commits: []round.Commit{c}, Updates: us})
				return true
			}
			more.Reset(0)
		case <-limited.Done():
			left = 0
		}
	}
	return false
}

// bodyOf asks one peer for a commit's body; nil: it has none.
func (x *Exchange) bodyOf(ctx context.Context, peer proto.PeerID, id proto.ID) *murmurv1.Commit {
	res, err := x.ask(ctx, peer, &murmurv1.SyncRequest{Commits: [][]byte{id[:]}})
	if err != nil || len(res.Commits) == 0 {
		return nil
	}
	return res.Commits[0]
}

// catchUp pulls what follows the head from the first peer that has it.
func (x *Exchange) catchUp(ctx context.Context, e round.CatchUp) {
	req := &murmurv1.SyncRequest{}
	for _, id := range e.Have {
		req.Have = append(req.Have, id[:])
	}
	for _, peer := range x.p.Net.Nearest(e.Sources) {
		res, err := x.ask(ctx, peer, req)
		if err != nil {
			continue
		}
		news, err := x.takeCommits(ctx, peer, res)
		if err == nil && news {
			break
		}
		x.p.Log.Debug("Catching up came to nothing", "peer", peer.Short(), "error", err)
	}
	x.p.Post(ctx, round.CaughtUp{Target: e.Target})
}

// takeCommits passes on a branch: what follows commits that are held, or one
// from a snapshot height on. It tells whether any of it was not known before.
func (x *Exchange) takeCommits(ctx context.Context, from proto.PeerID, res *murmurv1.SyncResponse) (news bool, err error) {
	if len(res.Commits) > maxAnswered+1 { // with the snapshot that they follow
		return false, fmt.Errorf("an answer of %d commits, at most %d are given", len(res.Commits), maxAnswered+1)
	}
	var branch []round.Commit
	var updates []round.Update
	notices := map[proto.ID]bool{}
	for _, w := range res.Commits {
		_, known := x.p.Book.Commit(proto.Sum(w.Content))
		c, us, fresh, err := x.p.Book.AddCommit(w)
		if err != nil {
			return news, err
		}
		for _, n := range c.Notices {
			notices[n.ID] = true
		}
		if len(notices) > proto.MaxNotices { // the last commit of a branch carries all
			return news, errors.New("the commits of an answer carry more notices than one may")
		}
		news = news || !known
		x.p.Admit(fresh)
		branch, updates = append(branch, c), append(updates, us...)
	}
	switch g := x.p.Book.Genesis; {
	case len(branch) == 0:
	case !res.Snapshot:
		x.p.Post(ctx, round.Pulled{Commits: branch, Updates: updates})
	case branch[0].Parent == g.ID:
		x.p.Post(ctx, round.Foreign{Branch: append([]round.Commit{g}, branch...), Updates: updates})
	default:
		past, err := x.askPast(ctx, from, branch)
		if err != nil {
			return news, err
		}
		x.p.Post(ctx, round.Foreign{Branch: branch, Past: past, Updates: updates})
	}
	return news, nil
}

// askPast asks for the snapshot heights between a branch and this node's checkpoint, where it has
// one that lies below the branch.
func (x *Exchange) askPast(ctx context.Context, peer proto.PeerID, branch []round.Commit) (past []round.Commit, err error) {
	for lowest := branch[0]; lowest.Height > x.p.Checkpoint.Height && x.p.Checkpoint.Height > 0 && len(past) < chain.MaxPast; {
		res, err := x.ask(ctx, peer, &murmurv1.SyncRequest{Past: &murmurv1.SyncRequest_Past{From: lowest.Skip[:], Height: x.p.Checkpoint.Height}})
		if err != nil {
			return nil, err
		}
		if len(res.Past) == 0 {
			x.p.Log.Warn("A peer does not hold what joins its branch to this node's checkpoint; a newer link may be needed", "peer", peer.Short(), "checkpoint", x.p.Checkpoint.Height, "from", lowest.Height)
			return past, nil
		}
		for _, b := range res.Past {
			c, err := chain.ReadPast(x.p.Swarm, b)
			if err != nil || c.ID != lowest.Skip || c.Height >= lowest.Height {
				return nil, fmt.Errorf("what peer %s says lies below its branch does not hang together", peer.Short())
			}
			past, lowest = append(past, c), c
		}
	}
	return past, nil
}

// askUpdates asks a few peers for this round's updates.
func (x *Exchange) askUpdates(ctx context.Context, e round.AskUpdates) {
	for i, peer := range x.p.Net.Nearest(e.Sources) {
		if i == askPeers {
			return
		}
		res, err := x.ask(ctx, peer, &murmurv1.SyncRequest{UpdatesFor: e.Parent[:]})
		if err != nil {
			continue
		}
		x.takeUpdates(ctx, res.Updates, func(u wire.Update) bool { return u.Parent == e.Parent })
	}
}

// takeUpdates passes on what was asked for, and no more of it than is given: each costs a signature, and of strangers 0.4 ms of the loop.
func (x *Exchange) takeUpdates(ctx context.Context, es []*murmurv1.Envelope, asked func(wire.Update) bool) {
	for _, env := range es[:min(len(es), proto.MaxUpdates)] {
		if u, err := wire.OpenUpdate(x.p.Swarm, env); err == nil && asked(u) {
			x.p.Post(ctx, round.Seen{Update: x.p.Book.AddUpdate(u)})
		}
	}
}

// Settle asks the first peers for this node's own newest update, so that a disk
// that forgot it does not sign a second one.
func (x *Exchange) Settle(ctx context.Context) {
	asked := map[proto.PeerID]bool{}
	const recheck = 250 * time.Millisecond
	for len(asked) < askPeers {
		before := len(asked)
		for _, peer := range x.p.Net.Connected() {
			if asked[peer] || len(asked) == askPeers {
				continue
			}
			if res, err := x.ask(ctx, peer, &murmurv1.SyncRequest{Author: []byte(x.p.Self)}); err == nil {
				x.takeUpdates(ctx, res.Updates, func(u wire.Update) bool { return u.Author == x.p.Self })
				asked[peer] = true
			}
		}
		if len(asked) > before {
			x.p.Post(ctx, round.Settled{}) // all who are here now have been asked
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(recheck):
		}
	}
}

func (x *Exchange) ask(ctx context.Context, peer proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	res, err := x.p.Net.Request(ctx, peer, req)
	if err != nil {
		x.p.Log.Debug("Peer did not answer", "peer", peer.Short(), "error", err)
	}
	return res, err
}
