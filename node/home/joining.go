package home

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// checkpointFile holds the height and the id of the link's checkpoint.
const checkpointFile = "checkpoint"

// Join makes the directory one of a swarm that is known by its id and some
// addresses; the manifest comes from the first peer that answers.
func (d Dir) Join(swarm proto.ID, addrs []string) error {
	if err := d.Claim(swarm); err != nil {
		return err
	}
	if _, err := d.Identity(); err != nil {
		return err
	}
	return errors.Join(d.SetSwarm(swarm), atomicfile.Write(d.Path("bootstrap"), []byte(strings.Join(addrs, "\n")+"\n"), 0o600))
}

// Bootstrap returns the addresses that the directory's join link brought.
func (d Dir) Bootstrap() ([]string, error) {
	b, err := os.ReadFile(d.Path("bootstrap"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the join link's addresses: %w", err)
	}
	return strings.Fields(string(b)), nil
}

// SetCheckpoint notes the commit without which this node takes no branch.
func (d Dir) SetCheckpoint(c api.Checkpoint) error {
	return atomicfile.Write(d.Path(checkpointFile), fmt.Appendf(nil, "%d %s\n", c.Height, c.Commit), 0o600)
}

// Checkpoint returns the commit that the directory's join link named; zero for none.
func (d Dir) Checkpoint() (c api.Checkpoint, err error) {
	b, err := os.ReadFile(d.Path(checkpointFile))
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
		return c, fmt.Errorf("%s is damaged (%w): join again by the link, in a new directory", d.Path(checkpointFile), err)
	}
	return c, nil
}

// ErrTaken says that a directory belongs to another swarm.
var ErrTaken = errors.New("this directory belongs to another swarm")

// Claim checks that the directory is free, or of the same swarm.
func (d Dir) Claim(swarm proto.ID) error {
	if have, err := d.Swarm(); err == nil && have != swarm {
		return fmt.Errorf("%w: %s is of swarm %s; give --dir another one", ErrTaken, d, have)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("making the directory %s: %w", d, err)
	}
	return nil
}
