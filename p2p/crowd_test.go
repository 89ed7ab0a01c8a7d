package p2p

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// opened is a stream of a peer whose reset takes as long as the peer likes.
type opened struct {
	network.Stream
	by    peer.ID
	reset atomic.Bool
	hold  chan struct{} // nil: no time
}

type by struct {
	network.Conn
	id peer.ID
}

func (s *opened) Conn() network.Conn { return by{id: s.by} }
func (b by) RemotePeer() peer.ID     { return b.id }

func (s *opened) Reset() error {
	if s.hold != nil {
		<-s.hold
	}
	s.reset.Store(true)
	return nil
}

// TestCrowd: where there are too many streams, the newest of the peer that has most makes room, and a reset holds up nobody.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 8
		c, over, hold := newCrowd(most, func() (func(), bool) { return func() {}, true }), make(chan struct{}), make(chan struct{})
		in := map[peer.ID]int{}
		serve := c.only(func(s network.Stream) {
			in[s.Conn().RemotePeer()]++ // one at a time
			<-over
		})
		come := func(id peer.ID, hold chan struct{}) *opened {
			s := &opened{by: id, hold: hold}
			go serve(s)
			synctest.Wait()
			return s
		}
		var greedy []*opened
		for range most {
			greedy = append(greedy, come("greedy", hold))
		}
		for range 4 {
			if s := come("a", nil); s.reset.Load() {
				t.Error("who has fewest streams was turned away")
			}
		}
		if s := come("greedy", nil); !s.reset.Load() || in["greedy"] != most {
			t.Error("who has most streams got one more")
		}
		close(hold)
		synctest.Wait()
		gone := slices.Collect(func(yield func(int) bool) {
			for i, s := range greedy {
				if s.reset.Load() && !yield(i) {
					return
				}
			}
		})
		if !slices.Equal(gone, []int{4, 5, 6, 7}) {
			t.Errorf("streams %v of eight made room, want the newest four", gone)
		}
		if s := come("a", nil); !s.reset.Load() {
			t.Error("one as good as another made room")
		}
		if s := come("b", nil); s.reset.Load() {
			t.Error("another with no stream was turned away")
		}
		if c.in != most {
			t.Errorf("%d streams are open, %d may be", c.in, most)
		}
		close(over)
		synctest.Wait()
		if c.in != 0 || len(c.of) != 0 {
			t.Errorf("%d streams are counted when all are over, of %d peers", c.in, len(c.of))
		}
	})
}

// keys are so many new keys at one address, connected to a node.
func keys(t *testing.T, n int, to *Network) (hs []host.Host) {
	info, err := peer.AddrInfoFromString(to.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		h, err := libp2p.New(libp2p.ListenAddrs(multiaddr.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")), libp2p.DisableRelay(), libp2p.DisableMetrics())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		h.SetStreamHandler(protocol.ID(to.syncID), func(s network.Stream) { _ = s.Reset() }) // or it is of another swarm
		if err := h.Connect(t.Context(), *info); err != nil {
			t.Fatal(err)
		}
		hs = append(hs, h)
	}
	return hs
}

// TestStreamsOfManyKeys has sixteen new keys hold as many streams for questions as there may be, and ask nothing: another's question is
// answered.
func TestStreamsOfManyKeys(t *testing.T) {
	a := start(t, 1, nil)
	good := start(t, 2, bootstrap(a))
	until(t, a, 10*time.Second, "connected", func() bool { return len(a.Connected()) == 1 })
	for _, h := range keys(t, maxSyncStreams/maxRequests, a) {
		for range maxRequests {
			s, err := h.NewStream(t.Context(), peer.ID(a.ID()), a.syncID)
			if err == nil {
				_, err = s.Write([]byte{100})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, a, 5*time.Second, "all streams are open", func() bool {
		n := 0
		for _, c := range a.host.Network().Conns() {
			for _, s := range c.GetStreams() {
				if s.Protocol() == a.syncID && s.Stat().Direction == network.DirInbound {
					n++
				}
			}
		}
		return n >= maxSyncStreams
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 8 {
		if _, err := good.Request(ctx, a.ID(), &murmurv1.SyncRequest{Author: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
}
