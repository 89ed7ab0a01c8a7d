package p2p_test

import (
	"bytes"
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

// shelf is the blob that three sources serve, and which leaves each was asked for.
type shelf struct {
	data []byte
	id   proto.ID
	mu   sync.Mutex
	read []map[int]int // bytes of each leaf that each source read from its disk
}

// shelve starts a node that fetches, node 0, and three that have the blob; spoil
// may change what one of them reads.
func shelve(t *testing.T, s *simtest.Swarm, leaves int, spoil func(i int, b []byte)) (*shelf, []*p2p.Network) {
	t.Helper()
	sh := &shelf{data: p2p.RandomBytes(4, leaves*proto.LeafSize-1), read: make([]map[int]int, 4)}
	all := []*p2p.Network{node(t, s, 0, nil)}
	for i := 1; i <= 3; i++ {
		sh.read[i] = make(map[int]int)
		store := &p2p.MemStore{Wrap: func(off int64, b []byte) error {
			sh.mu.Lock()
			defer sh.mu.Unlock()
			sh.read[i][int(off/proto.LeafSize)] += len(b)
			if spoil != nil {
				spoil(i, b)
			}
			return nil
		}}
		sh.id = store.Add(sh.data)
		all = append(all, node(t, s, i, func(p *p2p.Params) { p.Blobs = store }))
	}
	// Over 20 kbit/s a QUIC handshake takes 2 of the 5 s that it may, and three at once do
	// not fit: they come in with the pauses between tries, within 16 to 25 s in 60 runs.
	t.Logf("all know all after %v", meshed(t, all, 2*time.Minute))
	return sh, all
}

func (sh *shelf) fetch(path string, from ...*p2p.Network) blob.Fetch {
	f := blob.Fetch{ID: sh.id, Size: uint64(len(sh.data)), MaxSize: uint64(len(sh.data)), Path: path}
	for _, n := range from {
		f.Sources = append(f.Sources, n.ID())
	}
	return f
}

func (sh *shelf) same(t *testing.T, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sh.data) {
		t.Error("the file differs from what was served")
	}
}

// twice is how many bytes the sources after the first read more than once.
func (sh *shelf) twice() (n int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for leaf := range len(sh.data)/proto.LeafSize + 1 {
		n += max(0, sh.read[2][leaf]+sh.read[3][leaf]-proto.LeafSize)
	}
	return n
}

// TestOneBadSource gives the first of three sources a fault: it must cost the
// leaves that it was asked for and no more.
func TestOneBadSource(t *testing.T) {
	const leaves = 24
	// Two sources send 24 MiB over 20 Mbit/s each in 5.1 s at best, 6.4 to 6.5 s here.
	const two = 6700 * time.Millisecond
	const slow = 3 * time.Second // until a source that is silent counts as slow
	for name, c := range map[string]struct {
		slow int // the first source's rate is divided by it
		cut  time.Duration
		lies bool
		most time.Duration
	}{
		"healthy":                 {most: two},
		"cut off in the middle":   {cut: time.Second, most: two + slow},
		"lying":                   {lies: true, most: two},
		"a hundred times slower":  {slow: 100, most: two + slow},
		"a thousand times slower": {slow: 1000, most: two + slow},
	} {
		t.Run(name, func(t *testing.T) {
			link := func(i int) simtest.Link {
				l := simtest.Home()
				if i == 1 && c.slow > 0 {
					l.Up /= c.slow
				}
				return l
			}
			path := filepath.Join(t.TempDir(), "blob")
			simtest.Run(t, simtest.Params{Link: link}, func(t *testing.T, s *simtest.Swarm) {
				sh, all := shelve(t, s, leaves, func(i int, b []byte) {
					if i == 1 && c.lies {
						b[0] ^= 1
					}
				})
				if c.cut > 0 {
					time.AfterFunc(c.cut, func() { s.Split(1) })
				}
				began := time.Now()
				if err := all[0].Fetch(t.Context(), sh.fetch(path, all[1:]...)); err != nil {
					t.Fatal(err)
				}
				took := time.Since(began)
				sh.same(t, path)
				t.Logf("took %v; the first source read %d leaves, the others %d and %d, %d bytes twice",
					took, len(sh.read[1]), len(sh.read[2]), len(sh.read[3]), sh.twice())
				if took > c.most {
					t.Errorf("took %v, want at most %v", took, c.most)
				}
				if got := sh.twice(); got > 0 {
					t.Errorf("the good sources sent %d bytes twice", got)
				}
			})
		})
	}
}

// TestFetchGoesOnAfterARestart ends a node in the middle of a fetch, with its
// link dead, and starts it again on the same address and the same file.
func TestFetchGoesOnAfterARestart(t *testing.T) {
	const leaves = 24
	path := filepath.Join(t.TempDir(), "blob")
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		sh, all := shelve(t, s, leaves, nil)
		first := make(chan error)
		go func() { first <- all[0].Fetch(t.Context(), sh.fetch(path, all[1:]...)) }()
		time.Sleep(2 * time.Second)
		s.Unplug(0)
		if err := all[0].Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-first; err == nil {
			t.Fatal("the fetch ended before its node did")
		}
		asked := sh.bytes()
		time.Sleep(time.Second)
		s.Plug(0)
		me := node(t, s, 0, func(p *p2p.Params) { p.Bootstrap = []string{s.Addr(1)} })
		began := time.Now()
		if err := me.Fetch(t.Context(), sh.fetch(path, all[1:]...)); err != nil {
			t.Fatal(err)
		}
		sh.same(t, path)
		rest := sh.bytes() - asked
		t.Logf("%d bytes before the restart, %d after it, in %v", asked, rest, time.Since(began))
		// Three leaves were on their way; what a source has read ahead is lost, too.
		if asked < 4<<20 || asked+rest > len(sh.data)+4<<20 {
			t.Errorf("%d bytes were sent before the restart and %d after it, of %d", asked, rest, len(sh.data))
		}
	})
}

// bytes is how much the sources have read from their disks.
func (sh *shelf) bytes() (n int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, leaves := range sh.read {
		for _, k := range leaves {
			n += k
		}
	}
	return n
}

// TestFetchAsksAgain cuts the only peer that has a blob off; another one gets it a
// moment later. That one said before that it does not have it.
func TestFetchAsksAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		all, stores := nodes(t, s, 3)
		meshed(t, all, 30*time.Second)
		data := p2p.RandomBytes(6, 6*proto.LeafSize)
		id := stores[1].Add(data)
		began := time.Now()
		time.AfterFunc(time.Second, func() { s.Split(1) })
		time.AfterFunc(5*time.Second, func() { stores[2].Add(data) })
		err := all[0].Fetch(t.Context(), blob.Fetch{
			ID: id, Size: uint64(len(data)), MaxSize: uint64(len(data)), Path: path, Sources: []proto.PeerID{prototest.Peer(1), prototest.Peer(2)},
		})
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		t.Logf("took %v", took)
		// A second until it is asked again, and 6 MiB over 20 Mbit/s.
		if took > 10*time.Second {
			t.Errorf("took %v though a peer has had it for all but 5 s", took)
		}
	})
}
