package blob

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// part is a blob's file while it is being fetched: PATH.part until it is whole.
type part struct {
	path string
	file *os.File
}

// openPart opens or makes the file; what an earlier run left stays in it.
func openPart(path string) (*part, error) {
	f, err := os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &part{path: path, file: f}, nil
}

// size is how many bytes an earlier run left.
func (p *part) size() uint64 {
	st, err := p.file.Stat()
	if err != nil {
		return 0
	}
	return uint64(st.Size())
}

// read reads leaf i of a blob of the given size into buf.
func (p *part) read(i int, size uint64, buf []byte) ([]byte, error) {
	b := buf[:leafSize(i, size)]
	_, err := p.file.ReadAt(b, int64(i)*proto.LeafSize)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

func (p *part) write(i int, b []byte) error {
	if _, err := p.file.WriteAt(b, int64(i)*proto.LeafSize); err != nil {
		return fmt.Errorf("writing %s: %w", p.file.Name(), err)
	}
	return nil
}

// finish makes the file durable under its own name.
func (p *part) finish(size uint64) error {
	err := errors.Join(p.file.Truncate(int64(size)), p.file.Sync(), p.file.Close())
	if err == nil {
		err = atomicfile.Rename(p.file.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("finishing %s: %w", p.path, err)
	}
	return nil
}

// leafSize is the length of leaf i of a blob.
func leafSize(i int, size uint64) uint64 {
	return min(proto.LeafSize, size-uint64(i)*proto.LeafSize)
}
