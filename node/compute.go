package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
)

// build makes a commit.
func (h *hand) build(ctx context.Context, e round.Build) {
	c, err := h.commit(ctx, e)
	if err != nil {
		h.n.trouble("building a commit", err)
		h.n.post(ctx, round.Unbuilt{Parent: e.Draft.Parent})
		return
	}
	h.n.post(ctx, round.Built{Commit: c})
}

func (h *hand) commit(ctx context.Context, e round.Build) (round.Commit, error) {
	parent, ok := h.book.Commit(e.Draft.Parent)
	if !ok {
		return e.Draft, errors.New("its parent is not held")
	}
	err := h.refetching(ctx, func() (err error) {
		e.Draft.Root, err = h.rep.Compute(parent, e.Updates)
		return err
	})
	if err != nil {
		return e.Draft, err
	}
	return h.book.Write(h.n.key, e.Draft)
}

// verify compares a commit's root with what its updates give here.
func (h *hand) verify(ctx context.Context, e round.Verify) {
	parent, ok := h.book.Commit(e.Commit.Parent)
	var root proto.ID
	err := h.refetching(ctx, func() (err error) {
		if !ok {
			return errors.New("its parent is not held")
		}
		root, err = h.rep.Compute(parent, e.Updates)
		return err
	})
	switch {
	case err != nil:
	case root != e.Commit.Root:
		h.n.diary.Add(event.Chain, e.Commit.Height, fmt.Sprintf("refused a commit of %s: its state is not what its updates give", h.n.name(e.Commit.Closer)))
	default:
		err = h.book.Save(e.Commit.ID)
	}
	if errors.Is(err, chain.ErrForgotten) { // others had its place: it is here again for the next try
		h.n.transfer(ctx, h.n.questions, func(ctx context.Context) {
			h.n.pull(ctx, round.Pull{Commit: e.Commit.ID, Sources: h.n.net.Connected()})
		})
	}
	if err != nil {
		h.n.trouble("checking a commit", err)
		h.n.post(ctx, round.Unverified{Commit: e.Commit.ID})
		return
	}
	h.n.post(ctx, round.Verified{Commit: e.Commit.ID, OK: root == e.Commit.Root})
}

// rebase forgets what lies below the base, but for the states of snapshots.
func (h *hand) rebase(base round.Commit) {
	every := uint64(h.n.manifest.Rounds.SnapshotEvery)
	states := map[proto.ID]bool{base.Root: true}
	for _, c := range h.book.Above(base.Height) {
		if c.Height%every == 0 {
			states[c.Root] = true
		}
	}
	if err := h.carry(base); err != nil {
		h.n.trouble("carrying along what was learned", err)
	}
	// What is dropped must never be needed to compute the base's state.
	err := h.rep.Keep(base)
	if err == nil {
		err = h.book.Rebase(base, states)
	}
	if err != nil {
		h.n.trouble("tidying the disk", err)
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
func (h *hand) refetching(ctx context.Context, task func() error) error {
	for range refetchTries {
		err := task()
		var lost *replica.LostError
		if !errors.As(err, &lost) {
			return err
		}
		h.n.diary.Add(event.Chain, 0, lost.Error()+"; fetching it again")
		size := lost.Size
		limited, cancel := context.WithTimeout(ctx, refetchLimit)
		err = h.n.net.Fetch(limited, p2p.Fetch{
			ID: lost.Payload, Size: size, MaxSize: size, Path: h.n.store.PayloadPath(lost.Payload), Sources: h.n.net.Connected(),
		})
		cancel()
		if err != nil {
			return fmt.Errorf("%w; fetching it again: %w", lost, err)
		}
	}
	return errors.New("payloads on this disk are damaged again and again; check the disk")
}
