package home

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

// Files of a directory that say who belongs to its swarm.
const (
	membersFile  = "members.pb"
	CommunityKey = "community.key"
	OldKey       = "community.key.old"
)

// ErrNoKey says that a directory cannot sign for the community.
var ErrNoKey = errors.New("this machine does not have the community's key (community.key in the swarm's directory); use the one that made the swarm")

// Community is the community's key, nil where this directory does not have it.
func (d Dir) Community() (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(d.Path(CommunityKey))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the community's key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no key; restore it from a backup", d.Path(CommunityKey))
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// KeepKey writes a community's key, readable by the user alone.
func (d Dir) KeepKey(key ed25519.PrivateKey, name string) error {
	return atomicfile.Write(d.Path(name), []byte(hex.EncodeToString(key.Seed())+"\n"), 0o600)
}

// Members is what was saved of the list of members.
func (d Dir) Members() ([]byte, error) {
	b, err := os.ReadFile(d.Path(membersFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the list of members: %w", err)
	}
	return b, nil
}

// SetMembers keeps the list of members.
func (d Dir) SetMembers(b []byte) error { return atomicfile.Write(d.Path(membersFile), b, 0o600) }
