package peerbook

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/murmurnet/murmur/proto/prototest"
)

func addrs(port int) []multiaddr.Multiaddr {
	return []multiaddr.Multiaddr{multiaddr.StringCast(fmt.Sprintf("/ip4/192.0.2.7/udp/%d/quic-v1", port))}
}

// peerOf is the id of node i, the same in every run.
func peerOf(i int) peer.ID { return peer.ID(prototest.Peer(i)) }

func open(t *testing.T, file string) *Peers {
	t.Helper()
	b, err := New(Params{Self: peerOf(0), File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPeersOnDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers.json")
	b := open(t, file)
	b.Met(peerOf(1), addrs(4101))
	b.Learn(peer.AddrInfo{ID: peerOf(2), Addrs: addrs(4102)}) // never reached
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	again := open(t, file)
	if got := again.IDs(); len(got) != 1 || got[0] != peerOf(1) {
		t.Fatalf("came back with %v", got)
	}
	if got := again.Addrs(peerOf(1)); len(got) != 1 || !got[0].Equal(addrs(4101)[0]) {
		t.Errorf("came back with addresses %v", got)
	}
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Save(); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(file); err != nil || !now.ModTime().Equal(st.ModTime()) {
		t.Errorf("an unchanged file was written: %v", err)
	}
	future := `[{"id":"` + peerOf(1).String() + `","addrs":["/ip4/192.0.2.7/udp/4101/quic-v1"],"seen":"2199-01-02T03:04:05Z"}]`
	if err := os.WriteFile(file, []byte(future), 0o600); err != nil {
		t.Fatal(err)
	}
	again = open(t, file)
	if k := again.peers[peerOf(1)]; k == nil || time.Until(k.seen) > 0 {
		t.Errorf("a peer that was seen in the future came back as %+v", k)
	}
	for name, content := range map[string]string{
		"noise": "{", "wrong shape": `{"a":1}`, "a bad peer": `[{"id":"x","addrs":["/ip4/192.0.2.1/tcp/1"]}]`,
		"a bad address": `[{"id":"` + peerOf(1).String() + `","addrs":["here"]}]`, "too large": strings.Repeat(" ", maxFile+1),
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := open(t, file).IDs(); len(got) != 0 {
			t.Errorf("%s: came back with %v", name, got)
		}
	}
}

func TestPeersAreBounded(t *testing.T) {
	b := open(t, "")
	fixed := peerOf(1)
	b.peers[fixed] = &known{fixed: addrs(4101)}
	b.Met("met", addrs(4102))
	for i := range 2 * MaxPeers {
		b.Learn(peer.AddrInfo{ID: peer.ID(fmt.Sprint("learnt ", i)), Addrs: addrs(5000 + i)})
	}
	if len(b.peers) > MaxPeers {
		t.Errorf("%d peers are remembered", len(b.peers))
	}
	if b.peers[fixed] == nil || b.peers["met"] == nil {
		t.Error("hearsay pushed out a peer that was met or that the operator named")
	}
	b.Met("many", nil)
	for i := range 2 * maxPeerAddrs {
		b.Learn(peer.AddrInfo{ID: "many addresses", Addrs: addrs(7000 + i)})
	}
	if n := len(b.Addrs("many addresses")); n > maxPeerAddrs {
		t.Errorf("%d addresses of one peer are remembered", n)
	}
}

// TestWhoTakesPartStays: however many keys come by, and whenever, they push out none that takes part.
func TestWhoTakesPartStays(t *testing.T) {
	in := func(id peer.ID) bool { return strings.HasPrefix(string(id), "member") }
	b, err := New(Params{Self: peerOf(0), Known: in, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	const members = 100
	for i := range members {
		b.Met(peer.ID(fmt.Sprint("member ", i)), addrs(4101))
	}
	for i := range 2 * MaxPeers {
		b.Met(peer.ID(fmt.Sprint("key ", i)), addrs(4102))
	}
	here := 0
	for _, id := range b.IDs() {
		if in(id) {
			here++
		}
	}
	if here != members || len(b.IDs()) > MaxPeers {
		t.Errorf("%d of %d members are among %d peers", here, members, len(b.IDs()))
	}
	if b.peers[peer.ID(fmt.Sprint("key ", 2*MaxPeers-1))] == nil {
		t.Error("who came last is not remembered")
	}
	for i := range 2 * MaxPeers {
		b.Met(peer.ID(fmt.Sprint("member ", i)), addrs(4101))
	}
	if len(b.IDs()) > MaxPeers {
		t.Errorf("%d peers are remembered where all take part", len(b.IDs()))
	}
}

// TestLongAddresses: as many peers as there may be, each at as many addresses, as long as they may be, are read again from their file.
func TestLongAddresses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers.json")
	b := open(t, file)
	b.Met(peerOf(1), addrs(4101))
	ma := func(s string) multiaddr.Multiaddr {
		m, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	long := func(i int, letter string, n int) (as []multiaddr.Multiaddr) {
		for j := range maxPeerAddrs {
			as = append(as, ma(fmt.Sprintf("/dns/%04d%02d%s/udp/4101/quic-v1", i, j, strings.Repeat(letter, n))))
		}
		return append([]multiaddr.Multiaddr{ma("/ip4/192.0.2.7/udp/4101" + strings.Repeat("/quic-v1", 1000))}, as...)
	}
	for i := range MaxPeers - 1 {
		b.Met(peerOf(2+i), append(long(i, "&", 290), long(i, "x", 290)...))
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if n := len(open(t, file).IDs()); n != MaxPeers {
		st, err := os.Stat(file)
		t.Errorf("%d of %d peers came back from a file of %d bytes, %v", n, MaxPeers, st.Size(), err)
	}
	if n := len(b.Addrs(peerOf(2))); n != maxPeerAddrs {
		t.Errorf("%d addresses of a peer are kept, want %d", n, maxPeerAddrs)
	}
}

func TestRetries(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		k      known
		alone  bool
		absent int
		most   time.Duration
		least  time.Duration
	}{
		"never tried":          {k: known{}, most: 0},
		"first failure":        {k: known{failures: 1, tried: now}, most: 2 * firstRetry, least: firstRetry},
		"seen a minute ago":    {k: known{failures: 40, tried: now, seen: now.Add(-time.Minute)}, most: retryRecent, least: retryRecent / 2},
		"nobody is connected":  {k: known{failures: 40, tried: now}, alone: true, most: retryRecent, least: retryRecent / 2},
		"named, gone for long": {k: known{failures: 40, tried: now, fixed: addrs(1), seen: now.Add(-time.Hour)}, absent: 100, most: retryFixed, least: retryFixed / 2},
		"of another swarm":     {k: known{failures: 16, tried: now, fixed: addrs(1), foreign: true}, alone: true, most: retryForeign, least: retryForeign / 2},
		"one of a hundred":     {k: known{failures: 40, tried: now}, absent: 100, most: 100 * retryEach, least: 50 * retryEach},
		"the only one":         {k: known{failures: 40, tried: now}, absent: 1, most: retryRecent, least: retryRecent / 2},
	} {
		for range 100 {
			if d := c.k.wait(now, c.alone, c.absent); d > c.most || d < c.least {
				t.Errorf("%s: next try after %v, want %v to %v", name, d, c.least, c.most)
				break
			}
		}
	}
}

func TestDue(t *testing.T) {
	b := open(t, "")
	for i := range 5 {
		b.Learn(peer.AddrInfo{ID: peer.ID(fmt.Sprint(i)), Addrs: addrs(4000 + i)})
	}
	now := time.Now()
	here := func(id peer.ID) bool { return id == "0" }
	first := b.Due(now, 3, here, false)
	second := b.Due(now, 3, here, false)
	if len(first) != 3 || len(second) != 1 {
		t.Fatalf("%d, then %d are due, want 3, then 1", len(first), len(second))
	}
	b.Failed(first[0].ID, []Attempt{{Why: "no answer"}})
	if got := b.Due(now.Add(time.Minute), 3, here, false); len(got) != 1 || got[0].ID != first[0].ID {
		t.Errorf("due after a failure: %v, want %v", got, first[0].ID)
	}
}

// TestInvented: peers that others invent, and addresses that they tell of one that was lost, do not keep those that were
// reached from being dialled, nor first where they were.
func TestInvented(t *testing.T) {
	b := open(t, "")
	now := time.Now().Add(time.Minute)
	nobody := func(peer.ID) bool { return false }
	b.Met("lost", addrs(4101))
	b.Left("lost")
	b.Failed("lost", nil)
	for i := range MaxPeers {
		b.Learn(peer.AddrInfo{ID: peer.ID(fmt.Sprint("invented ", i)), Addrs: addrs(5000 + i)})
	}
	for i := range 2 * maxPeerAddrs {
		b.Learn(peer.AddrInfo{ID: "lost", Addrs: addrs(6000 + i)})
	}
	due := b.Due(now, 8, nobody, false)
	if len(due) != 1+maxFresh || due[0].ID != "lost" {
		t.Errorf("%d are dialled, first %v; want %d, first the one that was lost", len(due), due[0].ID, 1+maxFresh)
	}
	if at := due[0].Addrs; !at[0].Equal(addrs(4101)[0]) || len(at) != 1+maxTold {
		t.Errorf("it is dialled at %v", at)
	}
	if more := b.Due(now, 8, nobody, false); len(more) != 0 {
		t.Errorf("%d more are dialled while none has answered", len(more))
	}
	b.Failed(due[1].ID, nil)
	if more := b.Due(now, 8, nobody, false); len(more) != 1 {
		t.Errorf("%d more are dialled after one has failed", len(more))
	}
}

func TestParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"self":      func(p *Params) { p.Self = "" },
		"log":       func(p *Params) { p.Log = nil },
		"bootstrap": func(p *Params) { p.Bootstrap = []string{"/ip4/192.0.2.1/udp/4101/quic-v1"} },
	} {
		p := Params{Self: peerOf(0), Log: slog.New(slog.DiscardHandler)}
		change(&p)
		if _, err := New(p); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("wrong %s: %v, want one line", name, err)
		}
	}
}
