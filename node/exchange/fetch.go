package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// fetch pulls an update's payload and says whether it decodes.
func (x *Exchange) fetch(ctx context.Context, e round.Fetch) {
	id := e.Update.Payload
	// A source that sends slowly holds a place no longer than this limit. The next try goes
	// on from the leaves that are on disk.
	limited, cancel := context.WithTimeout(ctx, fetchFloor+2*time.Duration(x.p.Manifest.Rounds.GraceMS)*time.Millisecond)
	defer cancel()
	p, err := x.p.Store.Payload(id, e.Update.Author)
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
		p, err = x.p.Store.Payload(id, e.Update.Author)
	}
	decodes := err == nil && p.Size() == e.Update.Size && x.p.Decodes(e.Update.Height, p.Bytes) // who has it must find what who fetches it does
	if err == nil {
		err = p.Close()
	}
	of := e.Update.Use()
	switch {
	case errors.Is(err, chain.ErrOthers):
		x.p.Status.Flag(e.Update.Author, fmt.Sprintf("its update for round %d is a copy of another's", e.Update.Height))
		x.p.Post(ctx, round.Unfit{Use: of})
	case err != nil:
		x.p.Post(ctx, round.Missed{Payload: id})
	case !decodes:
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

// enter pulls the state of a snapshot height, from many peers at once.
func (x *Exchange) enter(ctx context.Context, e round.Enter) {
	c := e.Commit
	if c.ID == x.p.Book.Genesis.ID {
		x.p.Post(ctx, round.Landed{Commit: c})
		return
	}
	x.p.Diary.Add(event.Chain, c.Height, fmt.Sprintf("fetching the snapshot of round %d", c.Height))
	size := x.p.StateSize
	limited, cancel := context.WithTimeout(ctx, fetchLimit+time.Duration(size/slowest)*time.Second)
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
