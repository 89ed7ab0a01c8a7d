package p2p

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/peerbook"
)

const (
	// deafAfter is how long a connected peer may be without a subscription, by gossip's
	// word. Subscriptions come with the first round trip.
	deafAfter = 3 * time.Second
	// deafMost bounds the time until a peer's connections are closed again, which grows each
	// time that closing them did not help.
	deafMost = 5 * time.Minute
)

// deaf finds connected peers to which gossip sends nothing.
//
// Two nodes may have two connections. When the one that carried this node's side of
// gossip ends, gossip forgets the peer's subscriptions, and the peer has no cause to
// say them again: it hears nothing from here for as long as the other connection
// lives. Every member subscribes to both topics, so a connected peer without a
// subscription shows the fault, and closing all connections makes both sides begin
// anew. Relayed connections do not count, because gossip does not use them.
type deaf map[peer.ID]*silence

type silence struct {
	since time.Time // beginning of the present silence
	times int       // how often the peer's connections were closed
}

// due lists the peers whose connections are to be closed.
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
