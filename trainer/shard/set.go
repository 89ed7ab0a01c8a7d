package shard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	// SetName is the name of every data set of shards.
	SetName = "shards"
	// SetFile is the file of a prepared folder that lists its shards.
	SetFile = "data.toml"
	// Folder is the folder of a prepared one that holds the shards.
	Folder = "shards"
	// TokenizerFile is the copy of the tokenizer in a prepared folder.
	TokenizerFile = "tokenizer.json"
	// MaxShards bounds a data set: 275 billion tokens of the largest shards.
	MaxShards = 4096
	// MaxTokenizer bounds a tokenizer's file: four times the largest in use.
	MaxTokenizer = 128 << 20
	// MaxEnds bounds the tokens that end a text; models of conversations name three.
	MaxEnds = 64

	maxSetFile = 1 << 20 // 4096 entries take half of it
)

// Set is a data set of shards: the [data] section of a manifest.
type Set struct {
	Name      string  `toml:"name" json:"name"`                               // the kind of data set
	Vocab     int     `toml:"vocab" json:"vocab"`                             // ids of tokens that the texts have, 256 where bytes are the tokens; 0: as the texts have it
	Tokenizer *Blob   `toml:"tokenizer,omitempty" json:"tokenizer,omitempty"` // the file that turns text into tokens, at most 128 MiB; without the table bytes are the tokens
	Ends      []int32 `toml:"ends,omitempty" json:"ends,omitempty"`           // tokens that end a text, at most 64; the first stands behind each document
	Heldout   Entry   `toml:"heldout" json:"heldout"`                         // the shard that losses are measured on
	Shards    []Entry `toml:"shard" json:"shard"`                             // the shards that are trained on, 1 to 4096
}

// Blob names bytes of another kind than tokens.
type Blob struct {
	ID   proto.ID `toml:"id" json:"id"`     // the hash of the bytes
	Size uint64   `toml:"size" json:"size"` // how many bytes there are
}

// Tokens is how many tokens there are to train on.
func (s Set) Tokens() uint64 {
	n := uint64(0)
	for _, e := range s.Shards {
		n += e.Tokens
	}
	return n
}

// Validate names the first thing wrong with a set.
func (s Set) Validate() error {
	switch {
	case s.Name != SetName:
		return fmt.Errorf("data.name = %q: a set of token shards is called %q", s.Name, SetName)
	case s.Vocab < 1 || s.Vocab > MaxVocab:
		return fmt.Errorf("data.vocab = %d is out of range: 1..%d", s.Vocab, MaxVocab)
	case s.Tokenizer == nil && s.Vocab != 256:
		return fmt.Errorf("data.vocab = %d without a data.tokenizer: bytes have a vocabulary of 256", s.Vocab)
	case s.Tokenizer != nil && (s.Tokenizer.ID.IsZero() || s.Tokenizer.Size < 1 || s.Tokenizer.Size > MaxTokenizer):
		return fmt.Errorf("data.tokenizer: it needs an id, and a size of 1 to %d bytes", MaxTokenizer)
	case len(s.Ends) > MaxEnds || slices.ContainsFunc(s.Ends, func(id int32) bool { return id < 0 || int(id) >= s.Vocab }):
		return fmt.Errorf("data.ends: at most %d tokens end a text, each below data.vocab, %d", MaxEnds, s.Vocab)
	case len(s.Shards) < 1 || len(s.Shards) > MaxShards:
		return fmt.Errorf("data.shard: %d shards, there must be 1 to %d", len(s.Shards), MaxShards)
	}
	seen := make(map[proto.ID]string, 1+len(s.Shards))
	check := func(key string, e Entry) error {
		switch {
		case e.ID.IsZero():
			return fmt.Errorf("%s has no id", key)
		case e.Tokens < 1 || e.Tokens > MaxTokens:
			return fmt.Errorf("%s.tokens = %d is out of range: 1..%d", key, e.Tokens, MaxTokens)
		case e.Size != sizeOf(s.Vocab, e.Tokens):
			return fmt.Errorf("%s.size = %d: %d tokens of a vocabulary of %d take %d bytes", key, e.Size, e.Tokens, s.Vocab, sizeOf(s.Vocab, e.Tokens))
		case seen[e.ID] != "":
			return fmt.Errorf("%s and %s are the same shard", seen[e.ID], key)
		}
		seen[e.ID] = key
		return nil
	}
	if err := check("data.heldout", s.Heldout); err != nil {
		return err
	}
	for i, e := range s.Shards {
		if err := check(fmt.Sprintf("data.shard %d", i+1), e); err != nil {
			return err
		}
	}
	return nil
}

// section is the file around a set.
type section struct {
	Data Set `toml:"data"`
}

// ReadSet reads and validates a set. Keys that it does not know are errors.
func ReadSet(path string) (set Set, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Set{}, fmt.Errorf("reading a data set: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSetFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return Set{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if set, err = parseSet(b); err != nil {
		return Set{}, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

func parseSet(b []byte) (Set, error) {
	if len(b) > maxSetFile {
		return Set{}, fmt.Errorf("more than %d bytes are no list of at most %d shards", maxSetFile, MaxShards)
	}
	var s section
	md, err := toml.Decode(string(b), &s)
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return Set{}, fmt.Errorf("line %d: %s", pe.Position.Line, pe.Message)
	}
	if err != nil {
		return Set{}, err
	}
	if un := md.Undecoded(); len(un) > 0 {
		return Set{}, fmt.Errorf("unknown key %q", un[0])
	}
	return s.Data, s.Data.Validate()
}

// WriteSet writes a set, whole and durable or not at all.
func WriteSet(path string, set Set) error {
	if err := set.Validate(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	var b bytes.Buffer
	out := toml.NewEncoder(&b)
	out.Indent = ""
	err := out.Encode(section{set})
	if err == nil {
		err = atomicfile.Write(path, b.Bytes(), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
