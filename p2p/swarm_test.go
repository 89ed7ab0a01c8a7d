package p2p

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"

	"github.com/murmurnet/murmur/proto"
)

const (
	simOneWay = 30 * time.Millisecond // 60 ms there and back
	simRate   = 20 * simlibp2p.OneMbps
)

// simSwarm runs n nodes on simulated home links, all told of node 0 alone, in
// the virtual time of a synctest bubble, then calls f.
func simSwarm(t *testing.T, n int, f func(ctx context.Context, nodes []*Network, stores []*memStore)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sim := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(simOneWay)}
		link := simnet.NodeBiDiLinkSettings{
			Downlink: simnet.LinkSettings{BitsPerSecond: simRate},
			Uplink:   simnet.LinkSettings{BitsPerSecond: simRate},
		}
		sim.Start()
		var nodes []*Network
		var stores []*memStore
		for i := range n {
			p, store := testParams(i), new(memStore)
			p.Blobs = store
			p.Listen = []string{fmt.Sprintf("/ip4/%s/udp/8000/quic-v1", simnet.IntToPublicIPv4(i))}
			if i > 0 {
				p.Bootstrap = nodes[0].Addrs()
			}
			node, err := open(ctx, p, simlibp2p.QUICSimnet(sim, link),
				libp2p.DisableIdentifyAddressDiscovery()) // it stalls virtual time
			if err != nil {
				t.Fatal(err)
			}
			nodes, stores = append(nodes, node), append(stores, store)
		}
		f(ctx, nodes, stores)
		cancel()
		for i, node := range nodes {
			if err := node.Close(); err != nil {
				t.Errorf("closing node %d: %v", i, err)
			}
		}
		sim.Close()
		time.Sleep(5 * time.Second) // libp2p's address book lets go
	})
}

func TestSwarmOnHomeLinks(t *testing.T) {
	const nodes, size = 8, 1 << 20
	dir := t.TempDir()
	simSwarm(t, nodes, func(ctx context.Context, all []*Network, stores []*memStore) {
		began := time.Now()
		for _, n := range all {
			for len(n.Connected()) < nodes-1 {
				time.Sleep(100 * time.Millisecond)
				if time.Since(began) > 30*time.Second {
					t.Fatalf("node %s has %d neighbours after 30 s, want %d", n.ID().Short(), len(n.Connected()), nodes-1)
				}
			}
		}
		t.Logf("all know all after %v", time.Since(began))
		time.Sleep(2 * time.Second)

		blob := randomBytes(1, size)
		id := stores[0].add(blob)
		published := time.Now()
		if err := all[0].PublishUpdate(ctx, update(0, 1)); err != nil {
			t.Fatal(err)
		}
		type result struct {
			heard, held time.Duration
			err         error
		}
		results := make(chan result, nodes)
		for i, n := range all[1:] {
			go func() {
				var r result
				m := <-n.Messages()
				r.heard = time.Since(published)
				r.err = n.Fetch(ctx, Fetch{
					ID: id, Size: size, MaxSize: size, Path: filepath.Join(dir, fmt.Sprint(i)),
					Sources: []proto.PeerID{m.Author},
				})
				r.held = time.Since(published)
				results <- r
			}()
		}
		var heard, held time.Duration
		for range all[1:] {
			r := <-results
			if r.err != nil {
				t.Error(r.err)
			}
			heard, held = max(heard, r.heard), max(held, r.held)
		}
		t.Logf("last heard after %v, last held after %v", heard, held)
		if heard > 500*time.Millisecond {
			t.Errorf("the announcement took %v", heard)
		}
		// Seven copies over one uplink of 20 Mbit/s take 2.9 s at best.
		if held > 6*time.Second {
			t.Errorf("the blob took %v", held)
		}
	})
}

// TestSteadyTraffic measures what a node sends besides payloads: heartbeats
// every 0.9 s, an update and now and then a commit every 9 s, and all of
// libp2p's own chatter.
func TestSteadyTraffic(t *testing.T) {
	for _, c := range []struct {
		nodes   int
		seconds int
		most    float64 // bytes/s out
	}{{nodes: 3, seconds: 120, most: 2500}, {nodes: 8, seconds: 30, most: 18000}} {
		nodes := c.nodes
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			simSwarm(t, nodes, func(ctx context.Context, all []*Network, _ []*memStore) {
				for _, n := range all {
					go func() {
						for {
							select {
							case <-n.Messages():
							case <-ctx.Done():
								return
							}
						}
					}()
				}
				time.Sleep(10 * time.Second)
				before := make([]Traffic, nodes)
				for i, n := range all {
					before[i] = n.Traffic()
					t.Logf("node %d in its first ten seconds: %d bytes out", i, before[i].BytesOut)
				}
				for tick := range c.seconds * 10 / 9 {
					for i, n := range all {
						if err := n.PublishHeartbeat(ctx, heartbeat(uint64(tick))); err != nil {
							t.Error(err)
						}
						if tick%10 == i {
							if err := n.PublishUpdate(ctx, update(i, uint64(tick))); err != nil {
								t.Error(err)
							}
						}
					}
					if tick%10 == 9 {
						if err := all[tick/10%nodes].PublishAnnounce(ctx, announce(tick/10%nodes)); err != nil {
							t.Error(err)
						}
					}
					time.Sleep(900 * time.Millisecond)
				}
				for i, n := range all {
					after := n.Traffic()
					rate := float64(after.BytesOut-before[i].BytesOut) / float64(c.seconds)
					t.Logf("node %d: %.0f bytes/s out", i, rate)
					if rate > c.most {
						t.Errorf("node %d sends %.0f bytes/s, want at most %.0f", i, rate, c.most)
					}
				}
			})
		})
	}
}
