package p2p_test

import (
	"fmt"
	"math/rand/v2"
	"os"
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

// folder serves the blobs that lie in a folder, named by their ids.
type folder string

func (d folder) OpenBlob(id proto.ID) (blob.Blob, error) {
	b, err := os.ReadFile(filepath.Join(string(d), id.String()))
	if err != nil {
		return nil, err
	}
	var s p2p.MemStore
	return s.OpenBlob(s.Add(b))
}

// TestUnequalUplinks has sixteen nodes publish 1 MiB each at once, and all fetch all:
// eleven at 20 Mbit/s up, four at 5, one at 1.
func TestUnequalUplinks(t *testing.T) {
	if racing {
		t.Skip("it would take five minutes; smaller swarms are watched")
	}
	const (
		count = 16
		size  = 1 << 20
	)
	up := func(i int) int {
		switch {
		case i < 11:
			return 20_000_000
		case i < 15:
			return 5_000_000
		default:
			return 1_000_000
		}
	}
	all := 0
	for i := range count {
		all += up(i)
	}
	// No way of sending is quicker than all lines busy all the time, nor than the slowest
	// node's payload over its own; nor, in truth, than that and acknowledging, in a packet of
	// 70 bytes for every two of 1,280, what the others send it.
	const acks = 0.028 * (count - 1)
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	bound := seconds(max(float64(count*(count-1)*size*8)/float64(all), size*8/1e6))
	real := seconds((1 + acks) * size * 8 / 1e6)
	root := t.TempDir()
	link := func(i int) simtest.Link {
		l := simtest.Home()
		l.Up = up(i)
		return l
	}
	simtest.Run(t, simtest.Params{Link: link}, func(t *testing.T, s *simtest.Swarm) {
		nets := make([]*p2p.Network, count)
		dir := func(i int) string { return filepath.Join(root, fmt.Sprint(i)) }
		for i := range nets {
			if err := os.Mkdir(dir(i), 0o700); err != nil {
				t.Fatal(err)
			}
			nets[i] = node(t, s, i, func(p *p2p.Params) { p.Blobs = folder(dir(i)) })
		}
		meshed(t, nets, time.Minute)
		time.Sleep(10 * time.Second)
		for round := range 2 {
			ids := make([]proto.ID, count)
			for i := range ids {
				data := p2p.RandomBytes(uint64(100*round+i), size)
				ids[i] = proto.HashBlob(data).Root()
				if err := os.WriteFile(filepath.Join(dir(i), ids[i].String()), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before := sent(nets)
			began := time.Now()
			var wg sync.WaitGroup
			var mu sync.Mutex
			last := make([]time.Duration, count)
			for i, n := range nets {
				for j := range nets {
					if i == j {
						continue
					}
					wg.Go(func() {
						f := blob.Fetch{ID: ids[j], Size: size, MaxSize: size, Path: filepath.Join(dir(i), ids[j].String()), Sources: []proto.PeerID{prototest.Peer(j)}}
						for _, k := range rand.New(rand.NewPCG(uint64(i), uint64(j+count*round))).Perm(count) {
							f.Sources = append(f.Sources, prototest.Peer(k))
						}
						if err := n.Fetch(t.Context(), f); err != nil {
							t.Errorf("node %d, blob of %d: %v", i, j, err)
						}
						mu.Lock()
						last[j] = max(last[j], time.Since(began))
						mu.Unlock()
					})
				}
			}
			wg.Wait()
			took := time.Since(began)
			over := float64(sent(nets)-before) / (count * (count - 1) * size)
			t.Logf("round %d: %v, %.2f of %v, %.2f with acknowledgements; sent %.3f of the necessary; by author %v",
				round, took, took.Seconds()/bound.Seconds(), bound, took.Seconds()/real.Seconds(), over, last)
			if round == 0 {
				continue // the lines are not measured yet
			}
			if took > real*3/2 {
				t.Errorf("it took %v, want at most 1.5 times %v", took, real)
			}
			if over > 1.15 {
				t.Errorf("%.3f times the necessary was sent", over)
			}
		}
	})
}

func sent(nets []*p2p.Network) (n uint64) {
	for _, net := range nets {
		n += net.Traffic().BytesOut
	}
	return n
}
