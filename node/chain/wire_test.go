package chain

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// resign signs bytes as an author, so that fuzzing comes past the signature.
func resign(payload []byte, d proto.Domain) *murmurv1.Envelope {
	return proto.Seal(testKey(1), d, payload)
}

// FuzzUpdate reads any bytes that their author signed; what is accepted must
// say the same when it is written and read again.
func FuzzUpdate(f *testing.F) {
	u := round.Update{Author: peerOf(1), Height: 3, Seq: 7, Tokens: 500, High: 9, Size: 2, Loss: 2.5, Exchange: 1e9, StepTime: 1e6}
	f.Add(EncodeUpdate(testSwarm, u, nil))
	f.Add(EncodeUpdate(testSwarm, round.Update{Author: peerOf(2)}, nil))
	f.Add(EncodeUpdate(proto.ID{}, u, nil))
	member := &murmurv1.Member{Swarm: testSwarm[:], Peer: []byte(peerOf(1)), Until: 1}
	f.Add(EncodeUpdate(testSwarm, u, &murmurv1.Proof{Member: proto.Seal(testKey(5), proto.DomainMember, proto.Encode(member))}))
	member.Peer = []byte(peerOf(2))
	f.Add(EncodeUpdate(testSwarm, u, &murmurv1.Proof{Member: proto.Seal(testKey(5), proto.DomainMember, proto.Encode(member))}))
	f.Add(EncodeUpdate(testSwarm, u, &murmurv1.Proof{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeUpdate(testSwarm, resign(b, proto.DomainUpdate))
		if err != nil {
			return
		}
		if got.Author != peerOf(1) || got.ID != proto.Sum(b) {
			t.Fatalf("%+v was accepted", got)
		}
		again, err := DecodeUpdate(testSwarm, resign(EncodeUpdate(testSwarm, got, nil), proto.DomainUpdate))
		again.ID, again.Loss, again.Proof = got.ID, got.Loss, got.Proof // Loss may be NaN; a Proof is what its signatures say
		if err != nil || again != got {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

// FuzzAnnounce does the same with announcements.
func FuzzAnnounce(f *testing.F) {
	c := round.Commit{ID: proto.Sum([]byte("c")), Height: 3, View: 2, Closer: peerOf(1)}
	f.Add(EncodeAnnounce(testSwarm, c))
	f.Add(EncodeAnnounce(testSwarm, round.Commit{Closer: peerOf(2)}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeAnnounce(testSwarm, resign(b, proto.DomainAnnounce))
		if err != nil {
			return
		}
		if got.Closer != peerOf(1) {
			t.Fatalf("%+v was accepted", got)
		}
		c := round.Commit{ID: got.Commit, Parent: got.Parent, Height: got.Height, View: got.View, Closer: got.Closer}
		if again, err := DecodeAnnounce(testSwarm, resign(EncodeAnnounce(testSwarm, c), proto.DomainAnnounce)); err != nil || again != got {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

// FuzzContent does the same with what a commit's id covers.
func FuzzContent(f *testing.F) {
	c := round.Commit{
		Parent: proto.Sum([]byte("p")), Height: 3, Updates: []proto.ID{proto.Sum([]byte("u"))}, NextH: 4, Target: 5, Cursor: 6, Tokens: 7,
		Roster: []round.Member{{Peer: peerOf(1), Age: 2, Seen: 8}}, Root: proto.Sum([]byte("r")),
	}
	notice := proto.Seal(testKey(2), proto.DomainNotice, proto.Encode(&murmurv1.Notice{
		Swarm: testSwarm[:], Kind: murmurv1.Notice_PEER, Subject: []byte(peerOf(3)),
	}))
	proof := &murmurv1.Evidence{First: signed(1, c, 1), Second: signed(1, c, 2)}
	f.Add(encodeContent(testSwarm, c, enclosed{}))
	f.Add(encodeContent(testSwarm, c, enclosed{evidence: []*murmurv1.Evidence{proof}, notices: []*murmurv1.Envelope{notice}}))
	f.Add(encodeContent(testSwarm, c, enclosed{evidence: []*murmurv1.Evidence{{First: proof.First}}}))
	f.Add(encodeContent(testSwarm, round.Commit{}, enclosed{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, with, err := decodeContent(testSwarm, b)
		if err != nil {
			return
		}
		if got.Height == 0 || len(with.evidence) != len(got.Evidence) || len(with.notices) != len(got.Notices) || len(got.Updates) > proto.MaxUpdates {
			t.Fatalf("%+v was accepted", got)
		}
		again, _, err := decodeContent(testSwarm, encodeContent(testSwarm, got, with))
		again.ID = got.ID
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

// FuzzLocal reads any file as a local state, as it is and with its checksum put
// right.
func FuzzLocal(f *testing.F) {
	s, err := open(f.TempDir(), quickDisk{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	if err := s.PutLocal(Local{Head: proto.Sum([]byte("h")), Seq: 3, Lacking: 400, Step: 17}, []byte("abcd")); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(s.localPath())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:len(localMagic)])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeLocal(b)
		n := len(localMagic) + 4
		if len(b) < n+32 {
			return
		}
		b = bytes.Clone(b)
		sum := proto.Sum(b[n : len(b)-32])
		copy(b[len(b)-32:], sum[:])
		l, err := decodeLocal(b)
		if err == nil && len(l.Bytes) > len(b)-n-32 {
			t.Fatalf("%d bytes came out of %d", len(l.Bytes), len(b))
		}
	})
}
