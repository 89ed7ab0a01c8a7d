package chain

import (
	"bytes"
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

// Blob is a file named by the hash of its bytes, open for reading.
type Blob struct {
	*os.File
	size   uint64
	urgent bool
}

// Size is how many bytes it has.
func (b *Blob) Size() uint64 { return b.size }

// Urgent tells whether it is a payload, which rounds wait for.
func (b *Blob) Urgent() bool { return b.urgent }

// OpenBlob opens a payload or a state for serving.
func (s *Store) OpenBlob(id proto.ID) (*Blob, error) {
	for _, dir := range []string{"payloads", "states"} {
		b, err := OpenFile(s.path(dir, id))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if b != nil {
			b.urgent = dir == "payloads"
		}
		return b, err
	}
	return nil, fmt.Errorf("blob %s: %w", id.Short(), fs.ErrNotExist)
}

// OpenFile opens a blob that lies at a path.
func OpenFile(path string) (*Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening a blob: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Blob{File: f, size: uint64(st.Size())}, nil
}

// Tree reads the blob and hashes its leaves.
func (b *Blob) Tree() (proto.Tree, error) {
	return proto.ReadTree(io.NewSectionReader(b.File, 0, int64(b.size)), b.size)
}

// PayloadPath is where a payload with this id belongs.
func (s *Store) PayloadPath(id proto.ID) string { return s.path("payloads", id) }

// StatePath is where a state with this root belongs.
func (s *Store) StatePath(root proto.ID) string { return s.path("states", root) }

// TagSize is how many bytes a payload begins with that say whose it is: the hash of its author's id. A copy of an announcement,
// which names the same payload in another's name, is so told from it.
const TagSize = len(proto.ID{})

// ErrOthers says that a payload is not its announced author's.
var ErrOthers = errors.New("the payload is another author's")

func tag(author proto.PeerID) proto.ID { return proto.Sum([]byte(author)) }

// untagged returns what follows the tag of a payload of an author's.
func untagged(b []byte, author proto.PeerID) ([]byte, error) {
	if t := tag(author); !bytes.HasPrefix(b, t[:]) {
		return nil, ErrOthers
	}
	return b[TagSize:], nil
}

// PutPayload writes an author's payload under its id, and returns how many bytes it has with its tag.
func (s *Store) PutPayload(author proto.PeerID, b []byte) (id proto.ID, size uint64, err error) {
	t := tag(author)
	size = uint64(len(t) + len(b))
	tree, err := proto.ReadTree(io.MultiReader(bytes.NewReader(t[:]), bytes.NewReader(b)), size) // a dense one is as large as the model
	if err != nil {
		return id, 0, err
	}
	id = tree.Root()
	return id, size, s.writeFile(s.PayloadPath(id), t[:], b)
}

// PutState writes a state's bytes under its root.
func (s *Store) PutState(root proto.ID, b []byte) error {
	if s.HasState(root) {
		return nil
	}
	return s.writeFile(s.StatePath(root), b)
}

// ReadPrefix fills dst with the first bytes of a state that lies in a folder of states, whose hash is checked as a whole.
func ReadPrefix(dir string, root proto.ID, dst []byte) error {
	b, err := OpenFile(filepath.Join(dir, root.String()))
	if err != nil {
		return err
	}
	tree, err := b.Tree()
	if err == nil && tree.Root() != root {
		err = ErrCorrupt
	}
	if err == nil {
		_, err = b.ReadAt(dst, 0)
	}
	return errors.Join(err, b.Close())
}

// HasState tells whether a state's file is there.
func (s *Store) HasState(root proto.ID) bool {
	_, err := os.Stat(s.StatePath(root))
	return err == nil
}

// Payloads are the payload files that are there, with their sizes.
func (s *Store) Payloads() (map[proto.ID]uint64, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "payloads"))
	if err != nil {
		return nil, fmt.Errorf("listing payloads: %w", err)
	}
	sizes := map[proto.ID]uint64{}
	for _, e := range entries {
		id, err := proto.ParseID(e.Name())
		if err != nil {
			continue
		}
		if info, err := e.Info(); err == nil { // or it went meanwhile
			sizes[id] = uint64(info.Size())
		}
	}
	return sizes, nil
}

// RemovePayload forgets a payload, whole or half here.
func (s *Store) RemovePayload(id proto.ID) error {
	path := s.PayloadPath(id)
	return errors.Join(ignoreMissing(s.disk.remove(path)), ignoreMissing(s.disk.remove(path+partSuffix)))
}

func (s *Store) path(dir string, id proto.ID) string {
	return filepath.Join(s.dir, dir, id.String())
}

// partSuffix marks what p2p has fetched of a blob, beside the path where it
// belongs.
const partSuffix = ".part"

// prune removes blobs that are not kept, and abandoned fetches of blobs that are
// not wanted.
func (s *Store) prune(dir string, keep, wanted map[proto.ID]bool) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, dir))
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	var errs []error
	for _, e := range entries {
		name, isPart := strings.CutSuffix(e.Name(), partSuffix)
		id, err := proto.ParseID(name)
		if err != nil || keep[id] || isPart && wanted[id] {
			continue
		}
		if err := s.disk.remove(filepath.Join(s.dir, dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// discard removes a blob whose bytes do not hash to its name, and says that it was so.
func (s *Store) discard(path string, id proto.ID) error {
	if err := s.disk.remove(path); err != nil {
		return fmt.Errorf("removing corrupt blob %s: %w", id.Short(), err)
	}
	return fmt.Errorf("blob %s: %w", id.Short(), ErrCorrupt)
}
