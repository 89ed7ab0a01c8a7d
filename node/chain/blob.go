package chain

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/murmurnet/murmur/proto"
)

// ErrCorrupt says that a file's bytes do not hash to its name. The file is
// gone when it is returned, so that it can be fetched again.
var ErrCorrupt = errors.New("corrupt on disk")

// Blob is a held payload or state, open for reading.
type Blob struct {
	*os.File
	size uint64
}

// OpenBlob opens a payload or a state for serving.
func (s *Store) OpenBlob(id proto.ID) (*Blob, error) {
	for _, dir := range []string{"payloads", "states"} {
		f, err := os.Open(s.path(dir, id))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("opening blob %s: %w", id.Short(), err)
		}
		st, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return &Blob{File: f, size: uint64(st.Size())}, nil
	}
	return nil, fmt.Errorf("blob %s: %w", id.Short(), fs.ErrNotExist)
}

// Tree hashes the blob's leaves.
func (b *Blob) Tree() (proto.Tree, error) {
	return proto.ReadTree(io.NewSectionReader(b.File, 0, int64(b.size)), b.size)
}

// PayloadPath is where a payload with this id belongs.
func (s *Store) PayloadPath(id proto.ID) string { return s.path("payloads", id) }

// StatePath is where a state with this root belongs.
func (s *Store) StatePath(root proto.ID) string { return s.path("states", root) }

// PutPayload writes payload bytes under their id.
func (s *Store) PutPayload(b []byte) (proto.ID, error) {
	id := proto.HashBlob(b).Root()
	return id, writeFile(s.PayloadPath(id), b)
}

// Payload reads a payload and checks its hash.
func (s *Store) Payload(id proto.ID) ([]byte, error) { return readBlob(s.PayloadPath(id), id) }

// PutState writes a state's bytes under its root.
func (s *Store) PutState(root proto.ID, b []byte) error {
	if s.HasState(root) {
		return nil
	}
	return writeFile(s.StatePath(root), b)
}

// State reads a state and checks its root.
func (s *Store) State(root proto.ID) ([]byte, error) { return readBlob(s.StatePath(root), root) }

// HasState tells whether a state's file is there.
func (s *Store) HasState(root proto.ID) bool {
	_, err := os.Stat(s.StatePath(root))
	return err == nil
}

// Payloads lists the payload files that are there.
func (s *Store) Payloads() ([]proto.ID, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "payloads"))
	if err != nil {
		return nil, fmt.Errorf("listing payloads: %w", err)
	}
	var ids []proto.ID
	for _, e := range entries {
		if id, err := proto.ParseID(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *Store) path(dir string, id proto.ID) string {
	return filepath.Join(s.dir, dir, id.String())
}

func (s *Store) prune(dir string, keep map[proto.ID]bool) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, dir))
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	var errs []error
	for _, e := range entries {
		if id, err := proto.ParseID(e.Name()); err == nil && !keep[id] {
			errs = append(errs, os.Remove(filepath.Join(s.dir, dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// sweep removes what a killed writer left behind.
func (s *Store) sweep() error {
	for _, dir := range []string{"", "payloads", "states"} {
		entries, err := os.ReadDir(filepath.Join(s.dir, dir))
		if err != nil {
			return fmt.Errorf("listing %s: %w", dir, err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), tempSuffix) {
				if err := os.Remove(filepath.Join(s.dir, dir, e.Name())); err != nil {
					return fmt.Errorf("removing a leftover: %w", err)
				}
			}
		}
	}
	return nil
}

func readBlob(path string, id proto.ID) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", id.Short(), err)
	}
	if proto.HashBlob(b).Root() != id {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing corrupt blob %s: %w", id.Short(), err)
		}
		return nil, fmt.Errorf("blob %s: %w", id.Short(), ErrCorrupt)
	}
	return b, nil
}

// cause drops the temporary file's name from an error: it says nothing to
// anyone, and differs each time.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// tempSuffix marks files that are being written.
const tempSuffix = ".tmp"

// writeFile writes a file whole or not at all.
func writeFile(path string, parts ...[]byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "*"+tempSuffix)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", path, cause(err)), os.Remove(f.Name()))
		}
	}()
	for _, b := range parts {
		if _, err := f.Write(b); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
