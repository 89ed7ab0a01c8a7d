package p2p

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
)

// A cap counts what the line carries, and streams know only their own bytes: these constants add the rest.
const (
	// overhead of packets: IP, UDP, QUIC and its seals are about 70 of 1,280–1,450 bytes.
	overhead = 1.055
	// ackShare is what acknowledging a byte sends back: a packet of 70 bytes for every two.
	ackShare = 0.028
)

// Caps bound what crosses this machine's line to the outside, in bytes a second; 0
// is no bound. Peers in the local network do not count.
type Caps struct{ Up, Down float64 }

// SetCaps changes the caps; they count at once.
func (n *Network) SetCaps(c Caps) {
	n.traffic.up.SetRate(c.Up)
	n.traffic.down.SetRate(c.Down)
}

// caps are the shapers of both directions, and the peers that they do not count.
type caps struct {
	up, down shaper.Shaper
	near     sync.Map // the ids of peers in the local network
}

// settle notes whether a peer is in the local network.
func (c *caps) settle(conn network.Conn) {
	if pathOf(conn.RemoteMultiaddr()) == "lan" {
		c.near.Store(conn.RemotePeer(), true)
	} else {
		c.near.Delete(conn.RemotePeer())
	}
}

func (c *caps) isNear(id peer.ID) bool {
	_, ok := c.near.Load(id)
	return ok
}

// sent counts sent bytes that did not wait under a cap.
func (c *caps) sent(n int64, to peer.ID) {
	if !c.isNear(to) {
		c.up.Charge(overhead * float64(n))
		c.down.Charge(ackShare * float64(n))
	}
}

// received counts bytes that came; of those that a fetch waited for, only the
// acknowledgement.
func (c *caps) received(n int64, from peer.ID, waited bool) {
	if c.isNear(from) {
		return
	}
	c.up.Charge(ackShare * float64(n))
	if !waited {
		c.down.Charge(overhead * float64(n))
	}
}

// WaitUp returns when so many bytes of a stream may go to a peer, or ctx ends.
func (c *caps) WaitUp(ctx context.Context, class shaper.Class, to peer.ID, bytes int) error {
	if c.isNear(to) {
		return nil
	}
	return c.up.Wait(ctx, class, string(to), int(overhead*float64(bytes)))
}

// Intake is the cap on what comes from a peer, in bytes of streams a second; 0 is none.
func (c *caps) Intake(from peer.ID) float64 {
	if c.isNear(from) {
		return 0
	}
	return c.down.Rate() / overhead
}

// WaitDown returns when the next bytes from a peer may be read, or ctx ends.
func (c *caps) WaitDown(ctx context.Context, class shaper.Class, from peer.ID, bytes int) error {
	if c.isNear(from) {
		return nil
	}
	return c.down.Wait(ctx, class, string(from), int(overhead*float64(bytes)))
}
