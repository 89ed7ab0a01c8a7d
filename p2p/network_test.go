package p2p

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/murmurnet/murmur/p2p/gossip"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// wait reads messages until one fits.
func wait(t *testing.T, n *Network, what string, fits func(gossip.Message) bool) gossip.Message {
	t.Helper()
	end := time.After(10 * time.Second)
	for {
		select {
		case m := <-n.Messages():
			if fits(m) {
				return m
			}
		case <-end:
			t.Fatalf("no %s came", what)
		}
	}
}

func TestGossipBothWaysSoonAfterStart(t *testing.T) {
	began := time.Now()
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	nodes := []*Network{a, b}
	until(t, a, 10*time.Second, "each node knows that the other listens", func() bool { return hearers(a) == 1 && hearers(b) == 1 })
	ctx := t.Context()
	for i, n := range nodes {
		if err := n.PublishHeartbeat(ctx, prototest.Heartbeat(7)); err != nil {
			t.Fatal(err)
		}
		if err := n.PublishUpdate(ctx, prototest.Update(i+1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := n.PublishAnnounce(ctx, prototest.Announce(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range nodes {
		other := prototest.Peer(2 - i)
		seen := make(map[string]gossip.Message)
		for len(seen) < 3 {
			m := wait(t, n, "update, announcement and heartbeat", func(gossip.Message) bool { return true })
			seen[fmt.Sprint(m.Update != nil, m.Announce != nil, m.Heartbeat != nil)] = m
			if m.Author != other || m.Via != other {
				t.Errorf("node %d: author %s via %s, want %s", i+1, m.Author, m.Via, other)
			}
		}
		if m, ok := seen["false false true"]; !ok || m.Heartbeat.Tokens != 7 {
			t.Errorf("node %d: the heartbeat came as %v", i+1, m.Heartbeat)
		}
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("start to gossip took %v", d)
	} else {
		t.Logf("start to gossip took %v", d)
	}
}

func TestBadPublishIsRefused(t *testing.T) {
	a := start(t, 1, nil)
	if err := a.PublishUpdate(t.Context(), prototest.Announce(1)); err == nil {
		t.Error("an announcement went out as an update")
	}
	if err := a.PublishHeartbeat(t.Context(), &murmurv1.Heartbeat{}); err == nil {
		t.Error("an empty heartbeat went out")
	}
}

func TestSync(t *testing.T) {
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	resp, err := b.Request(t.Context(), a.ID(), &murmurv1.SyncRequest{Author: []byte("here")})
	if err != nil {
		t.Fatal(err)
	}
	if string(resp.Head) != "here" || string(resp.Manifest) != string(b.ID()) {
		t.Errorf("got head %q for %q", resp.Head, resp.Manifest)
	}
	big := &murmurv1.SyncRequest{Author: bytes.Repeat([]byte{1}, 65<<10)}
	if _, err := b.Request(t.Context(), a.ID(), big); err == nil {
		t.Error("a request over the limit was answered")
	}
	if _, err := b.Request(t.Context(), b.ID(), &murmurv1.SyncRequest{}); err == nil {
		t.Error("a node answered itself")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Request(ctx, prototest.Peer(9), &murmurv1.SyncRequest{}); err == nil {
		t.Error("an unknown peer answered")
	}
}

// TestAnsweredAtOnce asks so short a question that the answer may be there, and the other
// side gone, before it is closed.
func TestAnsweredAtOnce(t *testing.T) {
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 250 {
				if err := ask(b, a); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	asking.Wait()
}

func TestSyncRefusal(t *testing.T) {
	a := start(t, 1, func(p *Params) { p.Sync = echoSync{errors.New("not today")} })
	b := start(t, 2, bootstrap(a))
	if _, err := b.Request(t.Context(), a.ID(), &murmurv1.SyncRequest{}); err == nil {
		t.Error("a refused question was answered")
	}
}

func TestStartsAloneAndFindsThePeerLater(t *testing.T) {
	hold, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", hold.Addr().(*net.TCPAddr).Port)
	if err := hold.Close(); err != nil { // nobody is there for now
		t.Fatal(err)
	}
	began := time.Now()
	a := start(t, 1, func(p *Params) { p.Bootstrap = []string{addr + "/p2p/" + prototest.Peer(2).String()} })
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("the start took %v without any peer", d)
	}
	until(t, a, 10*time.Second, "a first dial that fails", func() bool { return len(a.Attempts()) > 0 })
	b := start(t, 2, func(p *Params) { p.Listen = []string{addr} })
	until(t, a, 10*time.Second, "the peer is found", func() bool { return len(a.Connected()) == 1 })
	if got := a.Connected()[0]; got != b.ID() {
		t.Errorf("connected to %s, want %s", got, b.ID())
	}
}

func TestRestartedPeerIsFoundAgain(t *testing.T) {
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	c := start(t, 3, bootstrap(a))
	until(t, c, 10*time.Second, "three nodes know each other", func() bool {
		return len(a.Connected()) == 2 && len(b.Connected()) == 2 && len(c.Connected()) == 2
	})
	// b knows no address but the one that it had; the others must dial it.
	listen := b.Addrs()
	for i, s := range listen {
		listen[i], _, _ = strings.Cut(s, "/p2p/")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, a, 10*time.Second, "the others notice", func() bool { return len(a.Connected()) == 1 })
	began := time.Now()
	again := start(t, 2, func(p *Params) { p.Listen = listen })
	until(t, again, 12*time.Second, "the restarted node has both neighbours", func() bool { return len(again.Connected()) == 2 })
	t.Logf("found again after %v", time.Since(began))
}

func TestPortInUse(t *testing.T) {
	a := start(t, 1, nil)
	for _, full := range a.Addrs() {
		addr, _, _ := strings.Cut(full, "/p2p/")
		p := testParams(2)
		p.Listen = []string{addr}
		n, err := New(t.Context(), p)
		if !errors.Is(err, ErrPortInUse) {
			t.Errorf("%s: got %v, want %v", addr, err, ErrPortInUse)
			if err == nil {
				_ = n.Close()
			}
			continue
		}
		port := strings.FieldsFunc(addr, func(r rune) bool { return r == '/' })[3]
		if s := err.Error(); strings.Contains(s, "\n") || !strings.Contains(s, port) {
			t.Errorf("%q does not name port %s in one line", s, port)
		}
	}
}

func TestAddressThatCannotBeListenedOn(t *testing.T) {
	// A documentation address is on no machine: alone it is an error, beside a
	// good one (as IPv6 on a machine without it) it is not.
	const nowhere = "/ip6/2001:db8::1/udp/0/quic-v1"
	p := testParams(1)
	p.Listen = []string{nowhere}
	if n, err := New(t.Context(), p); err == nil {
		_ = n.Close()
		t.Error("listening nowhere went well")
	} else if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
	a := start(t, 1, func(p *Params) { p.Listen = append(p.Listen, nowhere) })
	if len(a.Addrs()) != 2 {
		t.Errorf("addresses %v, want the two on 127.0.0.1", a.Addrs())
	}
}

func TestParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"key":       func(p *Params) { p.Key = nil },
		"swarm":     func(p *Params) { p.Swarm = [32]byte{} },
		"blobs":     func(p *Params) { p.Blobs = nil },
		"sync":      func(p *Params) { p.Sync = nil },
		"log":       func(p *Params) { p.Log = nil },
		"listen":    func(p *Params) { p.Listen = []string{"0.0.0.0:4101"} },
		"bootstrap": func(p *Params) { p.Bootstrap = []string{"/ip4/192.0.2.1/udp/4101/quic-v1"} },
	} {
		p := testParams(1)
		change(&p)
		if err := p.Validate(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("wrong %s: %v, want one line", name, err)
		}
	}
}

func TestPeers(t *testing.T) {
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "connected and identified", func() bool {
		p := b.Peers()
		return len(p) == 1 && p[0].Connected && p[0].Agent != ""
	})
	p := b.Peers()[0]
	if p.ID != a.ID() || p.Path != "lan" || p.Direction != "outbound" || p.Agent != "murmur/0.0.0-test" || len(p.Addrs) == 0 || p.BytesIn == 0 {
		t.Errorf("unexpected peer %+v", p)
	}
	until(t, a, 10*time.Second, "the other side, too", func() bool { return len(a.Peers()) == 1 && a.Peers()[0].Connected })
	if d := a.Peers()[0].Direction; d != "inbound" {
		t.Errorf("direction %q, want inbound", d)
	}
	tr := b.Traffic()
	if tr.BytesIn == 0 || tr.BytesOut == 0 || len(tr.Protocols) == 0 {
		t.Errorf("no traffic counted: %+v", tr)
	}
}

func TestForeignHostIsLeft(t *testing.T) {
	a := start(t, 1, nil)
	b := start(t, 2, func(p *Params) {
		p.Swarm[0]++
		bootstrap(a)(p)
	})
	until(t, b, 10*time.Second, "no connection stays", func() bool { return len(b.Connected()) == 0 && len(a.Connected()) == 0 })
	until(t, b, 10*time.Second, "it says so", func() bool {
		as := b.Attempts()
		return len(as) == 1 && as[0].Why == "it is not of this swarm: is the join link the right one?"
	})
	// Not in a minute, which is long for one that was merely not reached, but in five.
	until(t, b, 10*time.Second, "the peer of another swarm is put back", func() bool {
		due := func(in time.Duration) int { return len(b.peers.Due(time.Now().Add(in), 1, b.connected, true)) }
		return due(time.Minute) == 0 && due(6*time.Minute) == 1
	})
}

// TestAnotherVersionOfTheProtocol meets a peer of the swarm whose murmur is of another time.
func TestAnotherVersionOfTheProtocol(t *testing.T) {
	a := start(t, 1, nil)
	a.host.RemoveStreamHandler(a.syncID)
	a.host.SetStreamHandler(a.prefix+"/sync/2", func(s network.Stream) { _ = s.Reset() })
	b := start(t, 2, bootstrap(a))
	want := "it speaks version 2 of this swarm's protocol and this node version 1: the older of the two needs a newer murmur (there: murmur/0.0.0-test)"
	until(t, b, 10*time.Second, "it says so", func() bool {
		as := b.Attempts()
		return len(as) == 1 && as[0].Why == want
	})
	if len(b.Connected()) > 0 {
		t.Error("they stay connected")
	}
}

func TestClose(t *testing.T) {
	p := testParams(1)
	p.Bootstrap = []string{"/ip4/192.0.2.1/udp/4101/quic-v1/p2p/" + prototest.Peer(2).String()}
	n, err := New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > closeTimeout {
		t.Errorf("closing took %v", d)
	}
	if err := n.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
