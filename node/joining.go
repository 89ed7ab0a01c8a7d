package node

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/murmurnet/murmur/proto"
)

// Join makes the directory one of a swarm that is known by its id and some
// addresses; the manifest comes from the first peer that answers.
func (d Dir) Join(swarm proto.ID, addrs []string) error {
	if err := d.claim(swarm); err != nil {
		return err
	}
	if _, err := d.Identity(); err != nil {
		return err
	}
	return errors.Join(d.SetSwarm(swarm), writeOnce(d.path("bootstrap"), []byte(strings.Join(addrs, "\n")+"\n")))
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
