package wire

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"testing"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

var testSwarm = proto.Sum([]byte("a swarm for tests"))

func testKey(i int) ed25519.PrivateKey {
	seed := proto.Sum(fmt.Appendf(nil, "key of test node %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func peerOf(i int) proto.PeerID {
	return proto.PeerOf(testKey(i).Public().(ed25519.PublicKey))
}

func encode(t testing.TB, swarm proto.ID, u Update) []byte {
	w, err := u.Seal(swarm, testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	return w.Signed.Payload
}

// FuzzUpdate reads any bytes that their author signed; what is accepted must
// say the same when it is written and read again.
func FuzzUpdate(f *testing.F) {
	u := Update{Author: peerOf(1), Height: 3, Seq: 7, Tokens: 500, High: 9, Size: 2, Loss: 2.5, Exchange: 1e9, StepTime: 1e6}
	good := encode(f, testSwarm, u)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{})
	for _, proof := range []*murmurv1.Proof{{}, membership(1), membership(2)} {
		var w murmurv1.Update
		if err := proto.Decode(good, proto.MaxEnvelope, &w); err != nil {
			f.Fatal(err)
		}
		w.Proof = proof
		f.Add(proto.Encode(&w))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := OpenUpdate(testSwarm, proto.Seal(testKey(1), proto.DomainUpdate, b))
		if err != nil {
			return
		}
		if got.Author != peerOf(1) || got.ID != proto.Sum(b) {
			t.Fatalf("%+v was accepted", got)
		}
		again, err := got.Seal(testSwarm, testKey(1))
		if err != nil {
			t.Fatal(err)
		}
		got.ID, got.Signed, got.Proof, got.Standing = again.ID, again.Signed, again.Proof, again.Standing // unknown fields, and a proof is what its signatures say
		if fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", got) {
			t.Fatalf("%+v became %+v", got, again)
		}
	})
}

func membership(i int) *murmurv1.Proof {
	return &murmurv1.Proof{Member: proto.Seal(testKey(5), proto.DomainMember, proto.Encode(&murmurv1.Member{Swarm: testSwarm[:], Peer: []byte(peerOf(i)), Until: 1}))}
}

// FuzzAnnounce does the same with announcements.
func FuzzAnnounce(f *testing.F) {
	a := Announce{Commit: proto.Sum([]byte("c")), Height: 3, View: 2, Closer: peerOf(1)}
	f.Add(a.Seal(testSwarm, testKey(1)).Payload)
	f.Add(Announce{Closer: peerOf(2)}.Seal(testSwarm, testKey(1)).Payload)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := OpenAnnounce(testSwarm, proto.Seal(testKey(1), proto.DomainAnnounce, b))
		if err != nil {
			return
		}
		if got.Closer != peerOf(1) {
			t.Fatalf("%+v was accepted", got)
		}
		if again, err := OpenAnnounce(testSwarm, got.Seal(testSwarm, testKey(1))); err != nil || again != got {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

// TestLossIsANumber refuses updates whose loss no view could tell.
func TestLossIsANumber(t *testing.T) {
	for loss, ok := range map[float32]bool{3.5: true, float32(math.NaN()): false, float32(math.Inf(1)): false} {
		if _, err := (Update{Author: peerOf(1), Loss: loss}).Seal(testSwarm, testKey(1)); (err == nil) != ok {
			t.Errorf("%v: %v", loss, err)
		}
	}
}

// TestNotice refuses what is not a notice of this swarm, of a known kind, as it was signed.
func TestNotice(t *testing.T) {
	for name, c := range map[string]struct {
		notice *murmurv1.Notice
		change func(*murmurv1.Envelope)
		ok     bool
	}{
		"good":              {&murmurv1.Notice{Swarm: testSwarm[:], Kind: murmurv1.Notice_PEER, Subject: []byte(peerOf(3))}, func(*murmurv1.Envelope) {}, true},
		"another swarm's":   {&murmurv1.Notice{Kind: murmurv1.Notice_PEER}, func(*murmurv1.Envelope) {}, false},
		"of a later kind":   {&murmurv1.Notice{Swarm: testSwarm[:], Kind: 9}, func(*murmurv1.Envelope) {}, false},
		"a broken one":      {&murmurv1.Notice{Swarm: testSwarm[:]}, func(e *murmurv1.Envelope) { e.Sig[0] ^= 1 }, false},
		"without signature": {&murmurv1.Notice{Swarm: testSwarm[:]}, func(e *murmurv1.Envelope) { e.Sig = nil }, false},
	} {
		e := proto.Seal(testKey(9), proto.DomainNotice, proto.Encode(c.notice))
		c.change(e)
		n, err := OpenNotice(testSwarm, e)
		if (err == nil) != c.ok || c.ok && (n.Subject != string(peerOf(3)) || n.ID != proto.Sum(e.Payload) || n.Signed != e) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}
