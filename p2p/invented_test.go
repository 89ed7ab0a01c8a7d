package p2p

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// TestNewcomerAmongInventedAuthors has a neighbour speak in the names of 1,024 authors, as fast as it can: a newcomer is
// heard all the same, and few of the authors are.
func TestNewcomerAmongInventedAuthors(t *testing.T) {
	a := start(t, 1, nil)
	rogue := newRogue(t, a.Addrs())
	until(t, a, 10*time.Second, "it is connected", func() bool { return hearers(a) == 1 })
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
			if err := c.PublishHeartbeat(ctx, prototest.Heartbeat(7)); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("a newcomer was heard %d times in 20 s", heard)
		}
	}
	// Gossip lets 64 strangers through at once that one neighbour speaks for, and 8 a second.
	if most := 64 + 8*25; len(invented) > most {
		t.Errorf("%d invented authors were heard", len(invented))
	}
}

// newRogue joins the heartbeats of a node with a host that checks nothing of what it says itself.
func newRogue(t testing.TB, addrs []string) *pubsub.Topic {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = h.Close()
	})
	prefix := protocol.ID("/murmur/" + prototest.Swarm.String())
	h.SetStreamHandler(prefix+"/sync/1", func(s network.Stream) { _ = s.Reset() }) // or it is of another swarm
	mesh := func(f pubsub.GossipSubFeature, _ protocol.ID) bool { return f == pubsub.GossipSubFeatureMesh }
	ps, err := pubsub.NewGossipSub(ctx, h, pubsub.WithFloodPublish(true), pubsub.WithGossipSubProtocols([]protocol.ID{prefix + "/meshsub/1.2.0"}, mesh))
	if err != nil {
		t.Fatal(err)
	}
	topic, err := ps.Join(string(prefix) + "/heartbeats/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topic.Subscribe(); err != nil { // or it is taken for one that gossip has lost
		t.Fatal(err)
	}
	info, err := peer.AddrInfoFromString(addrs[0])
	if err == nil {
		err = h.Connect(ctx, *info)
	}
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// speakAsMany says heartbeats in the names of 1,024 authors, as fast as it can.
func speakAsMany(ctx context.Context, rogue *pubsub.Topic) {
	for i := 0; ctx.Err() == nil; i++ {
		key, err := crypto.UnmarshalEd25519PrivateKey(prototest.Key(1000 + i%1024))
		if err != nil {
			panic(err)
		}
		id := peer.ID(prototest.Peer(1000 + i%1024))
		said := proto.Encode(&murmurv1.Gossip{Kind: &murmurv1.Gossip_Heartbeat{Heartbeat: prototest.Heartbeat(uint64(i))}})
		_ = rogue.Publish(ctx, said, pubsub.WithSecretKeyAndPeerId(key, id))
	}
}

// BenchmarkInventedAuthors is what a node's process takes whose neighbour speaks in the names of 1,024 authors: give it 20x.
func BenchmarkInventedAuthors(b *testing.B) {
	addrs, pid, _ := spawn(b, "/ip4/127.0.0.1/tcp/0")
	rogue := newRogue(b, addrs)
	for len(rogue.ListPeers()) == 0 {
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
