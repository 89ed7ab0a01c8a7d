package p2p_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/prototest"
)

// TestSlowLine has a node with 64 kbit/s up publish while another fetches from it: its announcements wait, and it says to
// whom. Once the line is free it says so no more.
func TestSlowLine(t *testing.T) {
	const size = 256 << 10
	link := func(i int) simtest.Link {
		l := simtest.Home()
		if i == 0 {
			l.Up = 64_000
		}
		return l
	}
	dir := t.TempDir()
	simtest.Run(t, simtest.Params{Link: link}, func(t *testing.T, s *simtest.Swarm) {
		nets, stores := nodes(t, s, 2)
		meshed(t, nets, time.Minute)
		write := func(from, to int) time.Duration {
			for _, p := range nets[from].Peers() {
				if p.ID == prototest.Peer(to) {
					return p.Write
				}
			}
			t.Fatalf("node %d does not know node %d", from, to)
			return 0
		}
		id := stores[0].Add(p2p.RandomBytes(1, size))
		var wg sync.WaitGroup
		wg.Go(func() {
			f := blob.Fetch{ID: id, Size: size, MaxSize: size, Path: filepath.Join(dir, "blob"), Sources: []proto.PeerID{prototest.Peer(0)}}
			if err := nets[1].Fetch(t.Context(), f); err != nil {
				t.Error(err)
			}
		})
		var longest time.Duration
		for seq := range uint64(20) {
			time.Sleep(time.Second)
			if err := nets[0].PublishUpdate(t.Context(), prototest.Update(0, seq+1)); err != nil {
				t.Error(err)
			}
			longest = max(longest, write(0, 1))
		}
		wg.Wait()
		if other := write(1, 0); longest < time.Second || other >= time.Second {
			t.Errorf("the longest write of the slow node took %v, of the other %v", longest, other)
		}
		time.Sleep(2 * time.Minute)
		if after := write(0, 1); after >= time.Second {
			t.Errorf("%v two minutes after the line was free", after)
		}
	})
}
