package chain

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

var testSwarm = proto.Sum([]byte("swarm"))

func testKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func peerOf(b byte) proto.PeerID { return proto.PeerOf(testKey(b).Public().(ed25519.PublicKey)) }

func testConfig() round.Config {
	return round.Config{
		Self: peerOf(1), Swarm: testSwarm, StepTokens: 100, SeqLen: 10, MaxPayload: 2, HMin: 1, HMax: 100, Max: time.Second,
		Grace: time.Second, ViewTimeout: time.Second, Snapshot: 2, MaxUpdates: 64,
	}
}

// bookIn opens a store and its book.
func bookIn(t *testing.T, dir string) (*Store, *Book) {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b, err := OpenBook(s, testSwarm, peerOf(1), round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100))
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

// grow makes an update and a commit with it on a parent.
func grow(t *testing.T, s *Store, b *Book, parent round.Commit, author byte) (round.Commit, round.Update) {
	t.Helper()
	payload, size, err := s.PutPayload(peerOf(author), []byte{author, byte(parent.Height)})
	if err != nil {
		t.Fatal(err)
	}
	w := sealed(author, wire.Update{
		Author: peerOf(author), Parent: parent.ID, Height: parent.Height + 1, Seq: parent.Height + 1, Tokens: 500,
		High: parent.Cursor + 5, Payload: payload, Size: size, Exchange: 30 * time.Millisecond, StepTime: 7 * time.Microsecond, Loss: 2.5,
	})
	u := b.AddUpdate(w)
	if err := s.PutOwn(w, 700); err != nil {
		t.Fatal(err)
	}
	draft := round.Derive(testConfig(), parent, []round.Update{u}, nil, nil)
	draft.Root, draft.View, draft.Closer = proto.Sum(payload[:]), 1, peerOf(author)
	c, err := b.Write(testKey(author), draft)
	if err != nil {
		t.Fatal(err)
	}
	return c, u
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s, b := bookIn(t, dir)
	c, u := grow(t, s, b, b.Genesis, 1)
	if err := b.SetHead(c.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, b = bookIn(t, dir)
	head, base := b.Marks()
	if head.ID != c.ID || base.ID != b.Genesis.ID || !slices.Equal(head.Roster, c.Roster) || head.View != 1 || head.Closer != peerOf(1) {
		t.Fatalf("head is %+v, want %+v", head, c)
	}
	if got, ok := b.Newest(peerOf(1)); !ok || got != u || s.Own()[u.ID] != 700 {
		t.Fatalf("own update is %+v", got)
	}
	if held, err := s.Payloads(); err != nil || !maps.Equal(held, map[proto.ID]uint64{u.Payload: u.Size}) {
		t.Fatalf("payloads %v, %v", held, err)
	}
}

// TestAddCommitRefuses tampers with a commit's message.
func TestAddCommitRefuses(t *testing.T) {
	s, b := bookIn(t, t.TempDir())
	c, _ := grow(t, s, b, b.Genesis, 1)
	other, _ := grow(t, s, b, c, 1)
	good := b.Raw(c.ID)
	for name, w := range map[string]*murmurv1.Commit{
		"another content":      {Content: append(slices.Clone(good.Content), 0x70, 1), Updates: good.Updates, Announce: good.Announce},
		"no update":            {Content: good.Content, Announce: good.Announce},
		"another update":       {Content: good.Content, Updates: b.Raw(other.ID).Updates, Announce: good.Announce},
		"no announcement":      {Content: good.Content, Updates: good.Updates},
		"another announcement": {Content: good.Content, Updates: good.Updates, Announce: b.Raw(other.ID).Announce},
		"rubbish":              {Content: []byte{0xff}, Updates: good.Updates, Announce: good.Announce},
	} {
		if _, _, _, err := b.AddCommit(w); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, us, _, err := b.AddCommit(good); err != nil || len(us) != 1 {
		t.Fatalf("the true one was refused: %v", err)
	}
}

func TestRebaseForgets(t *testing.T) {
	s, b := bookIn(t, t.TempDir())
	at := []round.Commit{b.Genesis}
	var us []round.Update
	for range 6 {
		c, u := grow(t, s, b, at[len(at)-1], 2)
		at, us = append(at, c), append(us, u)
		if err := s.PutState(c.Root, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Rebase(at[4], map[proto.ID]bool{at[4].Root: true}); err != nil {
		t.Fatal(err)
	}
	held, err := s.Payloads()
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range us {
		if _, kept := held[u.Payload]; kept != (u.Height > 4) {
			t.Errorf("payload of height %d kept: %v", i+1, kept)
		}
	}
	if _, ok := b.Commit(at[3].ID); ok {
		t.Error("a commit below the base is still there")
	}
	if path, ok := b.Path(at[4].ID, at[6].ID); !ok || len(path) != 2 {
		t.Errorf("from base to head there are %d commits", len(path))
	}
	if !s.HasState(at[4].Root) || s.HasState(at[5].Root) {
		t.Error("the wrong states were kept")
	}
	if _, base := b.Marks(); base.ID != at[4].ID {
		t.Errorf("base is at height %d", base.Height)
	}
}

func TestDamagedBlobIsGone(t *testing.T) {
	s, _ := bookIn(t, t.TempDir())
	id, _, err := s.PutPayload("a", []byte("a payload"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.PayloadPath(id), []byte("A payload"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Payload(id, "a"); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v, want %v", err, ErrCorrupt)
	}
	if _, err := s.Payload(id, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v: it can not be fetched again", err)
	}
}

func TestReadState(t *testing.T) {
	s, _ := bookIn(t, t.TempDir())
	state := []byte("a state")
	root := proto.HashBlob(state).Root()
	got := make([]byte, len(state))
	if err := s.ReadState(root, got); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before it is there: %v", err)
	}
	if err := s.PutState(root, state); err != nil {
		t.Fatal(err)
	}
	if err := s.ReadState(root, got); err != nil || string(got) != string(state) {
		t.Fatalf("read %q, %v", got, err)
	}
	for name, b := range map[string]string{"cut": "a sta", "longer": "a state!", "another": "A state"} {
		if err := os.WriteFile(s.StatePath(root), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.ReadState(root, got); !errors.Is(err, ErrCorrupt) || s.HasState(root) {
			t.Errorf("%s: %v, kept: %v", name, err, s.HasState(root))
		}
	}
}

func TestLocal(t *testing.T) {
	s, _ := bookIn(t, t.TempDir())
	if l, err := s.Local(); l != nil || err != nil {
		t.Fatalf("from nothing came %v, %v", l, err)
	}
	want := Local{Head: proto.Sum([]byte("h")), Seq: 3, Lacking: 400, Step: 17}
	if err := s.PutLocal(want, []byte("abcd"), []byte("efgh")); err != nil {
		t.Fatal(err)
	}
	got, err := s.Local()
	if err != nil || got.Head != want.Head || got.Seq != 3 || got.Lacking != 400 || got.Step != 17 || string(got.Bytes) != "abcdefgh" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if err := got.Close(); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(s.localPath())
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		b := slices.Clone(all)
		b[i] ^= 1
		if err := os.WriteFile(s.localPath(), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Local(); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d flipped: got %v", i, err)
		}
		if err := os.WriteFile(s.localPath(), all[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Local(); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut after %d bytes: got %v", i, err)
		}
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	s, _ := bookIn(t, dir)
	left := filepath.Join(dir, "states", "1234"+tempSuffix)
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bookIn(t, dir)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is still there (%v)", left, err)
	}
}

func FuzzCommit(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	b, err := OpenBook(s, testSwarm, peerOf(1), round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100))
	if err != nil {
		f.Fatal(err)
	}
	content := encodeContent(testSwarm, round.Commit{Height: 1, Roster: []round.Member{{Peer: "p"}}}, enclosed{})
	f.Add(proto.Encode(&murmurv1.Commit{Content: content}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w murmurv1.Commit
		if proto.Decode(raw, proto.MaxCommit, &w) == nil {
			if _, _, _, err := b.AddCommit(&w); err == nil {
				t.Fatal("an unsigned commit was accepted")
			}
		}
	})
}
