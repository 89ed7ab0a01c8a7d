// Package replica is the shared state on one node: θ(head), with what the method
// keeps beside it, and what commits make of that.
//
// It guarantees that a commit's state root is computed from its parent's state
// and its payloads alone, in the exact arithmetic of trainer/outer, and that θ
// changes only when a commit is adopted as a whole. It must not know of peers or
// of the trainer process. It is not safe for concurrent use.
package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
	"unsafe"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/mapped"
	"github.com/murmurnet/murmur/trainer/outer"
)

// LostError says that a payload that was held is missing or damaged.
type LostError struct {
	Payload proto.ID
	Size    uint64
}

func (e *LostError) Error() string {
	return fmt.Sprintf("payload %s is lost from the disk", e.Payload.Short())
}

// Params say what a Replica works with.
type Params struct {
	Method  outer.Method
	Store   *chain.Store
	Genesis func(theta []float32) error // writes the initial θ; what the method keeps beside it begins with zeros
	Size    int                         // of θ, in parameters
}

// Replica holds the head's state and one more: the one computed last. Both lie in files that are mapped into memory.
type Replica struct {
	p     Params
	book  *chain.Book
	files [2]*mapped.File
	head  round.Commit
	state []float32 // of head
	next  []float32 // the state with root root
	root  proto.ID  // of next; zero when next is scratch
}

// New makes a replica of the state before all commits. The caller closes it.
func New(p Params) (*Replica, error) {
	r := &Replica{p: p}
	for i := range r.files {
		var err error
		if r.files[i], err = p.Store.Scratch(p.Method.State()); err != nil {
			return nil, errors.Join(fmt.Errorf("making room for the shared state: %w", err), r.Close())
		}
	}
	r.state, r.next = r.files[0].Floats(), r.files[1].Floats()
	if err := p.Genesis(r.state[:p.Size]); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Root is the state root of the head.
func (r *Replica) Root() proto.ID { return proto.HashBlob(Bytes(r.state)).Root() }

// Open takes a new replica to a commit, by its state file or by replay. Where files are
// damaged that is the highest commit below that can still be computed, at
// worst genesis; why says what is wrong with the disk.
func (r *Replica) Open(book *chain.Book, head round.Commit) (why error) {
	r.book, r.head = book, book.Genesis
	for head.Height > 0 {
		err := r.StateAt(head, r.next)
		if err == nil {
			r.state, r.next, r.head = r.next, r.state, head
			break
		}
		if why == nil {
			why = err
		}
		parent, ok := book.Commit(head.Parent)
		if !ok {
			break
		}
		head = parent
	}
	return why
}

// Close lets the vectors go. Nobody may use them any more.
func (r *Replica) Close() error {
	r.state, r.next = nil, nil
	return errors.Join(r.files[0].Close(), r.files[1].Close())
}

// Head returns the commit that Theta is the state of.
func (r *Replica) Head() round.Commit { return r.head }

// Theta is θ(head), flat. It must not be written, and is good until Adopt.
func (r *Replica) Theta() []float32 { return r.state[:r.p.Size:r.p.Size] }

// Compute applies updates to the state of their parent and returns the root.
func (r *Replica) Compute(parent round.Commit, updates []round.Update) (proto.ID, error) {
	r.root = proto.ID{}
	from := r.state
	if parent.ID != r.head.ID {
		if err := r.StateAt(parent, r.next); err != nil {
			return proto.ID{}, err
		}
		from = r.next
	}
	if err := r.apply(r.next, from, parent, updates); err != nil {
		return proto.ID{}, err
	}
	r.root = proto.HashBlob(Bytes(r.next)).Root()
	return r.root, nil
}

// Prepare brings the state of a commit into memory beside the head's and
// returns its θ; it is good until the next call.
func (r *Replica) Prepare(c round.Commit) (theta []float32, err error) {
	if r.root != c.Root || r.root.IsZero() {
		r.root = proto.ID{}
		if err := r.StateAt(c, r.next); err != nil {
			return nil, err
		}
		r.root = c.Root
	}
	return r.next[:r.p.Size:r.p.Size], nil
}

// Adopt makes a prepared commit the head. It returns how far that moved θ, as an L2 norm, where the commit follows the
// head, and 0 where several commits or another branch lie between.
func (r *Replica) Adopt(c round.Commit) (moved float64, err error) {
	if _, err := r.Prepare(c); err != nil {
		return 0, err
	}
	if c.Parent == r.head.ID {
		moved = distance(r.state[:r.p.Size], r.next[:r.p.Size], c.ID)
	}
	r.state, r.next = r.next, r.state
	r.head, r.root = c, proto.ID{}
	return moved, nil
}

// Save writes the head's state under its root, for snapshots.
func (r *Replica) Save() error { return r.p.Store.PutState(r.head.Root, Bytes(r.state)) }

// SaveDaily has the head's state, which is saved, kept for the operator as the one of its day.
func (r *Replica) SaveDaily(now time.Time) error {
	return r.p.Store.KeepDaily(r.head, Bytes(r.state), now)
}

// Keep makes sure that the state of a commit is on disk as a whole.
func (r *Replica) Keep(c round.Commit) error {
	if c.Height == 0 {
		return nil
	}
	return r.Put(c)
}

// Put writes the state of a commit under its root.
func (r *Replica) Put(c round.Commit) error {
	switch {
	case r.p.Store.HasState(c.Root):
		return nil
	case c.ID == r.head.ID:
		return r.Save()
	}
	if _, err := r.Prepare(c); err != nil {
		return err
	}
	return r.p.Store.PutState(c.Root, Bytes(r.next))
}

// Own opens own updates as the method knows them; they are good until done is called.
func (r *Replica) Own(us []round.Update) (own []outer.Own, done func(), err error) {
	var open []*chain.Payload
	done = func() {
		for _, p := range open {
			_ = p.Close() // it was read alone
		}
	}
	for _, u := range us {
		p, err := r.p.Store.Payload(u.Payload, u.Author)
		if err != nil {
			done()
			return nil, func() {}, lost(u, err)
		}
		open = append(open, p)
		own = append(own, outer.Own{Height: u.Height, Payload: p.Bytes})
	}
	return own, done, nil
}

// StateAt computes the state of a commit into dst: from the nearest state held,
// by replay of the payloads since.
func (r *Replica) StateAt(c round.Commit, dst []float32) error {
	var path []round.Commit
	for {
		found, err := r.load(c, dst)
		if err != nil {
			return err
		}
		if found {
			break
		}
		path = append(path, c)
		parent, ok := r.book.Commit(c.Parent)
		if !ok {
			return fmt.Errorf("the state at height %d cannot be had: nothing below it is held", c.Height)
		}
		c = parent
	}
	parent := c
	for _, c := range slices.Backward(path) {
		us := make([]round.Update, 0, len(c.Updates))
		for _, id := range c.Updates {
			u, ok := r.book.Update(id)
			if !ok {
				return fmt.Errorf("update %s of height %d is not held", id.Short(), c.Height)
			}
			us = append(us, u)
		}
		if err := r.apply(dst, dst, parent, us); err != nil {
			return err
		}
		parent = c
	}
	if len(path) > 0 && proto.HashBlob(Bytes(dst)).Root() != path[0].Root {
		return fmt.Errorf("replay to height %d gives another state than its commit names", path[0].Height)
	}
	return nil
}

// load copies a state that is held as a whole.
func (r *Replica) load(c round.Commit, dst []float32) (bool, error) {
	switch {
	case c.ID == r.head.ID && &r.state[0] != &dst[0]:
		copy(dst, r.state)
		return true, nil
	case c.Height == 0:
		clear(dst[r.p.Size:])
		err := r.p.Genesis(dst[:r.p.Size])
		return err == nil, err
	}
	err := r.p.Store.ReadState(c.Root, Bytes(dst))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, chain.ErrCorrupt) {
		return false, nil // replay from further back
	}
	return err == nil, err
}

func (r *Replica) apply(dst, from []float32, parent round.Commit, updates []round.Update) error {
	us := make([]outer.Update, 0, len(updates))
	for _, u := range updates {
		m, err := r.p.Store.Payload(u.Payload, u.Author)
		if err != nil {
			return lost(u, err)
		}
		defer func() { _ = m.Close() }()
		us = append(us, outer.Update{Payload: m.Bytes, Tokens: u.Tokens})
	}
	return r.p.Method.Apply(dst, from, outer.Round{Height: parent.Height + 1, Tokens: parent.Tokens}, us)
}

// lost names the payload that is missing or damaged, if that is what an error says.
func lost(u round.Update, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, chain.ErrCorrupt) {
		return &LostError{Payload: u.Payload, Size: u.Size}
	}
	return err
}

// Bytes views a vector as its little-endian bytes; murmur runs on little-endian
// machines only.
func Bytes(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
}
