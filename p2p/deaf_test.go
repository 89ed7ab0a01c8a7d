package p2p

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto/prototest"
)

// TestGossipComesBack ends the stream by which one node gossips to another, and
// nothing else: what libp2p does of itself then leaves the other without a word for
// as long as they are connected.
func TestGossipComesBack(t *testing.T) {
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	until(t, a, 10*time.Second, "they gossip", func() bool {
		return slices.Contains(a.gossip.Subscribers(), b.host.ID()) && slices.Contains(b.gossip.Subscribers(), a.host.ID())
	})
	cut := 0
	for _, c := range a.host.Network().ConnsToPeer(b.host.ID()) {
		for _, s := range c.GetStreams() {
			if strings.Contains(string(s.Protocol()), "meshsub") && s.Stat().Direction == network.DirOutbound {
				cut++
				_ = s.Reset()
			}
		}
	}
	if cut != 1 {
		t.Fatalf("%d streams of gossip from one to the other, want 1", cut)
	}
	until(t, a, 5*time.Second, "gossip has lost the peer", func() bool {
		return !slices.Contains(a.gossip.Subscribers(), b.host.ID())
	})
	began := time.Now()
	heard := false
	until(t, a, 15*time.Second, "the other hears again", func() bool {
		_ = a.PublishHeartbeat(t.Context(), prototest.Heartbeat(1))
		select {
		case m := <-b.Messages():
			heard = m.Author == prototest.Peer(1) && time.Since(began) > 100*time.Millisecond
		default:
		}
		return heard
	})
	t.Logf("heard again after %v", time.Since(began))
}

func TestDeafAreReconnectedLessAndLess(t *testing.T) {
	d, now := deaf{}, time.Unix(1, 0)
	ids := []peer.ID{"one"}
	var gaps []time.Duration
	last := now
	for range 3600 {
		now = now.Add(time.Second)
		if len(d.due(now, ids, nil)) > 0 {
			gaps = append(gaps, now.Sub(last))
			last = now
		}
	}
	if len(gaps) < 10 || gaps[0] > 5*time.Second || gaps[len(gaps)-1] < deafMost || gaps[len(gaps)-1] > deafMost+5*time.Second {
		t.Errorf("one that stays deaf is reconnected after %v", gaps)
	}
	if d.due(now, ids, ids); len(d) != 0 {
		t.Errorf("one that hears is remembered: %v", d)
	}
	for range 10 {
		now = now.Add(time.Second)
		if got := d.due(now, ids, ids); len(got) != 0 {
			t.Fatalf("one that hears is reconnected")
		}
	}
}
