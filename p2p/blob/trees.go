package blob

import (
	"errors"
	"sync"

	"github.com/murmurnet/murmur/proto"
)

// maxTreeLeaves are remembered in all, 32 bytes each: those of 256 GiB.
const maxTreeLeaves = 1 << 18

var errDamaged = errors.New("its bytes do not hash to its name")

// trees remembers the leaf hashes of served blobs: hashing 1 GB takes a second, and the request for it has 40 bytes.
type trees struct {
	mu     sync.Mutex
	held   map[proto.ID]*tree
	leaves int    // number of leaves in held
	uses   uint64 // number of uses so far
}

// tree is the hashes of one blob, or the wait for them.
type tree struct {
	done chan struct{} // closed when tree or err is set
	tree proto.Tree
	err  error
	used uint64 // number of the newest use
}

// of returns the leaf hashes of a blob. The first caller reads the blob, and others wait for it.
func (t *trees) of(id proto.ID, b Blob) (proto.Tree, error) {
	t.mu.Lock()
	e := t.held[id]
	first := e == nil
	if first {
		e = &tree{done: make(chan struct{})}
		if t.held == nil {
			t.held = map[proto.ID]*tree{}
		}
		t.held[id] = e
	}
	t.uses++
	e.used = t.uses
	t.mu.Unlock()
	if !first {
		<-e.done
		return e.tree, e.err
	}
	made, err := b.Tree()
	if err == nil && made.Root() != id {
		err = errDamaged
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e.tree, e.err = made, err
	close(e.done)
	if e.err != nil {
		delete(t.held, id)
		return proto.Tree{}, e.err
	}
	t.leaves += len(e.tree.Leaves)
	t.forget(id)
	return e.tree, nil
}

// forget makes room, but not of the tree that was made last.
func (t *trees) forget(newest proto.ID) {
	for t.leaves > maxTreeLeaves && len(t.held) > 1 {
		var oldest proto.ID
		for id, e := range t.held {
			if o := t.held[oldest]; id != newest && len(e.tree.Leaves) > 0 && (o == nil || e.used < o.used) {
				oldest = id
			}
		}
		o := t.held[oldest]
		if o == nil {
			return // the others are being made
		}
		t.leaves -= len(o.tree.Leaves)
		delete(t.held, oldest)
	}
}
