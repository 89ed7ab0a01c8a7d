package chain

import (
	"errors"
	"fmt"
	"os"

	"github.com/edsrzf/mmap-go"

	"github.com/murmurnet/murmur/proto"
)

// Mapped is a payload on the disk, as memory that is read from there when it is needed: a commit's payloads together
// may be larger than what a machine has. Bytes must not be written, and are gone after Close.
type Mapped struct {
	Bytes []byte
	raw   mmap.MMap
}

// MapPayload opens a payload and checks its hash and its author, as Payload does.
func (s *Store) MapPayload(id proto.ID, author proto.PeerID) (*Mapped, error) {
	m, err := mapped(s.PayloadPath(id))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", id.Short(), err)
	}
	if proto.HashBlob(m.Bytes).Root() == id {
		if m.Bytes, err = untagged(m.Bytes, author); err != nil {
			return nil, errors.Join(err, m.Close())
		}
		return m, nil
	}
	if err := m.Close(); err != nil {
		return nil, fmt.Errorf("closing corrupt blob %s: %w", id.Short(), err)
	}
	return nil, s.discard(s.PayloadPath(id), id)
}

func mapped(path string) (*Mapped, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // the mapping stays
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return &Mapped{}, err // nothing cannot be mapped
	}
	raw, err := mmap.Map(f, mmap.RDONLY, 0)
	return &Mapped{Bytes: raw, raw: raw}, err
}

// Close lets the memory go.
func (m *Mapped) Close() error {
	if m.raw == nil {
		return nil
	}
	return m.raw.Unmap()
}
