package node

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// checkpointFile holds the height and the id of the link's checkpoint.
const checkpointFile = "checkpoint"

// Join makes the directory one of a swarm that is known by its id and some
// addresses; the manifest comes from the first peer that answers.
func (d Dir) Join(swarm proto.ID, addrs []string) error {
	if err := d.claim(swarm); err != nil {
		return err
	}
	if _, err := d.Identity(); err != nil {
		return err
	}
	return errors.Join(d.SetSwarm(swarm), atomicfile.Write(d.path("bootstrap"), []byte(strings.Join(addrs, "\n")+"\n"), 0o600))
}

// Bootstrap returns the addresses that the directory's join link brought.
func (d Dir) Bootstrap() ([]string, error) {
	b, err := os.ReadFile(d.path("bootstrap"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the join link's addresses: %w", err)
	}
	return strings.Fields(string(b)), nil
}

// SetCheckpoint notes the commit without which this node takes no branch.
func (d Dir) SetCheckpoint(c round.Checkpoint) error {
	return atomicfile.Write(d.path(checkpointFile), fmt.Appendf(nil, "%d %s\n", c.Height, c.Commit), 0o600)
}

// Checkpoint returns the commit that the directory's join link named; zero for none.
func (d Dir) Checkpoint() (c round.Checkpoint, err error) {
	b, err := os.ReadFile(d.path(checkpointFile))
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading the join link's checkpoint: %w", err)
	}
	var id string
	if _, err = fmt.Sscan(string(b), &c.Height, &id); err == nil {
		c.Commit, err = proto.ParseID(id)
	}
	if err != nil {
		return c, fmt.Errorf("%s is damaged (%w): join again by the link, in a new directory", d.path(checkpointFile), err)
	}
	return c, nil
}

// claim checks that the directory is free, or of the same swarm.
func (d Dir) claim(swarm proto.ID) error {
	if have, err := d.Swarm(); err == nil && have != swarm {
		return fmt.Errorf("%w: %s is of swarm %s; give --dir another one", ErrTaken, d, have)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("making the directory %s: %w", d, err)
	}
	return nil
}

// settledDepth is how far a commit lies below the head where no honest node leaves it any more.
const settledDepth = 3

// checkpointBelow is the newest snapshot height that lies so deep below a head; nil where genesis is
// the newest.
func checkpointBelow(book *chain.Book, head round.Commit) *api.Checkpoint {
	for c, ok := book.Commit(head.Skip); ok && c.Height > 0; c, ok = book.Commit(c.Skip) {
		if head.Height-c.Height >= settledDepth {
			return &api.Checkpoint{Height: c.Height, Commit: c.ID}
		}
	}
	return nil
}
