package shard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// tempPattern names files that are being written; a killed writer leaves one behind.
const tempPattern = "*" + extension + ".tmp"

// Entry names one shard.
type Entry struct {
	ID     proto.ID `toml:"id" json:"id"`         // the hash of the file
	Size   uint64   `toml:"size" json:"size"`     // bytes of the file
	Tokens uint64   `toml:"tokens" json:"tokens"` // tokens in the file
}

// Writer writes one shard as its tokens come, holding two leaves of the tree hash (2 MiB).
type Writer struct {
	file *os.File
	header
	first, leaf []byte // first waits for the number of tokens, which the header holds
	tree        proto.Tree
}

// Create begins a shard in a folder.
func Create(dir string, vocab int) (*Writer, error) {
	if vocab < 1 || vocab > MaxVocab {
		return nil, fmt.Errorf("a token shard of a vocabulary of %d: it must be 1 to %d", vocab, MaxVocab)
	}
	file, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return nil, fmt.Errorf("writing a token shard: %w", err)
	}
	w := &Writer{file: file, header: header{vocab: vocab}}
	w.leaf = w.append(make([]byte, 0, proto.LeafSize))
	return w, nil
}

// Append adds tokens.
func (w *Writer) Append(tokens []int32) error {
	if len(tokens) > MaxTokens-w.tokens {
		return fmt.Errorf("a token shard has at most %d tokens", MaxTokens)
	}
	for i, t := range tokens {
		if t < 0 || int(t) >= w.vocab {
			return fmt.Errorf("token %d is %d, and the vocabulary has %d: the tokenizer is broken", w.tokens+i, t, w.vocab)
		}
	}
	for len(tokens) > 0 {
		n := min(len(tokens), (proto.LeafSize-len(w.leaf))/width(w.vocab))
		w.leaf = w.encode(w.leaf, tokens[:n])
		tokens = tokens[n:]
		w.tokens += n
		if len(w.leaf) == proto.LeafSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush puts the leaf behind those before it.
func (w *Writer) flush() error {
	if len(w.tree.Leaves) == 0 {
		w.first, w.leaf = w.leaf, make([]byte, 0, proto.LeafSize)
		w.tree.Leaves = append(w.tree.Leaves, proto.ID{})
		return nil
	}
	if _, err := w.file.WriteAt(w.leaf, int64(len(w.tree.Leaves))*proto.LeafSize); err != nil {
		return fmt.Errorf("writing a token shard: %w", err)
	}
	w.tree.Leaves = append(w.tree.Leaves, proto.Sum(w.leaf))
	w.leaf = w.leaf[:0]
	return nil
}

// Finish makes the file durable and gives it its name. Whatever it returns, the writer is done.
func (w *Writer) Finish() (Entry, error) {
	e, err := w.finish()
	if err != nil {
		w.Abort()
		return Entry{}, err
	}
	return e, nil
}

func (w *Writer) finish() (Entry, error) {
	if w.tokens == 0 {
		return Entry{}, errors.New("a token shard needs at least one token")
	}
	if len(w.leaf) > 0 {
		if err := w.flush(); err != nil {
			return Entry{}, err
		}
	}
	w.append(w.first[:0])
	w.tree.Leaves[0], w.tree.Size = proto.Sum(w.first), sizeOf(w.vocab, uint64(w.tokens))
	e := Entry{ID: w.tree.Root(), Size: w.tree.Size, Tokens: uint64(w.tokens)}
	_, err := w.file.WriteAt(w.first, 0)
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = w.file.Close()
	}
	if err == nil {
		err = atomicfile.Rename(w.file.Name(), filepath.Join(filepath.Dir(w.file.Name()), FileName(e.ID)))
	}
	if err != nil {
		return Entry{}, fmt.Errorf("writing a token shard: %w", err)
	}
	return e, nil
}

// Abort gives up a shard that is not finished.
func (w *Writer) Abort() {
	_ = w.file.Close()           // closed already where Finish came that far
	_ = os.Remove(w.file.Name()) // or the next prepare does
}

// Write writes tokens as one shard of a folder.
func Write(dir string, vocab int, tokens []int32) (Entry, error) {
	w, err := Create(dir, vocab)
	if err != nil {
		return Entry{}, err
	}
	if err := w.Append(tokens); err != nil {
		w.Abort()
		return Entry{}, err
	}
	return w.Finish()
}
