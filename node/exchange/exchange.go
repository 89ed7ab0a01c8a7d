// Package exchange asks peers for what the round machine wants, tells them what it says, and answers them.
//
// It guarantees that what it posts was checked as far as that needs no knowledge of the chain, that fetches and questions are
// bounded each, and that an announcement waits for neither. It must not know how rounds are decided nor how vectors are applied.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/gossip"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

const (
	askLimit   = 10 * time.Second // limit of one question to one peer
	fetchFloor = 30 * time.Second // limit of one payload's fetch, beside twice the grace
	fetchLimit = 10 * time.Minute // limit of one state's fetch
	sayLimit   = 2 * time.Second  // limit of one announcement
	nextSource = 2 * time.Second  // pause before another peer is asked for the same commit as well
	askPeers   = 3                // most peers that are asked one question
	// The most fetches and questions under way at once.
	maxFetches   = round.MaxFetching
	maxQuestions = 64 // a third of many voters can leave three each open for askLimit
)

// Params say what an Exchange works with.
type Params struct {
	Self       proto.PeerID
	Swarm      proto.ID
	Manifest   manifest.Manifest
	Checkpoint round.Checkpoint // commit of the join link, which a branch must have
	StateSize  uint64           // bytes of a snapshot
	Net        *p2p.Network
	Store      *chain.Store
	Book       *chain.Book
	Status     *status.Board
	Diary      *event.Log
	Log        *slog.Logger

	Post    func(context.Context, round.Event)       // gives an event to the owner of the round machine
	Decodes func(height uint64, payload []byte) bool // tells whether a payload is one of the method's
	Admit   func([]wire.Update)                      // admits authors by the proofs in their updates
	Told    func(api.Heldout)                        // takes a held-out loss that a peer measured
}

// Validate says what is missing.
func (p Params) Validate() error {
	switch {
	case p.Net == nil || p.Store == nil || p.Book == nil || p.Status == nil || p.Diary == nil || p.Log == nil:
		return errors.New("exchange: no network, store, book, status, diary or log")
	case p.Post == nil || p.Decodes == nil || p.Admit == nil || p.Told == nil:
		return errors.New("exchange: a callback is missing")
	}
	return nil
}

// Exchange is what one node asks of its peers and tells them.
type Exchange struct {
	p         Params
	fetches   chan struct{} // one token for each fetch under way
	questions chan struct{} // one token for each question under way
	group     sync.WaitGroup
}

// New returns an exchange that does nothing before it is asked.
func New(p Params) (*Exchange, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Exchange{p: p, fetches: make(chan struct{}, maxFetches), questions: make(chan struct{}, maxQuestions)}, nil
}

// Wait waits until all that was asked for has ended. The contexts of those calls must have ended before.
func (x *Exchange) Wait() { x.group.Wait() }

// Fetch has an update's payload fetched.
func (x *Exchange) Fetch(ctx context.Context, e round.Fetch) {
	x.transfer(ctx, x.fetches, func(ctx context.Context) { x.fetch(ctx, e) })
}

// Enter has the state of a snapshot height fetched.
func (x *Exchange) Enter(ctx context.Context, e round.Enter) {
	x.transfer(ctx, x.fetches, func(ctx context.Context) { x.enter(ctx, e) })
}

// Pull asks for a commit's body.
func (x *Exchange) Pull(ctx context.Context, e round.Pull) {
	x.transfer(ctx, x.questions, func(ctx context.Context) {
		if !x.body(ctx, e) {
			x.p.Post(ctx, round.PullFailed{Commit: e.Commit})
		}
	})
}

// PullAgain asks the connected peers for the body of a commit that had to make room here: nobody is told if it does not come.
func (x *Exchange) PullAgain(ctx context.Context, id proto.ID) {
	x.transfer(ctx, x.questions, func(ctx context.Context) { x.body(ctx, round.Pull{Commit: id, Sources: x.p.Net.Connected()}) })
}

// CatchUp asks for a branch.
func (x *Exchange) CatchUp(ctx context.Context, e round.CatchUp) {
	x.transfer(ctx, x.questions, func(ctx context.Context) { x.catchUp(ctx, e) })
}

// AskUpdates asks for a round's updates.
func (x *Exchange) AskUpdates(ctx context.Context, e round.AskUpdates) {
	x.transfer(ctx, x.questions, func(ctx context.Context) { x.askUpdates(ctx, e) })
}

// AnnounceUpdate tells the swarm of an update.
func (x *Exchange) AnnounceUpdate(ctx context.Context, id proto.ID) {
	x.say(ctx, func(ctx context.Context) { x.announceUpdate(ctx, id) })
}

// Announce tells the swarm of a commit.
func (x *Exchange) Announce(ctx context.Context, id proto.ID) {
	x.say(ctx, func(ctx context.Context) { x.announce(ctx, id) })
}

// Beat tells the swarm that this node is there.
func (x *Exchange) Beat(ctx context.Context) { x.say(ctx, x.beat) }

// BeatNow tells the swarm that this node is there, and returns when that is sent.
func (x *Exchange) BeatNow(ctx context.Context) { x.beat(ctx) }

// Refetch gets a payload that this disk has lost from the peers that are connected.
func (x *Exchange) Refetch(ctx context.Context, id proto.ID, size uint64) error {
	return x.p.Net.Fetch(ctx, blob.Fetch{ID: id, Size: size, MaxSize: size, Path: x.p.Store.PayloadPath(id), Sources: x.p.Net.Connected()})
}

// transfer runs something that waits for the network, with a bounded number of its kind.
func (x *Exchange) transfer(ctx context.Context, places chan struct{}, f func(context.Context)) {
	x.group.Go(func() {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			f(ctx)
		case <-ctx.Done():
		}
	})
}

// say runs an announcement beside the transfers, which must never hold it up.
func (x *Exchange) say(ctx context.Context, f func(context.Context)) {
	x.group.Go(func() {
		limited, cancel := context.WithTimeout(ctx, sayLimit)
		defer cancel()
		f(limited)
	})
}

// fetch pulls an update's payload and says whether it decodes.
func (x *Exchange) fetch(ctx context.Context, e round.Fetch) {
	id := e.Update.Payload
	// A source that sends slowly holds a place no longer than this limit. The next try goes
	// on from the leaves that are on disk.
	limited, cancel := context.WithTimeout(ctx, fetchFloor+2*time.Duration(x.p.Manifest.Rounds.GraceMS)*time.Millisecond)
	defer cancel()
	b, err := x.p.Store.Payload(id, e.Update.Author)
	if err != nil && !errors.Is(err, chain.ErrOthers) {
		err = x.p.Net.Fetch(limited, blob.Fetch{
			ID: id, Size: e.Update.Size, MaxSize: e.Update.Size, Path: x.p.Store.PayloadPath(id), Sources: e.Sources,
		})
		if err != nil {
			x.p.Store.MakeRoom(err) // for the next try
			x.p.Log.Debug("Payload did not come", "payload", id.Short(), "author", e.Update.Author.Short(), "error", err)
			x.p.Post(ctx, round.Missed{Payload: id})
			return
		}
		b, err = x.p.Store.Payload(id, e.Update.Author)
	}
	of := round.Use{Payload: id, Height: e.Update.Height, Author: e.Update.Author}
	switch {
	case errors.Is(err, chain.ErrOthers):
		x.p.Status.Flag(e.Update.Author, fmt.Sprintf("its update for round %d is a copy of another's", e.Update.Height))
		x.p.Post(ctx, round.Unfit{Use: of})
	case err != nil:
		x.p.Post(ctx, round.Missed{Payload: id})
	case !x.p.Decodes(e.Update.Height, b):
		if e.Shared {
			x.p.Log.Debug("An update names a payload of another round's", "payload", id.Short(), "author", e.Update.Author.Short())
		} else if err := os.Remove(x.p.Store.PayloadPath(id)); err != nil { // or it would count as held after a restart
			x.p.Log.Warn("A payload that does not decode stays on disk", "payload", id.Short(), "error", err)
		}
		x.p.Status.Flag(e.Update.Author, fmt.Sprintf("its update for round %d does not decode", e.Update.Height))
		x.p.Diary.Add(event.Peer, e.Update.Height, fmt.Sprintf("%s sent an update that does not decode; it is left out", e.Update.Author.Short()))
		x.p.Post(ctx, round.Unfit{Use: of})
	default:
		x.p.Post(ctx, round.Held{Use: of})
	}
}

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
	var branch []round.Commit
	var updates []round.Update
	for _, w := range res.Commits {
		_, known := x.p.Book.Commit(proto.Sum(w.Content))
		c, us, fresh, err := x.p.Book.AddCommit(w)
		if err != nil {
			return news, err
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
			c, err := chain.ReadContent(x.p.Swarm, b)
			if err != nil || c.ID != lowest.Skip || c.Height >= lowest.Height {
				return nil, fmt.Errorf("what peer %s says lies below its branch does not hang together", peer.Short())
			}
			past, lowest = append(past, c), c
		}
	}
	return past, nil
}

// enter pulls the state of a snapshot height, from many peers at once.
func (x *Exchange) enter(ctx context.Context, e round.Enter) {
	c := e.Commit
	if c.ID == x.p.Book.Genesis.ID {
		x.p.Post(ctx, round.Landed{Commit: c})
		return
	}
	x.p.Diary.Add(event.Chain, c.Height, fmt.Sprintf("fetching the snapshot of round %d", c.Height))
	size := x.p.StateSize
	limited, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	err := x.p.Net.Fetch(limited, blob.Fetch{ID: c.Root, Size: size, MaxSize: size, Path: x.p.Store.StatePath(c.Root), Sources: e.Sources})
	if err == nil {
		err = x.keepBranch(c)
	}
	if err != nil {
		x.p.Store.MakeRoom(err) // for the next try
		x.p.Log.Warn("Snapshot did not come", "height", c.Height, "error", err)
		x.p.Post(ctx, round.NotLanded{Commit: c.ID})
		return
	}
	x.p.Post(ctx, round.Landed{Commit: c})
	x.keepPast(ctx, c, e.Sources)
}

// keepPast gets the snapshot heights below one that this node came in by: others who join by an
// older checkpoint ask for them when all are gone who were there.
func (x *Exchange) keepPast(ctx context.Context, lowest round.Commit, sources []proto.PeerID) {
	book := x.p.Book
	for _, peer := range x.p.Net.Nearest(sources) {
		for kept := 0; kept < chain.MaxPast && lowest.Height > 0 && lowest.Skip != book.Genesis.ID; {
			res, err := x.ask(ctx, peer, &murmurv1.SyncRequest{Past: &murmurv1.SyncRequest_Past{From: lowest.Skip[:]}})
			if err != nil || len(res.Past) == 0 {
				break
			}
			if lowest, err = book.AddPast(lowest, res.Past); err != nil {
				x.p.Log.Debug("Snapshot heights below the one entered do not come", "peer", peer.Short(), "error", err)
				break
			}
			kept += len(res.Past)
		}
	}
}

// keepBranch puts a commit on disk after those below it that are not there: their
// states were skipped, but the branch must be known after a restart. The lowest
// goes first, so that a crash leaves no hole.
func (x *Exchange) keepBranch(c round.Commit) error {
	book := x.p.Book
	var path []proto.ID
	for known := true; known && c.Height > 0 && x.p.Store.Commit(c.ID) == nil; c, known = book.Commit(c.Parent) {
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
func (x *Exchange) askUpdates(ctx context.Context, e round.AskUpdates) {
	for i, peer := range x.p.Net.Nearest(e.Sources) {
		if i == askPeers {
			return
		}
		res, err := x.ask(ctx, peer, &murmurv1.SyncRequest{UpdatesFor: e.Parent[:]})
		if err != nil {
			continue
		}
		x.takeUpdates(ctx, res.Updates)
	}
}

func (x *Exchange) takeUpdates(ctx context.Context, es []*murmurv1.Envelope) {
	for _, env := range es {
		if u, err := wire.OpenUpdate(x.p.Swarm, env); err == nil {
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
				x.takeUpdates(ctx, res.Updates)
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

func (x *Exchange) announceUpdate(ctx context.Context, id proto.ID) {
	if e := x.p.Book.Envelope(id); e != nil {
		x.said(x.p.Net.PublishUpdate(ctx, e))
	}
}

func (x *Exchange) announce(ctx context.Context, id proto.ID) {
	if e := x.p.Book.Announcement(id); e != nil {
		x.said(x.p.Net.PublishAnnounce(ctx, e))
	}
}

func (x *Exchange) beat(ctx context.Context) {
	x.said(x.p.Net.PublishHeartbeat(ctx, x.p.Status.Heartbeat(time.Now())))
}

func (x *Exchange) said(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		x.p.Log.Warn("Announcement did not leave this node", "error", err)
	}
}

// Listen turns gossip into events until ctx ends.
func (x *Exchange) Listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-x.p.Net.Messages():
			if !ok {
				return
			}
			x.hear(ctx, m)
		}
	}
}

func (x *Exchange) hear(ctx context.Context, m gossip.Message) {
	switch {
	case m.Author == x.p.Self:
	case m.Update != nil:
		x.p.Post(ctx, round.Seen{Update: x.p.Book.AddUpdate(*m.Update)})
	case m.Announce != nil:
		a := m.Announce
		x.p.Post(ctx, round.Announced{Commit: a.Commit, Parent: a.Parent, Height: a.Height, View: a.View, Closer: a.Closer})
	case m.Heartbeat != nil:
		h := m.Heartbeat
		head, err := proto.IDFrom(h.Head)
		if err != nil {
			return
		}
		x.p.Status.Heard(m.Author, h, time.Now())
		x.p.Told(api.Heldout{Height: h.HeldoutHeight, Loss: h.HeldoutLoss, By: m.Author})
		x.p.Post(ctx, round.Heartbeat{
			From: m.Author, Head: head, Height: h.Height, Tokens: h.Tokens, Rate: h.Rate, Paused: h.Paused, Done: h.Done,
			Leaving:  h.State == string(policy.Leaving),
			Interval: time.Duration(h.IntervalMs) * time.Millisecond,
		})
	}
}
