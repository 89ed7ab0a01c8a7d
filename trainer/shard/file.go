package shard

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/murmurnet/murmur/proto"
)

// readPiece is how much of a file is read at once.
const readPiece = 64 << 10

// File is an open shard. It may be read by many at once.
//
// It is read with system calls, not mapped: a sample is a few KiB, which a call copies from the page cache in a few
// microseconds, and a file that is cut while it is open gives an error where a mapping would end the process.
type File struct {
	file *os.File
	header
}

// Open opens a shard and checks its header and length; [Verify] checks the rest.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening a token shard: %w", err)
	}
	f, err := open(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s %w", path, err), file.Close())
	}
	return f, nil
}

func open(file *os.File) (*File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a file", ErrDamaged)
	}
	var b [headerSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	h, err := parseHeader(b[:n], info.Size())
	if err != nil {
		return nil, err
	}
	return &File{file, h}, nil
}

// Tokens is how many tokens the shard has.
func (f *File) Tokens() int { return f.tokens }

// Vocab is what every token is below.
func (f *File) Vocab() int { return f.vocab }

// Read fills dst with the tokens from position from on. It refuses tokens at or above the vocabulary, and positions
// that the shard does not have.
func (f *File) Read(dst []int32, from int) error {
	if from < 0 || from > f.tokens || len(dst) > f.tokens-from {
		return fmt.Errorf("%s has %d tokens, not %d from %d on", f.file.Name(), f.tokens, len(dst), from)
	}
	w := width(f.vocab)
	buf := make([]byte, min(readPiece, len(dst)*w))
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/w)
		if _, err := f.file.ReadAt(buf[:n*w], int64(headerSize+from*w)); err != nil {
			return fmt.Errorf("reading %s: %w", f.file.Name(), err)
		}
		if bad := f.decode(dst[:n], buf); bad >= 0 {
			return f.beyond(from+bad, dst[bad])
		}
		dst, from = dst[n:], from+n
	}
	return nil
}

func (f *File) beyond(at int, token int32) error {
	return fmt.Errorf("%s %w: token %d is %d, and the vocabulary has %d", f.file.Name(), ErrDamaged, at, uint32(token), f.vocab)
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Verify reads a whole shard, a leaf of the tree hash at a time, and tells whether it is the one of that id and every
// token is below the vocabulary.
func Verify(path string, id proto.ID) (err error) {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size := sizeOf(f.vocab, uint64(f.tokens))
	tree := proto.Tree{Size: size, Leaves: make([]proto.ID, 0, proto.LeafCount(size))}
	w := uint64(width(f.vocab))
	buf, tokens := make([]byte, min(proto.LeafSize, size)), make([]int32, min(proto.LeafSize, size)/w)
	var beyond error
	for at := uint64(0); at < size; at += proto.LeafSize {
		leaf := buf[:min(proto.LeafSize, size-at)]
		if _, err := f.file.ReadAt(leaf, int64(at)); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		tree.Leaves = append(tree.Leaves, proto.Sum(leaf))
		skip := uint64(0)
		if at == 0 {
			skip = headerSize
		}
		part := tokens[:(uint64(len(leaf))-skip)/w] // a leaf holds whole tokens: its size and the header's are multiples of 4
		if bad := f.decode(part, leaf[skip:]); bad >= 0 && beyond == nil {
			beyond = f.beyond(int((at+skip-headerSize)/w)+bad, part[bad])
		}
	}
	if got := tree.Root(); got != id {
		return fmt.Errorf("%s %w: its hash is %s, not %s", path, ErrDamaged, got, id)
	}
	return beyond
}
