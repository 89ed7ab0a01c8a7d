package chain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// signed makes an update that nothing lists.
func signed(author byte, parent round.Commit, seq uint64) wire.Update {
	payload := proto.Sum(fmt.Appendf(nil, "%d %d", author, seq))
	return sealed(author, wire.Update{
		Author: peerOf(author), Parent: parent.ID, Height: parent.Height + 1, Seq: seq, Tokens: 1, Payload: payload, Size: 2,
	})
}

func sealed(author byte, u wire.Update) wire.Update {
	u, err := u.Seal(testSwarm, testKey(author))
	if err != nil {
		panic(err)
	}
	return u
}

// usage counts the files of a directory and their bytes, and those of chain.db.
type usage struct {
	files     int
	bytes, db int64
}

func (u usage) max(v usage) usage {
	return usage{max(u.files, v.files), max(u.bytes, v.bytes), max(u.db, v.db)}
}

func usageOf(t *testing.T, dir string) (u usage) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		u.files++
		if e.Name() == "chain.db" {
			u.db = st.Size()
		} else {
			u.bytes += st.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestLongRunStaysFlat plays 500 rounds of four updates, with what goes wrong in
// rounds: fetches that are given up, updates that come too late, and commits of
// others that lose.
func TestLongRunStaysFlat(t *testing.T) {
	const rounds, every, settled, authors = 500, 10, 150, 4
	dir := t.TempDir()
	s, err := open(dir, quickDisk{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.maxPast = 8
	b, err := OpenBook(s, testSwarm, peerOf(1), round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100))
	if err != nil {
		t.Fatal(err)
	}
	at := []round.Commit{b.Genesis}
	var before, after usage
	var inMemory int
	for h := uint64(1); h <= rounds; h++ {
		parent := at[h-1]
		c := flatRound(t, s, b, parent, authors)
		at = append(at, c)
		if err := errors.Join(b.SetHead(c.ID), s.PutLocal(Local{Head: c.ID, Seq: h}, make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
		if h%every != 0 {
			continue
		}
		if err := s.PutState(c.Root, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if h >= 2*every { // as node's hand does it
			base, states := at[h-every], map[proto.ID]bool{}
			states[base.Root] = true
			for _, c := range b.Above(base.Height) {
				if c.Height%every == 0 {
					states[c.Root] = true
				}
			}
			if err := b.Rebase(base, states); err != nil {
				t.Fatal(err)
			}
		}
		if h < 3*every {
			continue // the first base is genesis
		}
		u := usageOf(t, dir)
		switch memory := len(b.commits) + len(b.updates); {
		case h <= settled:
			before = before.max(u)
			inMemory = max(inMemory, memory)
		default:
			after = after.max(u)
			if memory > inMemory {
				t.Fatalf("at height %d the book holds %d commits and updates, %d at height %d", h, memory, inMemory, settled)
			}
		}
	}
	t.Logf("%+v until round %d, %+v from there to %d; %d in memory", before, settled, after, rounds, inMemory)
	// The database grows until it has what MaxSigned own updates were for: 40 bytes each, in pages that are half full.
	if after.files > before.files || after.db > before.db*11/10+128*(rounds-settled) || after.bytes > before.bytes*101/100 {
		t.Errorf("disk use grew from %+v to %+v", before, after)
	}
}

func flatRound(t *testing.T, s *Store, b *Book, parent round.Commit, authors byte) round.Commit {
	t.Helper()
	var us []round.Update
	for author := byte(1); author <= authors; author++ {
		id, _, err := s.PutPayload(peerOf(author), []byte{author, byte(parent.Height), byte(parent.Height >> 8)})
		if err != nil {
			t.Fatal(err)
		}
		u := sealed(author, wire.Update{
			Author: peerOf(author), Parent: parent.ID, Height: parent.Height + 1, Seq: parent.Height + 1, Tokens: 500, Payload: id, Size: 3,
		})
		us = append(us, b.AddUpdate(u))
		if author == 1 {
			if err := s.PutOwn(u, 500); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.AddUpdate(signed(9, parent, parent.Height)) // too late
	write := func(us []round.Update) round.Commit {
		draft := round.Derive(testConfig(), parent, us, nil, nil)
		draft.Root, draft.Closer = proto.Sum(fmt.Appendf(nil, "%d %d", parent.Height, len(us))), peerOf(2)
		c, err := b.Write(testKey(2), draft)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c, loser := write(us), write(us[1:])
	for _, path := range []string{s.PayloadPath(proto.Sum(parent.ID[:])), s.StatePath(loser.Root)} {
		if err := os.WriteFile(path+partSuffix, make([]byte, 500), 0o600); err != nil { // given up
			t.Fatal(err)
		}
	}
	return c
}

// TestFetchesGoOn keeps what was fetched of blobs that are still wanted.
func TestFetchesGoOn(t *testing.T) {
	s, b := bookIn(t, t.TempDir())
	at := []round.Commit{b.Genesis}
	for range 3 {
		c, _ := grow(t, s, b, at[len(at)-1], 2)
		at = append(at, c)
	}
	late := b.AddUpdate(signed(3, at[2], 3))
	gone := proto.Sum([]byte("gone"))
	for path, stays := range map[string]bool{
		s.PayloadPath(late.Payload): true, s.StatePath(at[3].Root): true, s.StatePath(at[2].Root): true,
		s.PayloadPath(gone): false, s.StatePath(gone): false, s.StatePath(at[1].Root): false,
	} {
		if err := os.WriteFile(path+partSuffix, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := os.Stat(path + partSuffix); (err == nil) != stays {
				t.Errorf("%s: kept %v, want %v", path, err == nil, stays)
			}
		})
	}
	if err := errors.Join(b.SetHead(at[3].ID), b.Rebase(at[2], map[proto.ID]bool{at[2].Root: true})); err != nil {
		t.Fatal(err)
	}
}

// TestBookIsBounded floods a book with what anybody may sign.
func TestBookIsBounded(t *testing.T) {
	s, b := bookIn(t, t.TempDir())
	at := []round.Commit{b.Genesis}
	for range 3 {
		c, _ := grow(t, s, b, at[len(at)-1], 1)
		at = append(at, c)
	}
	if err := b.SetHead(at[3].ID); err != nil {
		t.Fatal(err)
	}
	own := signed(1, at[3], 4)
	b.AddUpdate(own)
	head, _ := b.Commit(at[3].ID)
	head.Roster = append(head.Roster, round.Member{Peer: peerOf(2)})
	b.commits[head.ID].Commit = head
	member := b.AddUpdate(signed(2, at[3], 4))
	another := b.AddUpdate(signed(3, at[3], 4))
	far := round.Commit{ID: proto.Sum([]byte("far")), Height: 1e6}
	for seq := range uint64(3 * maxLooseUpdates) {
		parent := at[3]
		if seq%2 == 0 {
			parent = far
		}
		u := round.Update{ID: proto.Sum(fmt.Appendf(nil, "u%d", seq)), Author: peerOf(9), Parent: parent.ID, Height: parent.Height + 1, Seq: seq}
		b.keepUpdate(u, own.Signed) // the signatures of so many take a second
		b.bound()
		if len(b.updates) > maxLooseUpdates+len(at)+2 {
			t.Fatalf("the book holds %d updates", len(b.updates))
		}
	}
	for name, u := range map[string]round.Update{"own": {ID: own.ID}, "a member's": member, "another's one": another} {
		if _, ok := b.Update(u.ID); !ok {
			t.Errorf("%s update on the head is gone", name)
		}
	}
	if err := b.Save(far.ID); !errors.Is(err, ErrForgotten) {
		t.Errorf("saving what is not held: %v", err)
	}
	near := round.Commit{ID: proto.Sum([]byte("near")), Parent: at[3].ID, Height: 4}
	b.keepCommit(near, nil, &murmurv1.Commit{})
	for i := range 3 * maxLooseCommits {
		c := round.Commit{ID: proto.Sum(fmt.Appendf(nil, "c%d", i)), Height: 10 + uint64(i)}
		b.keepCommit(c, nil, &murmurv1.Commit{Content: make([]byte, 10)})
		b.bound()
		if len(b.commits) > maxLooseCommits+len(at)+1 {
			t.Fatalf("the book holds %d commits", len(b.commits))
		}
	}
	large := &murmurv1.Commit{Content: make([]byte, proto.MaxCommit)}
	for i := range 2 * maxLooseBytes / proto.MaxCommit {
		b.keepCommit(round.Commit{ID: proto.Sum(fmt.Appendf(nil, "l%d", i)), Height: 10}, nil, large)
		b.bound()
		bytes := 0
		for _, p := range b.commits {
			bytes += sizeOf(p.raw)
		}
		if bytes > maxLooseBytes+1<<20 {
			t.Fatalf("the book's commits have %d bytes", bytes)
		}
	}
	for _, c := range append(at, near) {
		if _, ok := b.Commit(c.ID); !ok {
			t.Errorf("the commit at height %d is gone", c.Height)
		}
	}
	if path, ok := b.Path(b.Genesis.ID, at[3].ID); !ok || len(path) != 3 {
		t.Errorf("the branch has %d commits", len(path))
	}
}
