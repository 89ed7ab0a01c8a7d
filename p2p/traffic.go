package p2p

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Traffic is what crossed this host's streams since the start, in bytes: all
// protocols, not only murmur's own. Handshakes and packet headers are not in it.
type Traffic struct {
	BytesIn, BytesOut uint64
	Protocols         map[string]ProtocolTraffic
	Dropped           map[string]uint64 // gossip messages that went no further, by cause
}

// ProtocolTraffic is the share of one protocol.
type ProtocolTraffic struct{ BytesIn, BytesOut uint64 }

// maxMeters bounds the protocols and the peers that are counted one by one;
// what is beyond counts in the totals only.
const maxMeters = 1024

// meter counts bytes both ways.
type meter struct{ in, out atomic.Int64 }

func (m *meter) stats() metrics.Stats {
	return metrics.Stats{TotalIn: m.in.Load(), TotalOut: m.out.Load()}
}

// traffic is the host's bandwidth reporter. libp2p's own counter keeps a
// process-wide goroutine and forgets totals; this one is plain atomics.
type traffic struct {
	caps
	blob      protocol.ID // protocol whose bytes wait under the caps
	sync      protocol.ID // protocol whose answers do so where they come
	total     meter
	outside   atomic.Int64 // bytes both ways, of peers outside the local network
	protocols meters[protocol.ID]
	peers     meters[peer.ID]
}

type meters[K comparable] struct {
	mu sync.RWMutex
	m  map[K]*meter
}

func (s *meters[K]) get(k K) *meter {
	s.mu.RLock()
	m := s.m[k]
	s.mu.RUnlock()
	if m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m = s.m[k]; m == nil {
		m = new(meter)
		if len(s.m) < maxMeters {
			if s.m == nil {
				s.m = make(map[K]*meter)
			}
			s.m[k] = m
		}
	}
	return m
}

// look reads a meter without making one.
func (s *meters[K]) look(k K) metrics.Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m := s.m[k]; m != nil {
		return m.stats()
	}
	return metrics.Stats{}
}

func (s *meters[K]) all() map[K]metrics.Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[K]metrics.Stats, len(s.m))
	for k, m := range s.m {
		out[k] = m.stats()
	}
	return out
}

func (s *meters[K]) forget(k K) {
	s.mu.Lock()
	delete(s.m, k)
	s.mu.Unlock()
}

var _ metrics.Reporter = (*traffic)(nil)

func (t *traffic) LogSentMessage(n int64) { t.total.out.Add(n) }
func (t *traffic) LogRecvMessage(n int64) { t.total.in.Add(n) }

func (t *traffic) LogSentMessageStream(n int64, id protocol.ID, p peer.ID) {
	t.protocols.get(id).out.Add(n)
	t.peers.get(p).out.Add(n)
	t.cross(n, p)
	if id != t.blob {
		t.sent(n, p)
	}
}

func (t *traffic) LogRecvMessageStream(n int64, id protocol.ID, p peer.ID) {
	t.protocols.get(id).in.Add(n)
	t.peers.get(p).in.Add(n)
	t.cross(n, p)
	t.received(n, p, id == t.blob || id == t.sync)
}

// cross counts bytes that leave or enter the local network.
func (t *traffic) cross(n int64, p peer.ID) {
	if !t.isNear(p) {
		t.outside.Add(n)
	}
}

func (t *traffic) GetBandwidthForPeer(p peer.ID) metrics.Stats           { return t.peers.look(p) }
func (t *traffic) GetBandwidthForProtocol(id protocol.ID) metrics.Stats  { return t.protocols.look(id) }
func (t *traffic) GetBandwidthTotals() metrics.Stats                     { return t.total.stats() }
func (t *traffic) GetBandwidthByPeer() map[peer.ID]metrics.Stats         { return t.peers.all() }
func (t *traffic) GetBandwidthByProtocol() map[protocol.ID]metrics.Stats { return t.protocols.all() }

// Reset and TrimIdle do nothing: the totals run from the start, and peers are
// forgotten when they leave.
func (t *traffic) Reset()             {}
func (t *traffic) TrimIdle(time.Time) {}

// Outside is how many bytes have crossed the line to peers outside the local network, both
// ways, with packets' heads and acknowledgements.
func (n *Network) Outside() uint64 {
	return uint64((overhead + ackShare) * float64(n.traffic.outside.Load()))
}

// Traffic returns the host's byte counts.
func (n *Network) Traffic() Traffic {
	total := n.traffic.total.stats()
	t := Traffic{BytesIn: uint64(total.TotalIn), BytesOut: uint64(total.TotalOut), Protocols: make(map[string]ProtocolTraffic), Dropped: n.gossip.Dropped()}
	for id, s := range n.traffic.protocols.all() {
		t.Protocols[string(id)] = ProtocolTraffic{BytesIn: uint64(s.TotalIn), BytesOut: uint64(s.TotalOut)}
	}
	return t
}
