package wire

import (
	"fmt"
	"math"
	"testing"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

func encode(t testing.TB, swarm proto.ID, u Update) []byte {
	w, err := u.Seal(swarm, prototest.Key(1))
	if err != nil {
		t.Fatal(err)
	}
	return w.Signed.Payload
}

// FuzzUpdate reads any bytes that their author signed; what is accepted must
// say the same when it is written and read again.
func FuzzUpdate(f *testing.F) {
	u := Update{Author: prototest.Peer(1), Height: 3, Seq: 7, Tokens: 500, High: 9, Size: 2, Loss: 2.5, Exchange: 1e9, StepTime: 1e6}
	good := encode(f, prototest.Swarm, u)
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
		got, err := OpenUpdate(prototest.Swarm, proto.Seal(prototest.Key(1), proto.DomainUpdate, b))
		if err != nil {
			return
		}
		if got.Author != prototest.Peer(1) || got.ID != proto.Sum(b) {
			t.Fatalf("%+v was accepted", got)
		}
		again, err := got.Seal(prototest.Swarm, prototest.Key(1))
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
	return &murmurv1.Proof{Member: proto.Seal(prototest.Key(5), proto.DomainMember, proto.Encode(&murmurv1.Member{Swarm: prototest.Swarm[:], Peer: []byte(prototest.Peer(i)), Until: 1}))}
}

// FuzzAnnounce does the same with announcements.
func FuzzAnnounce(f *testing.F) {
	a := Announce{Commit: proto.Sum([]byte("c")), Height: 3, View: 2, Closer: prototest.Peer(1)}
	f.Add(a.Seal(prototest.Swarm, prototest.Key(1)).Payload)
	f.Add(Announce{Closer: prototest.Peer(2)}.Seal(prototest.Swarm, prototest.Key(1)).Payload)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := OpenAnnounce(prototest.Swarm, proto.Seal(prototest.Key(1), proto.DomainAnnounce, b))
		if err != nil {
			return
		}
		if got.Closer != prototest.Peer(1) {
			t.Fatalf("%+v was accepted", got)
		}
		if again, err := OpenAnnounce(prototest.Swarm, got.Seal(prototest.Swarm, prototest.Key(1))); err != nil || again != got {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

// TestLossIsANumber refuses updates whose loss no view could tell.
func TestLossIsANumber(t *testing.T) {
	for loss, ok := range map[float32]bool{3.5: true, float32(math.NaN()): false, float32(math.Inf(1)): false} {
		if _, err := (Update{Author: prototest.Peer(1), Loss: loss}).Seal(prototest.Swarm, prototest.Key(1)); (err == nil) != ok {
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
		"good":              {&murmurv1.Notice{Swarm: prototest.Swarm[:], Kind: murmurv1.Notice_PEER, Subject: []byte(prototest.Peer(3))}, func(*murmurv1.Envelope) {}, true},
		"another swarm's":   {&murmurv1.Notice{Kind: murmurv1.Notice_PEER}, func(*murmurv1.Envelope) {}, false},
		"of a later kind":   {&murmurv1.Notice{Swarm: prototest.Swarm[:], Kind: 9}, func(*murmurv1.Envelope) {}, false},
		"a broken one":      {&murmurv1.Notice{Swarm: prototest.Swarm[:]}, func(e *murmurv1.Envelope) { e.Sig[0] ^= 1 }, false},
		"without signature": {&murmurv1.Notice{Swarm: prototest.Swarm[:]}, func(e *murmurv1.Envelope) { e.Sig = nil }, false},
	} {
		e := proto.Seal(prototest.Key(9), proto.DomainNotice, proto.Encode(c.notice))
		c.change(e)
		n, err := OpenNotice(prototest.Swarm, e)
		if (err == nil) != c.ok || c.ok && (n.Subject != string(prototest.Peer(3)) || n.ID != proto.Sum(e.Payload) || n.Signed != e) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}
