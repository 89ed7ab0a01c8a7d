package p2p

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/murmurnet/murmur/p2p/peerbook"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/wire"
)

// maxAgent bounds the name that a peer gives its program: "murmur/" and a version.
const maxAgent = len("murmur/") + wire.MaxVersion

// PeerInfo describes one peer.
type PeerInfo struct {
	ID        proto.PeerID
	Addrs     []string // where it can be dialled; first the one in use
	Connected bool
	Direction string        // "inbound" or "outbound"; "" while not connected
	RTT       time.Duration // 0 = not measured
	Write     time.Duration // the longest that a gossip frame to it took to be written in the last minute; 0: none was
	Agent     string        // such as "murmur/0.1.0"
	Path      string        // "lan", "direct" or "relayed"; "" while not connected
	BytesIn   uint64        // since it connected
	BytesOut  uint64
}

// Peers returns the peers that are connected and those that are known, the
// connected ones first.
func (n *Network) Peers() []PeerInfo {
	ids := append(n.host.Network().Peers(), n.peers.IDs()...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	out := make([]PeerInfo, 0, len(ids))
	for _, id := range ids {
		out = append(out, n.peerInfo(id))
	}
	slices.SortStableFunc(out, func(a, b PeerInfo) int {
		if a.Connected != b.Connected {
			if a.Connected {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return out
}

func (n *Network) peerInfo(id peer.ID) PeerInfo {
	traffic := n.traffic.peers.look(id)
	p := PeerInfo{
		ID: proto.PeerID(id), RTT: n.host.Peerstore().LatencyEWMA(id), Write: n.gossip.LongestWrite(id),
		BytesIn: uint64(traffic.TotalIn), BytesOut: uint64(traffic.TotalOut),
	}
	if v, err := n.host.Peerstore().Get(id, "AgentVersion"); err == nil {
		if agent, _ := v.(string); len(agent) <= maxAgent && proto.Printable(agent) {
			p.Agent = agent
		}
	}
	addrs := n.peers.Addrs(id)
	conns := n.host.Network().ConnsToPeer(id)
	// A relayed connection stays for a while beside the one that took its place.
	slices.SortStableFunc(conns, func(a, b network.Conn) int { return cmp.Compare(limited(a), limited(b)) })
	for _, c := range conns {
		if c.IsClosed() {
			continue
		}
		p.Connected, p.Path = true, pathOf(c.RemoteMultiaddr())
		p.Direction = "inbound"
		if c.Stat().Direction == network.DirOutbound {
			p.Direction = "outbound"
			addrs = peerbook.Merge([]multiaddr.Multiaddr{c.RemoteMultiaddr()}, addrs)
		}
		break
	}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, a.String())
	}
	return p
}

func limited(c network.Conn) int {
	if c.Stat().Limited {
		return 1
	}
	return 0
}

func pathOf(a multiaddr.Multiaddr) string {
	if _, err := a.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
		return "relayed"
	}
	if manet.IsPrivateAddr(a) || manet.IsIPLoopback(a) || manet.IsIP6LinkLocal(a) {
		return "lan"
	}
	return "direct"
}

// Nearest orders peers by how soon they can be asked for something: first those that
// are connected, last those that only a relay reaches. Else the order stays.
func (n *Network) Nearest(ids []proto.PeerID) []proto.PeerID {
	out := slices.Clone(ids)
	slices.SortStableFunc(out, func(a, b proto.PeerID) int {
		return cmp.Compare(n.distance(peer.ID(a)), n.distance(peer.ID(b)))
	})
	return out
}

func (n *Network) distance(id peer.ID) int {
	switch {
	case n.connected(id):
		return 0
	case n.outOfReach(id):
		return 2
	}
	return 1
}

// outOfReach says that only a relay reaches a peer, and has for longer than it takes
// to punch a hole: no stream will open to it.
func (n *Network) outOfReach(id peer.ID) bool {
	conns := n.host.Network().ConnsToPeer(id)
	waited := func(c network.Conn) bool { return c.Stat().Limited && time.Since(c.Stat().Opened) > punchTime }
	direct := func(c network.Conn) bool { return !c.Stat().Limited }
	return slices.ContainsFunc(conns, waited) && !slices.ContainsFunc(conns, direct)
}

// Connected returns the peers that are connected now and not only by a relay.
func (n *Network) Connected() []proto.PeerID {
	var out []proto.PeerID
	for _, id := range n.direct() {
		out = append(out, proto.PeerID(id))
	}
	slices.Sort(out)
	return out
}

func (n *Network) direct() []peer.ID {
	return slices.DeleteFunc(n.host.Network().Peers(), func(id peer.ID) bool { return !n.connected(id) })
}

// PeerChanges signals that a peer of the swarm has connected or left. Several signals
// become one until it is taken.
func (n *Network) PeerChanges() <-chan struct{} { return n.changes }
