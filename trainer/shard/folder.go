package shard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// Check is what came of one file of a prepared folder.
type Check struct {
	File string // its path
	Err  error  // nil where it is what the set says
}

// VerifyFolder checks every file that a prepared folder should have, and gives each outcome to each. Its error is that of
// the context.
func VerifyFolder(ctx context.Context, dir string, set Set, each func(Check)) error {
	if set.Tokenizer != nil {
		path := filepath.Join(dir, TokenizerFile)
		each(Check{path, verifyBlob(path, *set.Tokenizer)})
	}
	for _, e := range append([]Entry{set.Heldout}, set.Shards...) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		path := filepath.Join(dir, Folder, FileName(e.ID))
		each(Check{path, verifyEntry(path, e, set.Vocab)})
	}
	return nil
}

func verifyEntry(path string, e Entry, vocab int) error {
	f, err := Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is missing", path)
	}
	if err != nil {
		return err
	}
	got := f.header
	if err := f.Close(); err != nil {
		return err
	}
	if got.vocab != vocab || uint64(got.tokens) != e.Tokens {
		return fmt.Errorf("%s %w: it has %d tokens of a vocabulary of %d, not %d of %d", path, ErrDamaged, got.tokens, got.vocab, e.Tokens, vocab)
	}
	return Verify(path, e.ID)
}

func verifyBlob(path string, b Blob) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is missing", path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if uint64(info.Size()) != b.Size {
		return fmt.Errorf("%s %w: it has %d bytes, not %d", path, ErrDamaged, info.Size(), b.Size)
	}
	tree, err := proto.ReadTree(f, b.Size)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if got := tree.Root(); got != b.ID {
		return fmt.Errorf("%s %w: its hash is %s, not %s", path, ErrDamaged, got, b.ID)
	}
	return nil
}

// WriteTokenizer puts a copy of a tokenizer's file into a prepared folder.
func WriteTokenizer(dir string, content []byte) (Blob, error) {
	path := filepath.Join(dir, TokenizerFile)
	if err := atomicfile.Write(path, content, 0o600); err != nil {
		return Blob{}, fmt.Errorf("writing %s: %w", path, err)
	}
	return Blob{ID: proto.HashBlob(content).Root(), Size: uint64(len(content))}, nil
}
