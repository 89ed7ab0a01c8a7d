package p2p

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/murmurnet/murmur/proto"
)

// TestNewcomerAmongInventedAuthors has a neighbour speak in the names of 1,024 authors, as fast as it can: a newcomer is
// heard all the same, and few of the authors are.
func TestNewcomerAmongInventedAuthors(t *testing.T) {
	a := start(t, 1, nil)
	rogue := start(t, 2, func(p *Params) {
		bootstrap(a)(p)
		p.Known = func(proto.PeerID) bool { return true } // or it would not let them out
	})
	until(t, rogue, 10*time.Second, "it is connected", func() bool { return len(rogue.Connected()) == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { speakAsMany(ctx, rogue) })
	until(t, a, 20*time.Second, "the flood is dropped", func() bool { return a.Traffic().Dropped["rate"] > 100 })
	c := start(t, 3, bootstrap(a))
	heard, invented, began := 0, map[string]bool{}, time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for heard < 5 {
		select {
		case m := <-a.Messages():
			if m.Author == c.ID() {
				heard++
			} else {
				invented[fmt.Sprint(m.Author)] = true
			}
		case <-tick.C:
			if err := c.PublishHeartbeat(ctx, heartbeat(7)); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("a newcomer was heard %d times in 20 s", heard)
		}
	}
	if most := strangerBurst + strangerRate*25; len(invented) > most {
		t.Errorf("%d invented authors were heard", len(invented))
	}
}

// speakAsMany says heartbeats in the names of 1,024 authors, as fast as it can.
func speakAsMany(ctx context.Context, n *Network) {
	for i := 0; ctx.Err() == nil; i++ {
		key, err := crypto.UnmarshalEd25519PrivateKey(testKey(1000 + i%1024))
		if err != nil {
			panic(err)
		}
		id := peer.ID(peerOf(1000 + i%1024))
		_ = n.gossip.heartbeats.Publish(ctx, gossipOf(heartbeat(uint64(i))), pubsub.WithSecretKeyAndPeerId(key, id))
	}
}

// BenchmarkInventedAuthors is what a node's process takes whose neighbour speaks in the names of 1,024 authors: give it 20x.
func BenchmarkInventedAuthors(b *testing.B) {
	addrs, pid, _ := spawn(b, "/ip4/127.0.0.1/tcp/0")
	p := testParams(2)
	p.Known = func(proto.PeerID) bool { return true }
	p.Bootstrap = addrs
	rogue, err := New(context.Background(), p)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = rogue.Close() }()
	for topicPeers(rogue) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	victim, err := process.NewProcess(int32(pid))
	if err != nil {
		b.Fatal(err)
	}
	used := func() float64 {
		t, err := victim.Times()
		if err != nil {
			b.Fatal(err)
		}
		return t.User + t.System
	}
	ctx, cancel := context.WithCancel(context.Background())
	var flood sync.WaitGroup
	flood.Go(func() { speakAsMany(ctx, rogue) })
	before, began := used(), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(100*(used()-before)/time.Since(began).Seconds(), "%-of-a-core")
	cancel()
	flood.Wait()
}

// TestNeighbourIsReadAtAPace reads what a neighbour sends at once: the burst passes, the rest comes at its pace, and frames
// of next to nothing are no cheaper.
func TestNeighbourIsReadAtAPace(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int // of each read
		reads int
		takes time.Duration
	}{
		{"within the burst", 64 << 10, 16, 0},
		{"frames", 64 << 10, 32, 8 * time.Second},
		{"single bytes", 1, 32 << 10, 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gossip{}
				s, began := &slowStream{endless{}, g.pace("talker"), t.Context()}, time.Now()
				for range c.reads {
					if n, err := s.Read(make([]byte, c.bytes)); n != c.bytes || err != nil {
						t.Fatal(n, err)
					}
				}
				if took := time.Since(began); took.Round(10*time.Millisecond) != c.takes {
					t.Errorf("%d reads of %d bytes took %v, want %v", c.reads, c.bytes, took, c.takes)
				}
			})
		})
	}
}

// endless is a stream that always has something to read.
type endless struct{ network.Stream }

func (endless) Read(b []byte) (int, error) { return len(b), nil }
