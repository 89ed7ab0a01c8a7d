package blob

import (
	"errors"
	"fmt"
	"testing"

	"github.com/murmurnet/murmur/proto"
)

// TestTreesAreBounded fills what is remembered: what was asked for last stays, and what could not be read is no part of it.
func TestTreesAreBounded(t *testing.T) {
	var ts trees
	made := 0
	blob := func(i int) (proto.ID, counted) {
		tree := proto.Tree{Size: maxTreeLeaves / 3 * proto.LeafSize, Leaves: make([]proto.ID, maxTreeLeaves/3)}
		tree.Leaves[0] = proto.Sum(fmt.Append(nil, i))
		return tree.Root(), counted{tree: tree, made: &made}
	}
	ask := func(i int) {
		t.Helper()
		id, b := blob(i)
		if tree, err := ts.of(id, b); err != nil || tree.Root() != id {
			t.Fatalf("blob %d: %v", i, err)
		}
	}
	for _, i := range []int{1, 2, 3, 1, 4} { // the fourth takes the second's room
		ask(i)
	}
	if made != 4 || len(ts.held) != 3 || ts.leaves > maxTreeLeaves {
		t.Errorf("%d made, %d held, %d leaves", made, len(ts.held), ts.leaves)
	}
	ask(1)
	ask(2)
	if made != 5 {
		t.Errorf("%d were made, want the second again and no other", made)
	}
	_, b := blob(5)
	for range 2 {
		if _, err := ts.of(proto.Sum([]byte("another name")), b); !errors.Is(err, errDamaged) {
			t.Errorf("a blob by another name: %v", err)
		}
	}
	if made != 7 || len(ts.held) != 3 {
		t.Errorf("%d made, %d held", made, len(ts.held))
	}
}

// counted is a blob that has leaf hashes alone.
type counted struct {
	Blob
	tree proto.Tree
	made *int
}

func (c counted) Tree() (proto.Tree, error) {
	*c.made++
	return c.tree, nil
}
