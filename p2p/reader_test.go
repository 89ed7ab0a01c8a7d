package p2p_test

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// TestReaderOfNothing has a peer ask on many streams for one old payload after the other, and read none: another's payload comes.
func TestReaderOfNothing(t *testing.T) {
	const streams, size = 12, 2 << 20
	simtest.Run(t, simtest.Params{Link: even}, func(t *testing.T, s *simtest.Swarm) {
		all, stores := nodes(t, s, 3)
		meshed(t, all, time.Minute)
		a, bad, good := all[0], all[1], all[2]
		dir := t.TempDir()
		fetch := func(seed uint64) time.Duration {
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
			defer stop()
			id, began := stores[0].Add(p2p.RandomBytes(seed, size)), time.Now()
			f := blob.Fetch{ID: id, Size: size, MaxSize: size, Path: filepath.Join(dir, fmt.Sprint(seed)), Sources: []proto.PeerID{a.ID()}}
			if err := good.Fetch(ctx, f); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		fetch(0) // measures the line: it serves two at once from now on
		peace := fetch(1)
		ids := make(chan proto.ID, 2*streams)
		for i := range uint64(cap(ids)) {
			ids <- stores[0].Add(p2p.RandomBytes(100+i, proto.LeafSize*5/4))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range streams {
			wg.Go(func() {
				for ctx.Err() == nil {
					id := <-ids
					holdLeaves(ctx, bad, a.ID(), id)
					ids <- id
				}
			})
		}
		time.Sleep(2 * time.Second) // they have all places
		beside := fetch(2)
		t.Logf("2 MiB take %v, and %v beside a peer that reads nothing", peace, beside)
		if beside > 10*time.Second {
			t.Errorf("a payload took %v beside a peer that reads nothing", beside)
		}
		cancel()
		wg.Wait()
	})
}

// holdLeaves asks for an offer, then for leaves, and reads none of these until the server gives up.
func holdLeaves(ctx context.Context, n *p2p.Network, from proto.PeerID, id proto.ID) {
	s, err := n.BlobStream(ctx, from)
	if err != nil {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
		return
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	_ = s.SetReadDeadline(time.Now().Add(11 * time.Second))
	var head murmurv1.BlobHeader
	if stream.WriteMessage(s, &murmurv1.BlobRequest{Id: id[:], Rate: 1 << 40}) != nil ||
		stream.ReadMessage(bufio.NewReader(s), 1<<20, &head) != nil || len(head.Leaves) == 0 ||
		stream.WriteMessage(s, &murmurv1.BlobRequest{Id: id[:], Count: 2}) != nil {
		return
	}
	select {
	case <-time.After(15500 * time.Millisecond):
	case <-ctx.Done():
	}
}

var branch = &murmurv1.SyncRequest{Have: [][]byte{make([]byte, 32)}}

// TestSlowAskers has two peers ask for eight branches each at once, again and again, and read 64 KiB of each in ten seconds: another's
// questions are answered, and so is its one for a branch.
func TestSlowAskers(t *testing.T) {
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		var all []*p2p.Network
		for i := range 4 {
			all = append(all, node(t, s, i, func(p *p2p.Params) { p.Sync = p2p.LongSync(1 << 20) }))
		}
		meshed(t, all, time.Minute)
		a, good := all[0], all[3]
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, bad := range all[1:3] {
			for range 8 {
				wg.Go(func() {
					for ctx.Err() == nil {
						readSlowly(ctx, bad, a.ID(), 10*time.Second)
					}
				})
			}
		}
		time.Sleep(2 * time.Second)
		for i := range 6 {
			limited, stop := context.WithTimeout(ctx, 10*time.Second) // as exchange has it
			if _, err := good.Request(limited, a.ID(), &murmurv1.SyncRequest{Author: []byte("x")}); err != nil {
				t.Errorf("question %d: %v", i, err)
			}
			if i == 0 {
				if _, err := good.Request(limited, a.ID(), branch); err != nil {
					t.Error("the branch:", err)
				}
			}
			stop()
			time.Sleep(5 * time.Second)
		}
		cancel()
		wg.Wait()
	})
}

// readSlowly asks for a branch and reads 64 KiB of it each so often, until it is reset.
func readSlowly(ctx context.Context, n *p2p.Network, from proto.PeerID, each time.Duration) {
	s, err := n.SyncStream(ctx, from)
	if err == nil {
		defer func() { _ = s.Reset() }()
		defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
		err = stream.WriteMessage(s, branch)
	}
	for buf := make([]byte, 64<<10); ; _, err = s.Read(buf) {
		wait := each
		if err != nil {
			wait = 100 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// TestPayloadsThatTrickle has 32 payloads come at 6 KiB a second each, as many as a node asks for at once: another comes beside them.
func TestPayloadsThatTrickle(t *testing.T) {
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		all, stores := nodes(t, s, 3)
		meshed(t, all, time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		stores[1].Wrap = func(int64, []byte) error { // 64 KiB at a time
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
			return nil
		}
		dir := t.TempDir()
		fetch := func(ctx context.Context, seed uint64, from, size int) error {
			id := stores[from].Add(p2p.RandomBytes(seed, size))
			return all[0].Fetch(ctx, blob.Fetch{
				ID: id, Size: uint64(size), MaxSize: 8 << 20, Path: filepath.Join(dir, fmt.Sprint(seed)), Sources: []proto.PeerID{all[from].ID()},
			})
		}
		var wg sync.WaitGroup
		for i := range uint64(32) {
			wg.Go(func() {
				limited, stop := context.WithTimeout(ctx, 33*time.Second) // as exchange has it
				defer stop()
				_ = fetch(limited, i, 1, 1<<20)
			})
		}
		time.Sleep(time.Second)
		began := time.Now()
		if err := fetch(ctx, 99, 2, 100<<10); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("a payload took %v beside them, %v", time.Since(began), err)
		}
		cancel()
		wg.Wait()
	})
}

// TestSlowReaderIsReset: who reads an answer slowly has a minute, and has drawn what went alone.
func TestSlowReaderIsReset(t *testing.T) {
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		var all []*p2p.Network
		for i := range 2 {
			all = append(all, node(t, s, i, func(p *p2p.Params) {
				p.Sync, p.Known = p2p.LongSync(4<<20), func(proto.PeerID) bool { return false }
			}))
		}
		meshed(t, all, time.Minute)
		began := time.Now()
		readSlowly(t.Context(), all[1], all[0].ID(), 3*time.Second) // all of it in three minutes
		if took := time.Since(began); took < 60*time.Second || took > 65*time.Second {
			t.Errorf("it was reset after %v", took)
		}
		if drawn := all[0].Drawn(); drawn < 1<<20 || drawn > 3<<20 {
			t.Errorf("it has drawn %d bytes", drawn)
		}
	})
}

// TestAnswerUnderADownloadCap: a long answer comes no faster than the cap, and comes where the cap leaves no time for it.
func TestAnswerUnderADownloadCap(t *testing.T) {
	const size = 4 << 20
	simtest.Run(t, simtest.Params{Link: even}, func(t *testing.T, s *simtest.Swarm) {
		var all []*p2p.Network
		for i := range 2 {
			all = append(all, node(t, s, i, func(p *p2p.Params) { p.Sync = p2p.LongSync(size) }))
		}
		meshed(t, all, time.Minute)
		ask := func(mbit float64) time.Duration {
			all[1].SetCaps(p2p.Caps{Down: mbit * 1e6 / 8})
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // as exchange has it
			defer stop()
			began := time.Now()
			if _, err := all[1].Request(ctx, all[0].ID(), branch); err != nil {
				t.Errorf("under a cap of %v Mbit/s: %v", mbit, err)
			}
			return time.Since(began)
		}
		ask(0)
		if took := ask(5); took < 6500*time.Millisecond || took > 8500*time.Millisecond {
			t.Errorf("4 MiB at 5 Mbit/s took %v", took)
		}
		time.Sleep(5 * time.Second)
		if took := ask(0.5); took < 7500*time.Millisecond {
			t.Errorf("4 MiB at 0.5 Mbit/s took %v", took)
		}
	})
}

// TestLongestAnswer: an answer of more than lists may have is not read.
func TestLongestAnswer(t *testing.T) {
	simtest.Run(t, simtest.Params{}, func(t *testing.T, s *simtest.Swarm) {
		var all []*p2p.Network
		for i := range 2 {
			all = append(all, node(t, s, i, func(p *p2p.Params) { p.Sync = p2p.LongSync(proto.MaxSync/2 + 128<<10) }))
		}
		meshed(t, all, time.Minute)
		before := all[1].Traffic().BytesIn
		if _, err := all[1].Request(t.Context(), all[0].ID(), branch); err == nil || all[1].Traffic().BytesIn-before > 256<<10 {
			t.Errorf("%d bytes were read: %v", all[1].Traffic().BytesIn-before, err)
		}
	})
}
