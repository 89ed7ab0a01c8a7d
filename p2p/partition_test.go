package p2p_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/prototest"
)

// ears notes when each node last heard each other's heartbeat.
type ears struct {
	all   []*p2p.Network
	last  []map[proto.PeerID]time.Time
	get   chan func()
	quiet atomic.Bool // no heartbeats: they make long waits dear
}

// listen lets all nodes send a heartbeat a second and listen, until the test ends.
func listen(t *testing.T, all []*p2p.Network) *ears {
	e := &ears{all: all, get: make(chan func())}
	for i, n := range all {
		heard := make(map[proto.PeerID]time.Time)
		e.last = append(e.last, heard)
		go func() {
			tick := time.NewTicker(time.Second + time.Duration(i)*time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-t.Context().Done():
					return
				case m := <-n.Messages():
					if m.Heartbeat != nil {
						e.do(t, func() { heard[m.Author] = time.Now() })
					}
				case <-tick.C:
					if e.quiet.Load() {
						continue
					}
					_ = n.PublishHeartbeat(t.Context(), prototest.Heartbeat(1))
				}
			}
		}()
	}
	go func() {
		for {
			select {
			case f := <-e.get:
				f()
			case <-t.Context().Done():
				return
			}
		}
	}()
	return e
}

// do runs f where it may touch the notes, and waits.
func (e *ears) do(t *testing.T, f func()) {
	done := make(chan struct{})
	select {
	case e.get <- func() { f(); close(done) }:
		<-done
	case <-t.Context().Done():
	}
}

// deaf returns a pair of which one has not heard the other since then.
func (e *ears) deaf(t *testing.T, since time.Time) (pair string) {
	e.do(t, func() {
		for i := range e.all {
			for j, other := range e.all {
				if i != j && !e.last[i][other.ID()].After(since) {
					pair = fmt.Sprintf("node %d has not heard node %d", i, j)
				}
			}
		}
	})
	return pair
}

// sleep lets a long time pass in silence.
func (e *ears) sleep(d time.Duration) {
	e.quiet.Store(true)
	time.Sleep(d)
	e.quiet.Store(false)
}

// hear waits until each has heard all.
func (e *ears) hear(t *testing.T, limit time.Duration, when string) {
	t.Helper()
	began := time.Now()
	pair := e.deaf(t, began)
	for pair != "" {
		time.Sleep(100 * time.Millisecond)
		if time.Since(began) > limit {
			for i, n := range e.all {
				t.Logf("node %d: %d connected", i, len(n.Connected()))
			}
			t.Fatalf("%s: %v on, %s", when, limit, pair)
		}
		pair = e.deaf(t, began)
	}
	t.Logf("%s: each has heard all after %v", when, time.Since(began))
}

// TestPartitionHeals cuts a swarm in two. Both sides have company, so nothing
// hurries them; the first peer of the other side that is found again must bring
// the rest back.
func TestPartitionHeals(t *testing.T) {
	for _, c := range []struct {
		name  string
		cut   []int // the other side has the bootstrap node, which is node 0
		lasts time.Duration
		dead  bool // the bootstrap node is gone before the cut
	}{
		{"2 minutes", []int{3, 4, 5}, 2 * time.Minute, false},
		{"20 minutes, without a bootstrap node", []int{3, 4, 5}, 20 * time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
				all, _ := nodes(t, s, 6)
				meshed(t, all, 30*time.Second)
				if c.dead {
					s.Unplug(0)
					all = all[1:]
				}
				e := listen(t, all)
				e.hear(t, 10*time.Second, "at first")
				s.Split(c.cut...)
				e.sleep(c.lasts)
				s.Heal()
				e.hear(t, 30*time.Second, "healed after "+c.name)
				t.Logf("all connected with all %v later", meshed(t, all, 30*time.Second))
			})
		})
	}
}

// TestDeadLinkForHours is a machine that slept: its peers have given it up, and
// it them. It is the one whose address all others were told.
func TestDeadLinkForHours(t *testing.T) {
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		all, _ := nodes(t, s, 4)
		e := listen(t, all)
		e.hear(t, 30*time.Second, "at first")
		s.Unplug(0)
		e.sleep(3 * time.Hour)
		if n := len(all[0].Connected()); n != 0 {
			t.Errorf("%d connected over a dead link", n)
		}
		s.Plug(0)
		e.hear(t, 30*time.Second, "back after 3 hours")
	})
}
