package p2p

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// bucket lets a number a second pass, after a burst. The zero bucket is a full one.
type bucket struct {
	used float64 // of the burst
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

// neighbour is what gossip lets pass that comes from one, whoever wrote it: to check a signature takes 0.1 ms.
type neighbour struct {
	messages  bucket
	strangers bucket // of those whose authors are neither it nor known
}

const (
	// A swarm of 32 says at most 200 things a second, and one neighbour passes all of it on at worst.
	neighbourRate, neighbourBurst = 256, 1024
	// Who joins is heard from itself by as many as it finds, and through others by the rest.
	strangerRate, strangerBurst = 8, 64
	maxNeighbours               = 4 * highConns
)

// of finds what is kept of a neighbour. The caller holds g.mu.
func (g *gossip) of(id peer.ID) *neighbour {
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
		if g.neighbours == nil {
			g.neighbours = map[peer.ID]*neighbour{}
		}
		n = &neighbour{}
		g.neighbours[id] = n
	}
	return n
}

// allowed is how many of the next n messages of a neighbour are looked at.
func (g *gossip) allowed(from peer.ID, n int) int {
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
