package gossip

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
	"github.com/murmurnet/murmur/proto/wire"
)

func gossipOf(kind any) []byte {
	g := new(murmurv1.Gossip)
	switch k := kind.(type) {
	case *murmurv1.Update:
		g.Kind = &murmurv1.Gossip_Update{Update: proto.Seal(prototest.Key(1), proto.DomainUpdate, proto.Encode(k))}
	case *murmurv1.Announce:
		g.Kind = &murmurv1.Gossip_Announce{Announce: proto.Seal(prototest.Key(1), proto.DomainAnnounce, proto.Encode(k))}
	case *murmurv1.Heartbeat:
		g.Kind = &murmurv1.Gossip_Heartbeat{Heartbeat: k}
	}
	return proto.Encode(g)
}

func goodUpdate(change func(*murmurv1.Update)) *murmurv1.Update {
	u := &murmurv1.Update{
		Swarm: prototest.Swarm[:], Author: []byte(prototest.Peer(1)), Parent: make([]byte, 32), Height: 3, Seq: 1,
		Tokens: 100, Payload: make([]byte, 32), PayloadSize: 100, Loss: 2,
	}
	if change != nil {
		change(u)
	}
	return u
}

func goodAnnounce(change func(*murmurv1.Announce)) *murmurv1.Announce {
	a := &murmurv1.Announce{Swarm: prototest.Swarm[:], Commit: make([]byte, 32), Parent: make([]byte, 32), Closer: []byte(prototest.Peer(1))}
	if change != nil {
		change(a)
	}
	return a
}

func badHeartbeat(change func(*murmurv1.Heartbeat)) []byte {
	h := prototest.Heartbeat(1)
	change(h)
	return gossipOf(h)
}

func TestCheck(t *testing.T) {
	envelope := func(change func(*murmurv1.Envelope)) []byte {
		e := proto.Seal(prototest.Key(1), proto.DomainUpdate, proto.Encode(goodUpdate(nil)))
		change(e)
		return proto.Encode(&murmurv1.Gossip{Kind: &murmurv1.Gossip_Update{Update: e}})
	}
	other := proto.Sum([]byte("another swarm"))
	future := protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), []byte("news"))
	for _, c := range []struct {
		name       string
		heartbeats bool
		data       []byte
		bad        string // "" = good
	}{
		{name: "update", data: gossipOf(goodUpdate(nil))},
		{name: "announcement", data: gossipOf(goodAnnounce(nil))},
		{name: "heartbeat", heartbeats: true, data: gossipOf(prototest.Heartbeat(5))},
		{name: "heartbeat with a new field", heartbeats: true, data: append(gossipOf(prototest.Heartbeat(5)), future...)},
		{name: "paused heartbeat", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Rate, h.Paused = 0, true })},

		{name: "nothing", data: nil, bad: "empty"},
		{name: "noise", data: []byte("not protobuf at all"), bad: "decoding"},
		{name: "a kind of the future", data: future, bad: "does not know"},
		{name: "over the size", data: bytes.Repeat([]byte{0}, proto.MaxGossip+1), bad: "at most"},
		{name: "over the envelope's size", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.Payload = make([]byte, 3000) })), bad: "at most"},
		{name: "update among heartbeats", heartbeats: true, data: gossipOf(goodUpdate(nil)), bad: "topic"},
		{name: "heartbeat among updates", data: gossipOf(prototest.Heartbeat(5)), bad: "topic"},
		{name: "no envelope", data: proto.Encode(&murmurv1.Gossip{Kind: &murmurv1.Gossip_Update{}}), bad: "key"},

		{name: "bad signature", data: envelope(func(e *murmurv1.Envelope) { e.Sig[3] ^= 1 }), bad: "signature"},
		{name: "changed payload", data: envelope(func(e *murmurv1.Envelope) { e.Payload[3] ^= 1 }), bad: "signature"},
		{name: "short signature", data: envelope(func(e *murmurv1.Envelope) { e.Sig = e.Sig[:63] }), bad: "signature"},
		{name: "short key", data: envelope(func(e *murmurv1.Envelope) { e.Key = e.Key[:31] }), bad: "key"},
		{name: "another's key", data: envelope(func(e *murmurv1.Envelope) { e.Key = prototest.Key(2).Public().(ed25519.PublicKey) }), bad: "signature"},
		{name: "announcement as an update", data: envelope(func(e *murmurv1.Envelope) {
			*e = murmurv1.Envelope{Payload: e.Payload, Key: e.Key, Sig: ed25519.Sign(prototest.Key(1), append([]byte(proto.DomainAnnounce+"\x00"), e.Payload...))}
		}), bad: "signature"},

		{name: "update of another swarm", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.Swarm = other[:] })), bad: "swarm"},
		{name: "update of another author", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.Author = []byte(prototest.Peer(2)) })), bad: "author"},
		{name: "update with a short parent", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.Parent = u.Parent[:31] })), bad: "id"},
		{name: "update without a payload", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.Payload = nil })), bad: "id"},
		{name: "update with a giant payload", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.PayloadSize = proto.MaxBlob + 1 })), bad: "payload"},
		{name: "update with a NaN", data: gossipOf(goodUpdate(func(u *murmurv1.Update) { u.Loss = float32(math.NaN()) })), bad: "loss"},
		{name: "announcement of another swarm", data: gossipOf(goodAnnounce(func(a *murmurv1.Announce) { a.Swarm = nil })), bad: "swarm"},
		{name: "announcement of another closer", data: gossipOf(goodAnnounce(func(a *murmurv1.Announce) { a.Closer = []byte(prototest.Peer(2)) })), bad: "closer"},
		{name: "announcement of no commit", data: gossipOf(goodAnnounce(func(a *murmurv1.Announce) { a.Commit = nil })), bad: "id"},

		{name: "heartbeat of another swarm", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Swarm = other[:] }), bad: "swarm"},
		{name: "heartbeat without a head", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Head = nil }), bad: "id"},
		{name: "infinite rate", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Rate = math.Inf(1) }), bad: "rate"},
		{name: "rate that is no number", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Rate = math.NaN() }), bad: "rate"},
		{name: "negative rate", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Rate = -1 }), bad: "rate"},
		{name: "long reason", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.Why = strings.Repeat("x", wire.MaxWhy+1) }), bad: "text"},
		{name: "long interval", heartbeats: true, data: badHeartbeat(func(h *murmurv1.Heartbeat) { h.IntervalMs = 1 << 31 }), bad: "interval"},
	} {
		m, err := check(prototest.Swarm, c.heartbeats, prototest.Peer(1), c.data)
		switch {
		case c.bad == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.bad == "" && m.Author != prototest.Peer(1):
			t.Errorf("%s: author %s", c.name, m.Author)
		case c.bad != "" && err == nil:
			t.Errorf("%s: passed", c.name)
		case c.bad != "" && !strings.Contains(err.Error(), c.bad):
			t.Errorf("%s: %q does not say %q", c.name, err, c.bad)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range [][]byte{
		nil, gossipOf(goodUpdate(nil)), gossipOf(goodAnnounce(nil)), gossipOf(prototest.Heartbeat(5)),
		badHeartbeat(func(h *murmurv1.Heartbeat) { h.Rate = math.Inf(-1) }),
		{0x0a, 0x00},
		bytes.Repeat([]byte{0xff}, proto.MaxGossip+1),
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, heartbeats bool) {
		m, err := check(prototest.Swarm, heartbeats, prototest.Peer(1), data)
		if err != nil {
			return
		}
		kinds := 0
		for _, set := range []bool{m.Update != nil, m.Announce != nil, m.Heartbeat != nil} {
			if set {
				kinds++
			}
		}
		if kinds != 1 || heartbeats != (m.Heartbeat != nil) || len(data) > proto.MaxGossip {
			t.Fatalf("passed with %d kinds on heartbeats=%v, %d bytes", kinds, heartbeats, len(data))
		}
		if m.Update != nil {
			if signer, err := proto.Open(m.Update.Signed, proto.DomainUpdate); err != nil || signer != m.Author {
				t.Fatalf("passed unsigned: %v", err)
			}
		}
		if h := m.Heartbeat; h != nil && !(h.Rate >= 0 && h.Rate <= wire.MaxRate) {
			t.Fatalf("passed with rate %v", h.Rate)
		}
	})
}

func TestAdmit(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := topics(func() time.Time { return now }, func(peer.ID) bool { return true })
	const year = 365 * 24 * uint64(time.Hour)
	seq := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	for _, c := range []struct {
		name      string
		after     time.Duration
		from, via peer.ID // via: itself where empty
		seqno     []byte
		heartbeat bool
		want      bool
	}{
		{name: "first", from: "a", seqno: seq(100), heartbeat: true, want: true},
		{name: "again", after: time.Second, from: "a", seqno: seq(100), heartbeat: true},
		{name: "older", after: time.Second, from: "a", seqno: seq(99), heartbeat: true},
		{name: "newer", after: time.Second, from: "a", seqno: seq(101), heartbeat: true, want: true},
		{name: "an update may be late", after: time.Second, from: "a", seqno: seq(50), want: true},
		{name: "another author", from: "b", seqno: seq(1), heartbeat: true, want: true},
		{name: "no seqno", after: time.Second, from: "a", heartbeat: true},
		{name: "older, a long time later", after: authorMemory + time.Minute, from: "a", seqno: seq(5), heartbeat: true, want: true},
		{name: "with the clock a year on", after: time.Second, from: "a", seqno: seq(year), heartbeat: true, want: true},
		{name: "with the clock back, from a neighbour", after: time.Second, from: "a", via: "b", seqno: seq(200), heartbeat: true},
		{name: "with the clock back, from itself", after: time.Second, from: "a", seqno: seq(201), heartbeat: true, want: true},
		{name: "older, of the same life, after two minutes' silence", after: 2 * time.Minute, from: "a", via: "b", seqno: seq(200), heartbeat: true},
		{name: "the next, from a neighbour", after: time.Second, from: "a", via: "b", seqno: seq(202), heartbeat: true, want: true},
		{name: "overtaken by that", from: "a", seqno: seq(201), heartbeat: true},
		{name: "the clock is a year on again", after: time.Second, from: "a", via: "b", seqno: seq(year), heartbeat: true, want: true},
		{name: "updates go on", after: 30 * time.Second, from: "a", via: "b", seqno: seq(301), want: true},
		{name: "back, from a neighbour, soon", after: 25 * time.Second, from: "a", via: "b", seqno: seq(302), heartbeat: true},
		{name: "back, from a neighbour, after a minute's silence", after: 10 * time.Second, from: "a", via: "b", seqno: seq(303), heartbeat: true, want: true},
	} {
		now = now.Add(c.after)
		if c.via == "" {
			c.via = c.from
		}
		if got := g.admit(c.from, c.via, c.seqno, c.heartbeat); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := g.dropped.all(); got["stale"] != 6 || got["malformed"] != 1 || got["rate"] != 0 {
		t.Errorf("dropped: %v", got)
	}
	passed := 0
	for i := range uint64(100) {
		if g.admit("flood", "a", seq(i+1), true) {
			passed++
		}
	}
	if passed != authorBurst || g.dropped.all()["rate"] != 100-authorBurst {
		t.Errorf("%d of a flood of 100 passed, want %d; dropped: %v", passed, authorBurst, g.dropped.all())
	}
	now = now.Add(time.Second)
	if !g.admit("flood", "a", seq(1000), true) {
		t.Error("an author that flooded once is never heard again")
	}
	for i := range maxAuthors + 10 { // each speaks for itself
		g.admit(peer.ID(seq(uint64(i))), peer.ID(seq(uint64(i))), seq(1), true)
	}
	if len(g.authors) > maxAuthors {
		t.Errorf("%d authors are remembered", len(g.authors))
	}
}

// TestEchoes has a neighbour repeat what a member said long ago, fifty messages a second: what the member says itself is heard, and so
// are its newest messages by way of others.
func TestEchoes(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := topics(func() time.Time { return now }, func(peer.ID) bool { return false })
	seq := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	newest := uint64(1e18)
	for second := range uint64(60) {
		for range 4 {
			newest++
			if !g.admit("member", "member", seq(newest), newest%2 == 0) {
				t.Fatalf("second %d: the member is not heard", second)
			}
		}
		for i := range uint64(50) {
			old := newest - 5000 + 50*second + i
			if g.admit("member", "parrot", seq(old), i%2 == 0) {
				t.Fatalf("second %d: message %d passed again", second, newest-old)
			}
		}
		if !g.admit("member", "other", seq(newest-2), false) {
			t.Fatalf("second %d: the member is not heard by way of others", second)
		}
		now = now.Add(time.Second)
	}
	for i := range uint64(2 * authorBurst) { // of an earlier life: no number tells that it is old
		g.admit("member", "parrot", seq(uint64(9e17)+i), false)
	}
	if !g.admit("member", "member", seq(newest+1), false) {
		t.Error("echoes use up what a member may say")
	}
}

// TestInventedAuthors has a neighbour pass on what a thousand authors say that nobody knows: few get through, and
// neither members, nor who speaks for itself, nor what others pass on is hurt. Old heartbeats stay old.
func TestInventedAuthors(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := topics(func() time.Time { return now }, func(p peer.ID) bool { return p != "member" })
	seq := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	if !g.admit("member", "liar", seq(5), true) {
		t.Error("a member was not heard")
	}
	passed := 0
	for second := range 30 {
		for i := range 1024 {
			if g.admit(peer.ID(fmt.Sprintf("key %d %d", second, i)), "liar", seq(1), true) {
				passed++
			}
		}
		now = now.Add(time.Second)
	}
	if most := strangerBurst + 30*strangerRate; passed > most {
		t.Errorf("%d of 30,720 passed, at most %d may", passed, most)
	}
	for i := range 2 * maxAuthors {
		g.admit(peer.ID(fmt.Sprintf("self %d", i)), peer.ID(fmt.Sprintf("self %d", i)), seq(1), true)
	}
	if len(g.authors) > maxAuthors || len(g.neighbours) > maxNeighbours {
		t.Errorf("%d authors and %d neighbours are remembered", len(g.authors), len(g.neighbours))
	}
	if g.admit("member", "liar", seq(5), true) {
		t.Error("a member's old heartbeat passed again")
	}
	if !g.admit("member", "liar", seq(6), true) || !g.admit("newcomer", "newcomer", seq(1), true) || !g.admit("newcomer 2", "honest", seq(1), true) {
		t.Error("somebody else was not heard")
	}
	if n := g.allowed("flood", 5000); n != neighbourBurst {
		t.Errorf("%d messages at once are looked at", n)
	}
	now = now.Add(time.Second)
	if n := g.allowed("flood", 5000); n != neighbourRate {
		t.Errorf("%d messages a second are looked at", n)
	}
}
