package node

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// Files of a directory that say who belongs to its swarm.
const (
	membersFile  = "members.pb"
	communityKey = "community.key"
	oldKey       = "community.key.old"
)

// ErrNoKey says that a directory cannot sign for the community.
var ErrNoKey = errors.New("this machine does not have the community's key (community.key in the swarm's directory); use the one that made the swarm")

// Community is the community's key, nil where this directory does not have it.
func (d Dir) Community() (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(d.path(communityKey))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the community's key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no key; restore it from a backup", d.path(communityKey))
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// keepKey writes a community's key, readable by the user alone.
func (d Dir) keepKey(key ed25519.PrivateKey, name string) error {
	return atomicfile.Write(d.path(name), []byte(hex.EncodeToString(key.Seed())+"\n"), 0o600)
}

// Invite makes an invite by the community's key.
func (d Dir) Invite(until time.Time, uses uint32) (i membership.Invite, err error) {
	swarm, err := d.Swarm()
	if err != nil {
		return i, err
	}
	key, err := d.Community()
	if err != nil {
		return i, err
	}
	if key == nil {
		return i, ErrNoKey
	}
	return membership.NewInvite(key, swarm, until, uses)
}

// Enter notes the invite that this node comes in by.
func (d Dir) Enter(i membership.Invite) error {
	swarm, err := d.Swarm()
	if err != nil {
		return err
	}
	self, err := d.Peer()
	if err != nil {
		return err
	}
	saved, err := d.members()
	if err != nil {
		return err
	}
	book, err := i.Enter(swarm, self, saved)
	if err != nil { // damaged: peers have the notices
		if book, err = i.Enter(swarm, self, nil); err != nil {
			return err
		}
	}
	return atomicfile.Write(d.path(membersFile), book, 0o600)
}

// members is what was saved of the book of members.
func (d Dir) members() ([]byte, error) {
	b, err := os.ReadFile(d.path(membersFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the list of members: %w", err)
	}
	return b, nil
}

// Membership is the manifest's; nil while that is not here.
func (d Dir) Membership() (*manifest.Membership, error) {
	b, err := d.Manifest()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Decode(b)
	return &m.Membership, err
}
