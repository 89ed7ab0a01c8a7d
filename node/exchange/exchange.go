// Package exchange asks peers for what the round machine wants, tells them what it says, and answers them.
//
// It guarantees that what it posts was checked as far as that needs no knowledge of the chain, that fetches and questions are
// bounded each, and that an announcement waits for neither. It must not know how rounds are decided nor how vectors are applied.
package exchange

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/wire"
)

const (
	askLimit   = 10 * time.Second // limit of one question to one peer
	fetchFloor = 30 * time.Second // limit of one payload's fetch, beside twice the grace
	fetchLimit = 10 * time.Minute // limit of one file's fetch, after which it goes on with what came
	slowest    = 128 << 10        // bytes a second of a line on which a state still comes in one go; the next try may be for a newer one
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
