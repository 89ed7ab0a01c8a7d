package chain

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// unknown is a field of so many bytes that this version does not know.
func unknown(n int) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, n))
}

// restarted opens a book anew; its head must be at a height.
func restarted(t *testing.T, s *Store, dir string, height uint64) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, b := bookIn(t, dir)
	if head, _ := b.Marks(); head.Height != height || s.Damaged() != nil {
		t.Errorf("after a restart it is at height %d of %d: %v", head.Height, height, s.Damaged())
	}
}

// TestUnknownFields: whoever passes a commit or an update on can add fields that no signature covers. They are not kept, so that a commit with such
// evidence has one form, and is not larger on the disk than what can be read from there.
func TestUnknownFields(t *testing.T) {
	dir, otherDir := t.TempDir(), t.TempDir()
	s, b := bookIn(t, dir)
	otherStore, other := bookIn(t, otherDir)
	take := func(c round.Commit) {
		t.Helper()
		var w murmurv1.Commit
		if err := proto.Decode(append(proto.Encode(b.Raw(c.ID)), unknown(5<<20)...), proto.MaxSync, &w); err != nil {
			t.Fatal(err)
		}
		got, _, _, err := other.AddCommit(&w)
		if err != nil || got.ID != c.ID {
			t.Fatalf("not taken: %v", err)
		}
		if err := other.Save(c.ID); err != nil {
			t.Fatal(err)
		}
		if err := other.SetHead(c.ID); err != nil {
			t.Fatal(err)
		}
	}
	first, _ := grow(t, s, b, b.Genesis, 2)
	take(first)
	var pair [2]proto.ID
	for i := range pair {
		u := sealed(2, wire.Update{Author: peerOf(2), Parent: first.ID, Height: 2, Seq: 2, Tokens: uint64(100 + i), Payload: proto.Sum([]byte{byte(i)}), Size: 1})
		var e murmurv1.Envelope
		if err := proto.Decode(append(proto.Encode(u.Signed), unknown(1)...), proto.MaxGossip, &e); err != nil {
			t.Fatal(err)
		}
		w, err := wire.OpenUpdate(testSwarm, &e)
		if err != nil {
			t.Fatal(err)
		}
		pair[i] = b.AddUpdate(w).ID
	}
	slices.SortFunc(pair[:], func(x, y proto.ID) int { return bytes.Compare(x[:], y[:]) })
	honest := b.AddUpdate(sealed(3, wire.Update{Author: peerOf(3), Parent: first.ID, Height: 2, Seq: 2, Tokens: 100, Payload: proto.Sum([]byte("honest")), Size: 1}))
	draft := round.Derive(testConfig(), first, []round.Update{honest}, [][2]proto.ID{pair}, nil)
	draft.Closer = peerOf(1)
	second, err := b.Write(testKey(1), draft)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetHead(second.ID); err != nil {
		t.Fatal(err)
	}
	take(second)
	restarted(t, s, dir, 2)
	restarted(t, otherStore, otherDir, 2)
}

// TestFullCommit: a commit of as many updates as there may be, with envelopes as long as they may be, can be read by others and from the disk.
func TestFullCommit(t *testing.T) {
	dir := t.TempDir()
	s, b := bookIn(t, dir)
	community := testKey(7)
	var us []round.Update
	for i := range proto.MaxUpdates {
		seed := proto.Sum(fmt.Append(nil, "author", i))
		key := ed25519.NewKeyFromSeed(seed[:])
		author := proto.PeerOf(key.Public().(ed25519.PublicKey))
		invite, err := membership.NewInvite(community, testSwarm, time.Unix(1, 0), 1)
		if err != nil {
			t.Fatal(err)
		}
		entry := append(proto.Encode(&murmurv1.Entry{Swarm: testSwarm[:], Peer: []byte(author)}), unknown(1350)...)
		w, err := wire.Update{
			Author: author, Parent: b.Genesis.ID, Height: 1, Seq: 1, Tokens: 500, Payload: proto.Sum(fmt.Append(nil, i)), Size: 1,
			Proof: &murmurv1.Proof{Invite: invite.Signed, Entry: proto.Seal(invite.Key, proto.DomainEntry, entry)},
		}.Seal(testSwarm, key)
		if err != nil {
			t.Fatal(err)
		}
		us = append(us, b.AddUpdate(w))
	}
	slices.SortFunc(us, func(x, y round.Update) int { return cmp.Compare(x.Author, y.Author) })
	draft := round.Derive(testConfig(), b.Genesis, us, nil, nil)
	draft.Root, draft.Closer = proto.Sum([]byte("root")), peerOf(1)
	c, err := b.Write(testKey(1), draft)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(proto.Encode(b.Raw(c.ID))); size < 2_000_000 {
		t.Errorf("it has %d bytes", size)
	}
	_, other := bookIn(t, t.TempDir())
	if _, _, _, err := other.AddCommit(b.Raw(c.ID)); err != nil {
		t.Errorf("others cannot read it: %v", err)
	}
	if err := b.SetHead(c.ID); err != nil {
		t.Fatal(err)
	}
	restarted(t, s, dir, 1)
}
