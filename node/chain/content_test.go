package chain

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// FuzzContent does the same with what a commit's id covers.
func FuzzContent(f *testing.F) {
	c := round.Commit{
		Parent: proto.Sum([]byte("p")), Height: 3, Updates: []proto.ID{proto.Sum([]byte("u"))}, NextH: 4, Target: 5, Cursor: 6, Tokens: 7,
		Roster: []round.Member{{Peer: peerOf(1), Age: 2, Seen: 8}}, Root: proto.Sum([]byte("r")),
	}
	notice := proto.Seal(testKey(2), proto.DomainNotice, proto.Encode(&murmurv1.Notice{
		Swarm: testSwarm[:], Kind: murmurv1.Notice_PEER, Subject: []byte(peerOf(3)),
	}))
	proof := &murmurv1.Evidence{First: signed(1, c, 1).Signed, Second: signed(1, c, 2).Signed}
	f.Add(encodeContent(testSwarm, c, enclosed{}))
	f.Add(encodeContent(testSwarm, c, enclosed{evidence: []*murmurv1.Evidence{proof}, notices: []*murmurv1.Envelope{notice}}))
	f.Add(encodeContent(testSwarm, c, enclosed{evidence: []*murmurv1.Evidence{{First: proof.First}}}))
	f.Add(encodeContent(testSwarm, round.Commit{}, enclosed{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, with, err := decodeContent(testSwarm, b, wire.OpenNotice)
		if err != nil {
			return
		}
		if got.Height == 0 || len(with.evidence) != len(got.Evidence) || len(with.notices) != len(got.Notices) || len(got.Updates) > proto.MaxUpdates {
			t.Fatalf("%+v was accepted", got)
		}
		again, _, err := decodeContent(testSwarm, encodeContent(testSwarm, got, with), wire.OpenNotice)
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
