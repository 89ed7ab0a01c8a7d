package p2p_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/prototest"
)

// even is a line of 20 Mbit/s both ways, 60 ms there and back between two.
func even(int) simtest.Link {
	return simtest.Link{Up: 20_000_000, Down: 20_000_000, Delay: 15 * time.Millisecond}
}

// node runs node i of a simulated swarm, told of node 0 alone, until the test
// ends or it is closed before.
func node(t *testing.T, s *simtest.Swarm, i int, change func(*p2p.Params)) *p2p.Network {
	t.Helper()
	p := p2p.ParamsFor(i)
	if change != nil {
		change(&p)
	}
	s.Tune(i)(&p)
	if i > 0 && p.Bootstrap == nil {
		p.Bootstrap = []string{s.Addr(0)}
	}
	n, err := p2p.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("closing node %d: %v", i, err)
		}
	})
	return n
}

// nodes runs n nodes, each with a store of its own.
func nodes(t *testing.T, s *simtest.Swarm, n int) ([]*p2p.Network, []*p2p.MemStore) {
	t.Helper()
	all, stores := make([]*p2p.Network, n), make([]*p2p.MemStore, n)
	for i := range all {
		stores[i] = new(p2p.MemStore)
		all[i] = node(t, s, i, func(p *p2p.Params) { p.Blobs = stores[i] })
	}
	return all, stores
}

// within waits in virtual time and returns how long it took.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		time.Sleep(50 * time.Millisecond)
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
	return time.Since(began)
}

// meshed waits until all nodes are connected with all.
func meshed(t *testing.T, all []*p2p.Network, limit time.Duration) time.Duration {
	t.Helper()
	return within(t, limit, "all know all", func() bool {
		for _, n := range all {
			if len(n.Connected()) < len(all)-1 {
				return false
			}
		}
		return true
	})
}

func TestSwarmOnHomeLinks(t *testing.T) {
	const count, size = 8, 1 << 20
	dir := t.TempDir()
	simtest.Run(t, simtest.Params{Link: even}, func(t *testing.T, s *simtest.Swarm) {
		ctx := t.Context()
		all, stores := nodes(t, s, count)
		t.Logf("all know all after %v", meshed(t, all, 30*time.Second))
		time.Sleep(2 * time.Second)

		data := p2p.RandomBytes(1, size)
		id := stores[0].Add(data)
		published := time.Now()
		if err := all[0].PublishUpdate(ctx, prototest.Update(0, 1)); err != nil {
			t.Fatal(err)
		}
		type result struct {
			heard, held time.Duration
			err         error
		}
		results := make(chan result, count)
		for i, n := range all[1:] {
			go func() {
				var r result
				m := <-n.Messages()
				r.heard = time.Since(published)
				r.err = n.Fetch(ctx, blob.Fetch{
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
		t.Run(fmt.Sprint(c.nodes), func(t *testing.T) {
			simtest.Run(t, simtest.Params{Link: even}, func(t *testing.T, s *simtest.Swarm) {
				ctx := t.Context()
				all, _ := nodes(t, s, c.nodes)
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
				before := make([]p2p.Traffic, c.nodes)
				for i, n := range all {
					before[i] = n.Traffic()
					t.Logf("node %d in its first ten seconds: %d bytes out", i, before[i].BytesOut)
				}
				for tick := range c.seconds * 10 / 9 {
					for i, n := range all {
						if err := n.PublishHeartbeat(ctx, prototest.Heartbeat(uint64(tick))); err != nil {
							t.Error(err)
						}
						if tick%10 == i {
							if err := n.PublishUpdate(ctx, prototest.Update(i, uint64(tick))); err != nil {
								t.Error(err)
							}
						}
					}
					if tick%10 == 9 {
						if err := all[tick/10%c.nodes].PublishAnnounce(ctx, prototest.Announce(tick/10%c.nodes)); err != nil {
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
