// Package library keeps the files that a swarm's manifest names: initial weights or the model under an adapter, what lay beside
// them, tokenizer, token shards. Each lies under its id, the root of its bytes' hash tree.
//
// What is added is verified first and appears whole or not at all; what is read as a whole is verified again. It must not
// know of networks: fetched files are put at Path by whoever fetches.
package library

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
	"github.com/murmurnet/murmur/trainer/shard"
)

const (
	tempSuffix = ".tmp" // of files that are being added
	ownSuffix  = ".own" // of an empty file beside each that was added on this machine
)

// Library is a folder. Its methods may be called concurrently.
type Library struct{ dir string }

// Open opens or makes a library, and removes what an ended process left half added.
func Open(dir string) (*Library, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the swarm's files: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the swarm's files: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tempSuffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("tidying the swarm's files: %w", err)
			}
		}
	}
	return &Library{dir}, nil
}

// Path is where the file with this id belongs.
func (l *Library) Path(id proto.ID) string { return filepath.Join(l.dir, id.String()) }

// Has tells whether a file is there, in its size.
func (l *Library) Has(b shard.Blob) bool {
	info, err := os.Stat(l.Path(b.ID))
	return err == nil && uint64(info.Size()) == b.Size
}

// OpenBlob opens a file for serving.
func (l *Library) OpenBlob(id proto.ID) (*chain.Blob, error) { return chain.OpenFile(l.Path(id)) }

// Add puts a file of this machine's into the library: as a second name of the same bytes where the file system allows, so
// that a data set is on the disk once, else as a copy.
func (l *Library) Add(from string, want shard.Blob) error {
	if l.Has(want) {
		return nil
	}
	tmp := l.Path(want.ID) + tempSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(from, tmp) != nil {
		if err := copyFile(tmp, from); err != nil {
			return errors.Join(fmt.Errorf("copying %s: %w", from, err), os.Remove(tmp))
		}
	}
	if err := verify(tmp, want); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", from, err), os.Remove(tmp))
	}
	return errors.Join(os.WriteFile(l.Path(want.ID)+ownSuffix, nil, 0o600), l.keep(tmp, want.ID))
}

// Drop removes a file that was fetched, and tells whether it did: what was added on this machine stays, for no peer may
// have it, unless it is damaged.
func (l *Library) Drop(id proto.ID) bool {
	if _, err := os.Stat(l.Path(id) + ownSuffix); err == nil && verified(l.Path(id), id) {
		return false
	}
	return os.Remove(l.Path(id)) == nil
}

func verified(path string, id proto.ID) bool {
	b, err := Identify(path)
	return err == nil && b.ID == id
}

// Identify names a file's bytes.
func Identify(path string) (shard.Blob, error) {
	f, err := chain.OpenFile(path)
	if err != nil {
		return shard.Blob{}, err
	}
	tree, err := f.Tree()
	return shard.Blob{ID: tree.Root(), Size: tree.Size}, errors.Join(err, f.Close())
}

// AddBytes puts bytes into the library under their id.
func (l *Library) AddBytes(b []byte) (shard.Blob, error) {
	blob := shard.Blob{ID: proto.HashBlob(b).Root(), Size: uint64(len(b))}
	if l.Has(blob) {
		return blob, nil
	}
	if err := atomicfile.Write(l.Path(blob.ID), b, 0o600); err != nil {
		return blob, fmt.Errorf("keeping a file of the swarm: %w", err)
	}
	return blob, nil
}

// keep gives a finished file its name.
func (l *Library) keep(tmp string, id proto.ID) error {
	if err := atomicfile.Rename(tmp, l.Path(id)); err != nil {
		return fmt.Errorf("keeping a file of the swarm: %w", err)
	}
	return nil
}

// ReadInto fills dst with a file's bytes, which are verified. A damaged file is removed, so that it is fetched again.
func (l *Library) ReadInto(dst []byte, id proto.ID) error {
	f, err := os.Open(l.Path(id))
	if err != nil {
		return fmt.Errorf("reading a file of the swarm: %w", err)
	}
	_, err = io.ReadFull(f, dst)
	if err := errors.Join(err, f.Close()); err == nil && proto.HashBlob(dst).Root() == id {
		return nil
	}
	return errors.Join(fmt.Errorf("file %s: %w", id.Short(), chain.ErrCorrupt), os.Remove(l.Path(id)))
}

func verify(path string, want shard.Blob) error {
	b, err := Identify(path)
	if err != nil {
		return err
	}
	if b != want {
		return fmt.Errorf("its %d bytes are not those that were named %s: prepare or fetch it again", b.Size, want.ID.Short())
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
