package p2p

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
)

// What a cap counts is what the line carries; streams know only their own bytes.
const (
	// overhead of packets: IP, UDP, QUIC and its seals are about 70 of 1,280–1,450 bytes.
	overhead = 1.055
	// ackShare is what acknowledging a byte sends back: a packet of 70 bytes for every two.
	ackShare = 0.028
	// portion is what goes at once: 26 ms at 5 Mbit/s.
	portion = 16 << 10
)

// Caps bound what crosses this machine's line to the outside, in bytes a second; 0
// is no bound. Peers in the local network do not count.
type Caps struct{ Up, Down float64 }

// SetCaps changes the caps; they count at once.
func (n *Network) SetCaps(c Caps) {
	n.traffic.up.SetRate(c.Up)
	n.traffic.down.SetRate(c.Down)
}

// caps are the two directions, and who is not counted.
type caps struct {
	up, down shaper.Shaper
	near     sync.Map // the ids of peers in the local network
}

// settle notes where a peer is.
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

// sent counts bytes that did not wait.
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

// shaped writes a blob under the upload cap.
type shaped struct {
	paced
	ctx   context.Context
	caps  *caps
	class shaper.Class
}

func (w shaped) Write(b []byte) (done int, err error) {
	to := w.Conn().RemotePeer()
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), portion)]
		if !w.caps.isNear(to) {
			if err = w.caps.up.Wait(w.ctx, w.class, string(to), int(overhead*float64(len(piece)))); err != nil {
				break
			}
		}
		var k int
		k, err = w.paced.Write(piece)
		done, b = done+k, b[k:]
	}
	return done, err
}
