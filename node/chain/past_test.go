package chain

import (
	"crypto/ed25519"
	"testing"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// closed names the closer of a draft.
func closed(c round.Commit) round.Commit {
	c.Closer = peerOf(1)
	return c
}

// TestPast has a book rebase many times: the snapshot heights below its base can still be
// walked down, as far as they are kept, after a restart too, and each names the one before.
func TestPast(t *testing.T) {
	const rounds, kept = 80, 5
	cfg := testConfig()
	cfg.Snapshot = 6
	every := cfg.Snapshot
	dir := t.TempDir()
	s, err := open(dir, quickDisk{})
	if err != nil {
		t.Fatal(err)
	}
	s.maxPast = kept
	genesis := round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100)
	b, err := OpenBook(s, testSwarm, peerOf(1), genesis)
	if err != nil {
		t.Fatal(err)
	}
	at := genesis
	var base round.Commit
	for range rounds {
		u := b.AddUpdate(signed(1, at, at.Height+1))
		if at, err = b.Write(testKey(1), closed(round.Derive(cfg, at, []round.Update{u}, nil, nil))); err != nil {
			t.Fatal(err)
		}
		if err := b.SetHead(at.ID); err != nil {
			t.Fatal(err)
		}
		if at.Height%every == 0 {
			base = at
			if err := b.Rebase(base, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	walk := func(b *Book, down uint64, most, want int) {
		t.Helper()
		contents := b.Past(base.ID, down, most)
		if len(contents) != want {
			t.Fatalf("%d snapshot heights, want %d", len(contents), want)
		}
		next, height := base.ID, base.Height
		for _, raw := range contents {
			c, err := ReadContent(testSwarm, raw)
			if err != nil || c.ID != next || c.Height != height {
				t.Fatalf("height %d comes as %d, %v", height, c.Height, err)
			}
			next, height = c.Skip, c.Height-every
		}
	}
	walk(b, 0, 100, 1+kept)

	// Somebody who comes in at the base is told, and tells others.
	other, err := open(t.TempDir(), quickDisk{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	o, err := OpenBook(other, testSwarm, peerOf(2), genesis)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := o.AddCommit(b.Raw(base.ID)); err != nil {
		t.Fatal(err)
	}
	told := b.Past(base.Skip, 0, 100)
	if _, err := o.AddPast(base, told[1:]); err == nil {
		t.Error("a hole is taken")
	}
	if lowest, err := o.AddPast(base, told); err != nil || lowest.Height != base.Height-kept*every {
		t.Errorf("down to height %d, %v", lowest.Height, err)
	}
	walk(o, 0, 100, 1+kept)
	walk(b, base.Height-2*every, 100, 3)
	walk(b, 0, 2, 2)
	if got := b.Past(proto.Sum([]byte("unknown")), 0, 100); len(got) != 0 {
		t.Errorf("%d contents below an unknown commit", len(got))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = open(dir, quickDisk{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if b, err = OpenBook(s, testSwarm, peerOf(1), genesis); err != nil {
		t.Fatal(err)
	}
	walk(b, 0, 100, 1+kept)
}

// TestNoticesTravel has a commit carry notices, and the next carry them on: both read back
// with the signed bytes.
func TestNoticesTravel(t *testing.T) {
	s, err := open(t.TempDir(), quickDisk{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100)
	b, err := OpenBook(s, testSwarm, peerOf(1), at)
	if err != nil {
		t.Fatal(err)
	}
	e := proto.Seal(testKey(9), proto.DomainNotice, proto.Encode(&murmurv1.Notice{Swarm: testSwarm[:], Kind: murmurv1.Notice_PEER, Subject: []byte(peerOf(3))}))
	w, err := wire.OpenNotice(testSwarm, e)
	n := b.AddNotice(w)
	if err != nil || n.Kind != round.RevokePeer || n.Subject != string(peerOf(3)) || n.Signer != round.Key(testKey(9).Public().(ed25519.PublicKey)) {
		t.Fatalf("%+v, %v", n, err)
	}
	for range 2 {
		u := b.AddUpdate(signed(1, at, at.Height+1))
		if at, err = b.Write(testKey(1), closed(round.Derive(testConfig(), at, []round.Update{u}, nil, []round.Notice{n}))); err != nil {
			t.Fatal(err)
		}
		got, _, _, err := b.AddCommit(b.Raw(at.ID))
		if err != nil || len(got.Notices) != 1 || got.Notices[0] != n {
			t.Fatalf("%+v, %v", got.Notices, err)
		}
		if raw := b.Notices(at.ID)[n.ID]; raw == nil || string(raw.Sig) != string(e.Sig) {
			t.Error("the notice is not as it was signed")
		}
	}
	u := b.AddUpdate(signed(1, at, 99))
	n.ID = proto.Sum([]byte("another"))
	if _, err := b.Write(testKey(1), closed(round.Derive(testConfig(), at, []round.Update{u}, nil, []round.Notice{n}))); err == nil {
		t.Error("a commit is written with a notice that is not held")
	}
}

// TestRosterIsBounded reads commits whose rosters name more than three commits' authors, and nobody.
func TestRosterIsBounded(t *testing.T) {
	full := make([]round.Member, maxRoster)
	for i := range full {
		full[i].Peer = peerOf(1)
	}
	for name, c := range map[string]struct {
		roster []round.Member
		ok     bool
	}{
		"full":   {full, true},
		"longer": {append(full, round.Member{Peer: peerOf(1)}), false},
		"nobody": {make([]round.Member, 1), false},
	} {
		_, _, err := decodeContent(testSwarm, encodeContent(testSwarm, round.Commit{Height: 1, Roster: c.roster}, enclosed{}), wire.OpenNotice)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneContentOneID refuses a content that carries what this version does not read: else
// anybody could give an honest commit any number of ids.
func TestOneContentOneID(t *testing.T) {
	genesis := round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100)
	u := updateOf(signed(1, genesis, 1))
	b := encodeContent(testSwarm, round.Derive(testConfig(), genesis, []round.Update{u}, nil, nil), enclosed{})
	if _, _, err := decodeContent(testSwarm, b, wire.OpenNotice); err != nil {
		t.Fatal(err)
	}
	if _, _, err := decodeContent(testSwarm, append(b[:len(b):len(b)], 0xf8, 0x7f, 1), wire.OpenNotice); err == nil { // field 2047, a number
		t.Error("a field that nobody knows is taken")
	}
}
