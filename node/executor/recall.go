package executor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// recalled is what the disk remembers of this node's learning, carried to the
// head: the saved residual d becomes d + Σ own z that the old branch had and the
// new one lacks − Σ own z the other way round.
type recalled struct {
	local      *chain.Local // nil: nothing was saved
	fresh      bool         // the residual starts at 0, the moments stay
	orphaned   bool         // the chain has forgotten the commit of the saved residual
	undo, redo []round.Update
	lacking    uint64
}

// restore returns how many tokens of the saved residual a head lacks. It numbers own updates
// on from the newest that the chain or the residual knows, since either may be lost.
func (x *Executor) restore(book *chain.Book, head round.Commit) (uint64, error) {
	r, err := x.recall(book, head)
	defer func() { _ = r.local.Close() }() // it was read alone
	if newest, ok := book.Newest(x.p.Self); ok {
		x.seq = newest.Seq
	}
	if r.local != nil {
		x.seq = max(x.seq, r.local.Seq)
	}
	return r.lacking, err
}

// recall opens what was saved; the caller closes it.
func (x *Executor) recall(book *chain.Book, head round.Commit) (r recalled, err error) {
	r.local, err = x.p.Store.Local()
	switch {
	case errors.Is(err, chain.ErrCorrupt):
		x.p.Diary.Add(event.Node, head.Height, "the saved local model is damaged; going on from the shared one")
		return recalled{}, nil
	case err != nil || r.local == nil:
		return r, err
	}
	covers := x.p.Store.Own()
	if u, ok := book.Newest(x.p.Self); ok && u.Seq > r.local.Seq && u.Parent == head.ID {
		// This update was published after the last save, and no commit lists it yet: its
		// payload is all that remains of what was learned.
		return recalled{local: r.local, fresh: true, undo: []round.Update{u}, lacking: covers[u.ID]}, nil
	}
	left, joined, ok := branches(book, r.local.Head, head.ID)
	if !ok {
		r.fresh, r.orphaned = true, true
		return r, nil
	}
	r.lacking = r.local.Lacking
	for _, c := range left {
		for _, u := range x.ownIn(c, covers) {
			r.undo = append(r.undo, u)
			r.lacking += covers[u.ID]
		}
	}
	slices.Reverse(joined) // they were found from the head down
	for _, c := range joined {
		if x.newerIn(c, r.local.Seq) {
			// The chain has more of this node than its disk: d starts at 0.
			return recalled{local: r.local, fresh: true}, nil
		}
		for _, u := range x.ownIn(c, covers) {
			r.redo = append(r.redo, u)
			r.lacking -= min(r.lacking, covers[u.ID])
		}
	}
	return r, nil
}

// fill writes θ_local for the head into the trainer's vectors, and the residual
// that is not in θ_local into own. It needs no room besides.
func (x *Executor) fill(r recalled, theta, m, v []float32) error {
	copy(theta, x.rep.Theta())
	x.own.Forget()
	if r.local == nil {
		return nil
	}
	saved, err := x.vectors(r.local.Bytes)
	if err != nil {
		return err
	}
	undo, done, err := x.rep.Own(r.undo)
	defer done()
	if err != nil {
		return err
	}
	redo, done, err := x.rep.Own(r.redo)
	defer done()
	if err != nil {
		return err
	}
	var d, buffer []float32
	if !r.fresh && saved.d != nil {
		d = m // which is read after it
		copy(replica.Bytes(d), saved.d)
	}
	if !r.fresh && saved.buffer != nil {
		buffer = x.own.Buffer()
		copy(replica.Bytes(buffer), saved.buffer)
	}
	if err := x.own.Resume(theta, d, buffer, undo, redo); err != nil {
		return err
	}
	if saved.m != nil {
		copy(replica.Bytes(m), saved.m)
		copy(replica.Bytes(v), saved.v)
	}
	return nil
}

// saved are the vectors of the local state on disk; nil where the method has none.
type saved struct{ d, m, v, buffer []byte }

// vectors takes the local state apart, as save puts it together.
func (x *Executor) vectors(b []byte) (s saved, err error) {
	var parts []*[]byte
	if !x.learning.Gradients {
		parts = append(parts, &s.d, &s.m, &s.v)
	}
	if x.own.Buffer() != nil {
		parts = append(parts, &s.buffer)
	}
	size := 4 * len(x.rep.Theta())
	if len(b) != len(parts)*size {
		return s, fmt.Errorf("the saved local model has %d bytes, want %d", len(b), len(parts)*size)
	}
	for i, part := range parts {
		*part = b[i*size:][:size]
	}
	return s, nil
}

// branches lists the commits only on x's branch and only on y's; ok is false
// where no common commit is held.
func branches(book *chain.Book, x, y proto.ID) (onX, onY []round.Commit, ok bool) {
	a, okA := book.Commit(x)
	b, okB := book.Commit(y)
	for okA && okB && a.ID != b.ID {
		if a.Height >= b.Height && a.Height > 0 {
			onX = append(onX, a)
			a, okA = book.Commit(a.Parent)
		} else {
			onY = append(onY, b)
			b, okB = book.Commit(b.Parent)
		}
	}
	return onX, onY, okA && okB
}

// ownIn lists the updates in a commit that this disk remembers making. What an
// update of a forgotten life held is in no residual here.
func (x *Executor) ownIn(c round.Commit, covers map[proto.ID]uint64) (us []round.Update) {
	for _, id := range c.Updates {
		if u, ok := x.book.Update(id); ok && covers[id] > 0 {
			us = append(us, u)
		}
	}
	return us
}

// newerIn tells whether a commit has an update of this node above a number.
func (x *Executor) newerIn(c round.Commit, seq uint64) bool {
	return slices.ContainsFunc(c.Updates, func(id proto.ID) bool {
		u, ok := x.book.Update(id)
		return ok && u.Author == x.p.Self && u.Seq > seq
	})
}
