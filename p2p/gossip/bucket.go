package gossip

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/time/rate"
)

// bucket lets a number a second pass, after a burst. The zero bucket is a full one.
type bucket struct {
	used float64 // part of the burst that is used up
	at   time.Time
}

// take tells whether one more may pass.
func (b *bucket) take(now time.Time, rate, burst float64) bool {
	b.used, b.at = max(0, b.used-rate*now.Sub(b.at).Seconds()), now
	if b.used+1 > burst {
		return false
	}
	b.used++
	return true
}

// neighbour bounds what one neighbour passes on, whoever the authors are: checking a signature takes 0.1 ms.
type neighbour struct {
	messages  bucket
	strangers bucket // messages whose authors are neither the neighbour nor known
	bytes     *rate.Limiter
}

const (
	// neighbourRate bounds the messages a second of one neighbour. A swarm of 32 sends at most
	// 200 a second, and one neighbour may pass on all of them.
	neighbourRate, neighbourBurst = 256, 1024
	// strangerRate bounds the messages a second of strangers through one neighbour. A newcomer is
	// heard directly by the nodes that it finds, so few of its messages need others.
	strangerRate, strangerBurst = 8, 64
	// maxNeighbours is four times the connections at which a host trims.
	maxNeighbours = 384
	// neighbourBytes bounds the bytes a second that are read from a neighbour: 256 messages of 500 bytes.
	// Without that bound 5,000 small messages a second took a fifth of a core, though all but 256 were
	// dropped. A read counts as leastRead at least, or frames of no bytes would be free.
	neighbourBytes, neighbourBytesBurst = 128 << 10, 1 << 20
	leastRead                           = 64
)

// of finds what is kept of a neighbour. The caller holds g.mu.
func (g *Topics) of(id peer.ID) *neighbour {
	n := g.neighbours[id]
	if n == nil {
		for len(g.neighbours) >= maxNeighbours {
			var oldest peer.ID
			for id, o := range g.neighbours {
				if oldest == "" || o.messages.at.Before(g.neighbours[oldest].messages.at) {
					oldest = id
				}
			}
			delete(g.neighbours, oldest)
		}
		n = &neighbour{bytes: rate.NewLimiter(neighbourBytes, neighbourBytesBurst)}
		g.neighbours[id] = n
	}
	return n
}

// allowed is how many of the next n messages of a neighbour are looked at.
func (g *Topics) allowed(from peer.ID, n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, now := &g.of(from).messages, g.now()
	for i := range n {
		if !b.take(now, neighbourRate, neighbourBurst) {
			return i
		}
	}
	return n
}

// pace is what a neighbour's bytes wait for.
func (g *Topics) pace(from peer.ID) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of(from).bytes
}

// patient is the host as gossip sees it: what a neighbour says too fast stays in the line, and holds up nobody else.
type patient struct {
	host.Host
	pace func(peer.ID) *rate.Limiter
	done context.Context
}

func (p patient) SetStreamHandler(id protocol.ID, h network.StreamHandler) {
	p.Host.SetStreamHandler(id, p.slowly(h))
}

func (p patient) SetStreamHandlerMatch(id protocol.ID, m func(protocol.ID) bool, h network.StreamHandler) {
	p.Host.SetStreamHandlerMatch(id, m, p.slowly(h))
}

func (p patient) slowly(h network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) { h(&slowStream{s, p.pace(s.Conn().RemotePeer()), p.done}) }
}

// slowStream is a stream that is read at a pace.
type slowStream struct {
	network.Stream
	pace *rate.Limiter
	done context.Context
}

func (s *slowStream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b[:min(len(b), neighbourBytesBurst)])
	if waited := s.pace.WaitN(s.done, max(n, leastRead)); err == nil {
		err = waited
	}
	return n, err
}
