package p2p

import (
	"bufio"
	"context"
	"crypto/rand"
	"runtime"
	"sync"
	"testing"
	"time"

	kadpb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/stream"
)

// TestProvidersAreBounded has a stranger of an open swarm, or a member, tell the DHT of a node that it provides one random name after the other, on six of the eight streams that a peer may have: the node
// forgets all but so many.
func TestProvidersAreBounded(t *testing.T) {
	const each, streams = 80_000, 6
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "it is connected", func() bool { return len(b.Connected()) == 1 })
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, began := heap(), time.Now()
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			s, err := b.host.NewStream(context.Background(), peer.ID(a.ID()), a.prefix+"/kad/1.0.0")
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			w := bufio.NewWriterSize(s, 64<<10)
			m := &kadpb.Message{Type: kadpb.Message_ADD_PROVIDER, Key: make([]byte, 80), ProviderPeers: []*kadpb.Message_Peer{{Id: []byte(b.host.ID()), Addrs: [][]byte{b.host.Addrs()[0].Bytes()}}}}
			for range each {
				_, _ = rand.Read(m.Key)
				if err := stream.WriteMessage(w, m); err != nil {
					t.Error(err)
					return
				}
			}
			if err := w.Flush(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	time.Sleep(3 * time.Second)
	grown := int64(heap()) - int64(before)
	bytes := b.Traffic().BytesOut
	t.Logf("%d records in %v, of %d bytes on the line: the heap has grown by %d MiB, %d bytes a record, kept for 48 hours", streams*each, took, bytes, grown>>20, grown/(streams*each))
	s, err := b.host.NewStream(context.Background(), peer.ID(a.ID()), a.prefix+"/kad/1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Reset() }()
	began = time.Now()
	const questions = 5
	r := bufio.NewReader(s)
	for i := range questions {
		m := &kadpb.Message{Type: kadpb.Message_GET_PROVIDERS, Key: []byte{byte(i), 1, 2, 3}}
		if err := stream.WriteMessage(s, m); err != nil {
			t.Fatal(err)
		}
		if err := stream.ReadMessage(r, 1<<20, new(kadpb.Message)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a question of 10 bytes for a name takes %v then", time.Since(began)/questions)
	if grown > 64<<20 {
		t.Errorf("%d MiB of memory for what one stranger said in %v", grown>>20, took)
	}
}
