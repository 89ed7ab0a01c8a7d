package chain

import (
	"errors"
	"fmt"
	"os"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/mapped"
)

// Payload is an author's payload on the disk, as memory that is read from there when it is needed: a commit's payloads together
// may be larger than what a machine has. Bytes must not be written, and are gone after Close.
type Payload struct {
	Bytes []byte
	file  *mapped.File
}

// Payload opens an author's payload and checks its hash; ErrOthers where it is somebody else's.
func (s *Store) Payload(id proto.ID, author proto.PeerID) (*Payload, error) {
	f, err := mapped.Read(s.PayloadPath(id))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", id.Short(), err)
	}
	if proto.HashBlob(f.Bytes).Root() != id {
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("closing corrupt blob %s: %w", id.Short(), err)
		}
		return nil, s.discard(s.PayloadPath(id), id)
	}
	b, err := untagged(f.Bytes, author)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Payload{b, f}, nil
}

// Size is how many bytes its file has.
func (p *Payload) Size() uint64 { return uint64(TagSize + len(p.Bytes)) }

// Close lets the memory go.
func (p *Payload) Close() error {
	p.Bytes = nil
	return p.file.Close()
}

// Scratch makes a vector of so many values in a file without a name, beside what the store keeps.
func (s *Store) Scratch(values int) (*mapped.File, error) {
	f, err := mapped.Scratch(s.dir, 4*int64(values))
	for err != nil && s.MakeRoom(err) {
		f, err = mapped.Scratch(s.dir, 4*int64(values))
	}
	return f, err
}

// ReadState fills dst with a state and checks its root.
func (s *Store) ReadState(root proto.ID, dst []byte) error {
	f, err := os.Open(s.StatePath(root))
	if err != nil {
		return fmt.Errorf("reading state %s: %w", root.Short(), err)
	}
	n, err := readAll(f, dst)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("reading state %s: %w", root.Short(), err)
	}
	if n != int64(len(dst)) || proto.HashBlob(dst).Root() != root {
		return s.discard(s.StatePath(root), root)
	}
	return nil
}

// readAll fills dst from a file, and returns how many bytes that has.
func readAll(f *os.File, dst []byte) (size int64, err error) {
	st, err := f.Stat()
	if err != nil || st.Size() != int64(len(dst)) {
		return 0, err
	}
	n, err := f.ReadAt(dst, 0)
	return int64(n), err
}
