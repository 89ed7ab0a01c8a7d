package library

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/shard"
)

func open(t *testing.T) *Library {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAddAndRead(t *testing.T) {
	l := open(t)
	text := bytes.Repeat([]byte("murmur"), 300_000) // two leaves
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, text, 0o600); err != nil {
		t.Fatal(err)
	}
	blob := shard.Blob{ID: proto.HashBlob(text).Root(), Size: uint64(len(text))}
	if l.Has(blob) {
		t.Error("it has a file before it was added")
	}
	for range 2 { // adding again is nothing
		if err := l.Add(from, blob); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(text))
	if err := l.ReadInto(got, blob.ID); err != nil || !bytes.Equal(got, text) {
		t.Errorf("read something else, error %v", err)
	}
	b, err := l.OpenBlob(blob.ID)
	if err != nil {
		t.Fatal(err)
	}
	if tree, err := b.Tree(); err != nil || tree.Root() != blob.ID {
		t.Errorf("what is served hashes to %s, error %v", tree.Root(), err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	again, err := l.AddBytes(text)
	if err != nil || again != blob {
		t.Errorf("the same bytes are %+v, error %v", again, err)
	}
}

// What came from peers can be had from them again; what was added here, only if it is damaged.
func TestDrop(t *testing.T) {
	l := open(t)
	text := []byte("tokens")
	blob := shard.Blob{ID: proto.HashBlob(text).Root(), Size: uint64(len(text))}
	if err := os.WriteFile(l.Path(blob.ID), text, 0o600); err != nil { // as a fetch does
		t.Fatal(err)
	}
	if !l.Drop(blob.ID) || l.Has(blob) || l.Drop(blob.ID) {
		t.Error("a fetched file is not dropped once")
	}
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(from, blob); err != nil {
		t.Fatal(err)
	}
	if l.Drop(blob.ID) || !l.Has(blob) {
		t.Error("an added file is dropped")
	}
	if err := os.WriteFile(l.Path(blob.ID), []byte("tokeks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !l.Drop(blob.ID) {
		t.Error("a damaged file stays")
	}
}

func TestDamage(t *testing.T) {
	l := open(t)
	text := []byte("a tokenizer")
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, []byte("a tokeniser"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := shard.Blob{ID: proto.HashBlob(text).Root(), Size: uint64(len(text))}
	if err := l.Add(from, want); err == nil || !strings.Contains(err.Error(), from) || l.Has(want) {
		t.Errorf("other bytes were taken: %v", err)
	}
	blob, err := l.AddBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.Path(blob.ID), []byte("a tokeniser"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.ReadInto(make([]byte, len(text)), blob.ID); !errors.Is(err, chain.ErrCorrupt) {
		t.Errorf("damage is %v", err)
	}
	if err := l.ReadInto(make([]byte, len(text)), blob.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged file stays: %v", err)
	}
}

func TestHalfAdded(t *testing.T) {
	l := open(t)
	tmp := filepath.Join(l.dir, "x"+tempSuffix)
	if err := os.WriteFile(tmp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(l.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tmp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it stays: %v", err)
	}
}
