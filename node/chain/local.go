package chain

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lukechampine.com/blake3"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/mapped"
)

// Local is what this node had learned at a moment: its residual d against a
// commit's state, and the inner optimizer's state. With d instead of θ_local it
// can be taken up at any other commit, whether or not the old state can be had.
type Local struct {
	Head    proto.ID `json:"head"`
	Seq     uint64   `json:"seq"`     // of the newest own update that d covers
	Lacking uint64   `json:"lacking"` // tokens learned that Head's branch lacks
	Step    int64    `json:"step"`
	Bytes   []byte   `json:"-"` // d, m, v as little-endian float32; gone after Close
	file    *mapped.File
}

// localMagic heads the file: its name, then the length of the JSON part.
var localMagic = []byte("murmur local 1\n\x00")

const maxLocalHeader = 4 << 10

// PutLocal saves it durably, in place of an older one. The vectors come in parts.
func (s *Store) PutLocal(l Local, vectors ...[]byte) error {
	meta, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding the local state: %w", err)
	}
	h := blake3.New(32, nil)
	_, _ = h.Write(meta)
	for _, v := range vectors {
		_, _ = h.Write(v)
	}
	head := binary.LittleEndian.AppendUint32(append([]byte(nil), localMagic...), uint32(len(meta)))
	parts := append([][]byte{head, meta}, vectors...)
	return s.writeFile(s.localPath(), append(parts, h.Sum(nil))...)
}

// Local opens what was saved last; nil where nothing was, ErrCorrupt where the file is damaged. The caller closes it.
func (s *Store) Local() (*Local, error) {
	f, err := mapped.Read(s.localPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the local state: %w", err)
	}
	l, err := decodeLocal(f.Bytes)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.file = f
	return l, nil
}

// Close lets the memory go; nil has none.
func (l *Local) Close() error {
	if l == nil {
		return nil
	}
	l.Bytes = nil
	return l.file.Close()
}

func decodeLocal(b []byte) (*Local, error) {
	n := len(localMagic)
	if len(b) < n+4+32 || string(b[:n]) != string(localMagic) {
		return nil, fmt.Errorf("local state: %w", ErrCorrupt)
	}
	size := uint64(binary.LittleEndian.Uint32(b[n:]))
	body, sum := b[n+4:len(b)-32], b[len(b)-32:]
	if size > maxLocalHeader || size > uint64(len(body)) || proto.Sum(body) != proto.ID(sum) {
		return nil, fmt.Errorf("local state: %w", ErrCorrupt)
	}
	var l Local
	if err := json.Unmarshal(body[:size], &l); err != nil {
		return nil, fmt.Errorf("local state: %w (%w)", ErrCorrupt, err)
	}
	l.Bytes = body[size:]
	return &l, nil
}

// HasLocal tells whether this node has ever saved what it learned.
func (s *Store) HasLocal() bool {
	_, err := os.Stat(s.localPath())
	return err == nil
}

func (s *Store) localPath() string { return filepath.Join(s.dir, "local.state") }
