package p2p

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/peerbook"
)

const (
	// deafAfter is how long gossip may take a connected peer for one that has
	// subscribed to nothing; subscriptions come with the first round trip.
	deafAfter = 3 * time.Second
	// Whoever stays so is left alone for longer every time.
	deafMost = 5 * time.Minute
)

// deaf finds peers that are connected and that gossip sends nothing to.
//
// Where two nodes have two connections, and that one ends which carried this
// node's side of gossip, gossip forgets what the peer has subscribed to; the peer
// has no cause to say it again. From then on the peer hears nothing from here, for
// as long as the other connection lives. Every member subscribes to both topics,
// so it shows; closing all connections makes both sides begin anew. Gossip leaves
// relayed connections alone, so those are none of this.
type deaf map[peer.ID]*silence

type silence struct {
	since time.Time // when it was first seen so, this time
	times int       // that its connections were closed for it
}

// due says whose connections to close.
func (d deaf) due(now time.Time, connected, subscribed []peer.ID) (ids []peer.ID) {
	for id, s := range d {
		if slices.Contains(subscribed, id) {
			delete(d, id)
		} else if !slices.Contains(connected, id) {
			s.since = time.Time{}
			if s.times == 0 {
				delete(d, id)
			}
		}
	}
	for _, id := range connected {
		if slices.Contains(subscribed, id) {
			continue
		}
		s := d[id]
		if s == nil {
			if len(d) >= peerbook.MaxPeers {
				continue
			}
			s = new(silence)
			d[id] = s
		}
		switch {
		case s.since.IsZero():
			s.since = now
		case now.Sub(s.since) >= min(deafAfter<<min(s.times, 16), deafMost):
			s.since = time.Time{}
			s.times++
			ids = append(ids, id)
		}
	}
	return ids
}

// reconnect closes the connections to peers that hear nothing from here; dialLoop
// dials them again at once.
func (n *Network) reconnect(d deaf) {
	for _, id := range d.due(time.Now(), n.direct(), n.gossip.Subscribers()) {
		n.log.Debug("Gossip has lost a peer; connecting anew", "peer", id)
		_ = n.host.Network().ClosePeer(id)
	}
}
