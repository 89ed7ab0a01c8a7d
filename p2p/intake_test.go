package p2p_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// TestQuestionsUnderADownloadCap fetches four blobs at once from one peer at 0.5 Mbit/s, and asks
// that peer a question each second: the blobs must not fill the window that all streams of a connection share. Where
// they did, the server gave all four up after 66 s.
func TestQuestionsUnderADownloadCap(t *testing.T) {
	const (
		down = 0.5e6 / 8 // bytes/s
		size = 2 << 20
	)
	link := func(int) simtest.Link {
		return simtest.Link{Up: 100_000_000, Down: 100_000_000, Delay: 15 * time.Millisecond}
	}
	simtest.Run(t, simtest.Params{Link: link}, func(t *testing.T, s *simtest.Swarm) {
		all, stores := nodes(t, s, 2)
		meshed(t, all, time.Minute)
		dir := t.TempDir()
		fetch := func(i, size int) {
			data := p2p.RandomBytes(uint64(i), size)
			f := blob.Fetch{ID: stores[0].Add(data), Size: uint64(size), MaxSize: 64 << 20, Path: filepath.Join(dir, fmt.Sprint(i)), Sources: []proto.PeerID{all[0].ID()}}
			if err := all[1].Fetch(t.Context(), f); err != nil {
				t.Error(err)
			}
		}
		fetch(0, 16<<20) // measures the line: it serves eight at once from now on
		all[1].SetCaps(p2p.Caps{Down: down})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { fetch(1+i, size) })
		}
		var took []time.Duration
		for range 60 {
			time.Sleep(time.Second)
			asked := time.Now()
			if _, err := all[1].Request(t.Context(), all[0].ID(), &murmurv1.SyncRequest{}); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(asked))
		}
		wg.Wait()
		slices.Sort(took)
		span := time.Since(began).Seconds()
		t.Logf("questions took %v in the median, %v at most; the blobs %.0f s, %.2f of the cap", took[30], took[59], span, 4*size*1.055/span/down)
		if took[59] > 500*time.Millisecond {
			t.Errorf("a question took %v beside four blobs", took[59])
		}
		if 4*size*1.055/span < 0.9*down {
			t.Errorf("the blobs took %.0f s", span)
		}
	})
}
