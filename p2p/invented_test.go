package p2p

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

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
	group.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			key, err := crypto.UnmarshalEd25519PrivateKey(testKey(1000 + i%1024))
			if err != nil {
				panic(err)
			}
			id := peer.ID(peerOf(1000 + i%1024))
			_ = rogue.gossip.heartbeats.Publish(ctx, gossipOf(heartbeat(uint64(i))), pubsub.WithSecretKeyAndPeerId(key, id))
		}
	})
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
