package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// build makes a commit.
func (x *Executor) build(ctx context.Context, e round.Build) {
	c, err := x.commit(ctx, e)
	if err != nil {
		x.trouble("building a commit", err)
		var lost chain.LostError
		errors.As(err, &lost)
		x.p.Post(ctx, round.Unbuilt{Parent: e.Draft.Parent, Lost: lost})
		return
	}
	x.p.Post(ctx, round.Built{Commit: c})
}

func (x *Executor) commit(ctx context.Context, e round.Build) (round.Commit, error) {
	parent, ok := x.book.Commit(e.Draft.Parent)
	if !ok {
		return e.Draft, errors.New("its parent is not held")
	}
	err := x.book.Listable(e.Draft.Updates)
	if err != nil {
		return e.Draft, err // before a state is computed in vain, for each newcomer that made room
	}
	err = x.refetching(ctx, func() (err error) {
		e.Draft.Root, err = x.rep.Compute(parent, e.Updates)
		return err
	})
	if err != nil {
		return e.Draft, err
	}
	return x.book.Write(x.p.Key, e.Draft)
}

// verify compares a commit's root with what its updates give here.
func (x *Executor) verify(ctx context.Context, e round.Verify) {
	parent, ok := x.book.Commit(e.Commit.Parent)
	var root proto.ID
	err := x.refetching(ctx, func() (err error) {
		if !ok {
			return errors.New("its parent is not held")
		}
		root, err = x.rep.Compute(parent, e.Updates)
		return err
	})
	switch {
	case err != nil:
	case root != e.Commit.Root:
		x.p.Diary.Add(event.Chain, e.Commit.Height, fmt.Sprintf("refused a commit of %s: its state is not what its updates give", e.Commit.Closer.Short()))
	default:
		err = x.book.Save(e.Commit.ID)
	}
	if errors.Is(err, chain.ErrForgotten) { // its body was dropped for others': ask for it before the next try
		x.p.Pull(ctx, e.Commit.ID)
	}
	if err != nil {
		x.trouble("checking a commit", err)
		x.p.Post(ctx, round.Unverified{Commit: e.Commit.ID})
		return
	}
	x.p.Post(ctx, round.Verified{Commit: e.Commit.ID, OK: root == e.Commit.Root})
}

// rebase forgets what lies below the base, but for the states of snapshots.
func (x *Executor) rebase(base round.Commit, known []proto.PeerID) {
	every := uint64(x.p.Manifest.Rounds.SnapshotEvery)
	states := map[proto.ID]bool{base.Root: true}
	for _, c := range x.book.Above(base.Height) {
		if c.Height%every == 0 {
			states[c.Root] = true
		}
	}
	if err := x.carry(base); err != nil {
		x.trouble("carrying along what was learned", err)
	}
	// What is dropped must never be needed to compute the base's state.
	err := x.rep.Keep(base)
	if err == nil {
		err = errors.Join(x.p.Store.PutKnown(known), x.book.Rebase(base, states))
	}
	if err != nil {
		x.trouble("tidying the disk", err)
	}
}

// One task asks peers for damaged payloads so often and so long at most: all
// other work on vectors waits meanwhile.
const (
	refetchTries = 4
	refetchLimit = 30 * time.Second
)

// refetching repeats a task whose payloads turn out to be damaged on this disk,
// after fetching them from peers.
func (x *Executor) refetching(ctx context.Context, task func() error) error {
	for range refetchTries {
		err := task()
		var lost *replica.LostError
		if !errors.As(err, &lost) {
			return err
		}
		x.p.Diary.Add(event.Chain, 0, lost.Error()+"; fetching it again")
		limited, cancel := context.WithTimeout(ctx, refetchLimit)
		err = x.p.Refetch(limited, *lost)
		cancel()
		if err != nil {
			return fmt.Errorf("%w; fetching it again: %w", lost, err)
		}
	}
	return errors.New("payloads on this disk are damaged again and again; check the disk")
}
