// Package home is a node's directory: its identity, which swarm it is of, what a person wants of the machine.
//
// It guarantees that files are replaced whole, that one daemon works in a directory at a time, and that one which another
// murmur wrote is refused with a sentence. It must not know what the swarm learns, nor how peers are reached.
package home

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// Files of a directory that other packages write.
const (
	Files    = "files" // folder of what the manifest names
	Peers    = "peers.json"
	Curve    = "curve.json"
	Exchange = "exchange.vec"
	States   = "states" // folder of snapshots
)

// ErrLocked says that another daemon works in the directory.
var ErrLocked = errors.New("another murmur daemon works in this directory")

// Dir is one swarm's directory on this machine.
type Dir string

// Path is where a file of the directory lies.
func (d Dir) Path(name string) string { return filepath.Join(string(d), name) }

// lockWait is for who looks whether a daemon runs here, and has the lock for a moment.
const lockWait = 200 * time.Millisecond

// Lock takes the directory for this process, until the returned function.
func (d Dir) Lock() (unlock func() error, err error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory %s: %w", d, err)
	}
	l := flock.New(d.Path("lock"))
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	got, err := l.TryLockContext(ctx, lockWait/10)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("locking the directory %s: %w", d, err)
	}
	if !got {
		pid, _ := os.ReadFile(d.Path("pid"))
		return nil, fmt.Errorf("%w: %s, process %s; stop it first, or give --dir another one", ErrLocked, d, strings.TrimSpace(string(pid)))
	}
	if err := d.keepVersion(); err != nil {
		return nil, errors.Join(err, l.Unlock())
	}
	if err := os.WriteFile(d.Path("pid"), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("writing to the directory %s: %w", d, err), l.Unlock())
	}
	return func() error { return errors.Join(os.Remove(d.Path("pid")), l.Unlock()) }, nil
}

// Identity returns the node's key; the first call makes it. A damaged key file
// is an error, never silently replaced: a new key is a new peer.
func (d Dir) Identity() (ed25519.PrivateKey, error) {
	path := d.Path("identity.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.newIdentity(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the node's identity: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := k.(ed25519.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("%s holds no Ed25519 key; restore it from a backup, or remove it to become a new peer", path)
}

// Peer returns the node's peer id; the first call draws its key.
func (d Dir) Peer() (proto.PeerID, error) {
	key, err := d.Identity()
	if err != nil {
		return "", err
	}
	return proto.PeerOf(key.Public().(ed25519.PublicKey)), nil
}

func (d Dir) newIdentity(path string) (ed25519.PrivateKey, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory %s: %w", d, err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an identity: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the identity: %w", err)
	}
	return key, atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// Manifest returns the manifest's bytes; fs.ErrNotExist where it is not here yet.
func (d Dir) Manifest() ([]byte, error) { return os.ReadFile(d.Path("manifest.pb")) }

// SetManifest keeps the manifest.
func (d Dir) SetManifest(b []byte) error { return atomicfile.Write(d.Path("manifest.pb"), b, 0o600) }

// Readable tells why a directory cannot be looked into: it is not there, or this account may not.
func (d Dir) Readable() error {
	_, err := os.ReadDir(string(d))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s; is --dir right? A new one begins with murmur init or murmur join", d)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this account may not read %s: run murmur as the one that the directory belongs to", d)
	case err != nil:
		return fmt.Errorf("reading the directory %s: %w", d, err)
	}
	return nil
}

// Swarm returns the id of the swarm that the directory belongs to.
func (d Dir) Swarm() (proto.ID, error) {
	if b, err := d.Manifest(); err == nil {
		return proto.Sum(b), nil
	}
	b, err := os.ReadFile(d.Path("swarm"))
	if err != nil {
		if err := d.Readable(); err != nil {
			return proto.ID{}, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return proto.ID{}, fmt.Errorf("which swarm %s belongs to: %w", d, err)
		}
		return proto.ID{}, fmt.Errorf("%s belongs to no swarm yet; run murmur init or murmur join first", d)
	}
	return proto.ParseID(strings.TrimSpace(string(b)))
}

// SetSwarm notes which swarm the directory belongs to, before its manifest is
// here.
func (d Dir) SetSwarm(id proto.ID) error {
	return atomicfile.Write(d.Path("swarm"), []byte(id.String()+"\n"), 0o600)
}
