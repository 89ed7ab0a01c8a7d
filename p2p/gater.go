package p2p

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/time/rate"
)

// One address may bring mostRefusals strangers at once, and one in each refusalEvery
// afterwards; all others are turned away before a handshake costs anything. A member that
// shares its address with strangers gets in after a few tries.
const (
	mostRefusals = 8
	refusalEvery = 2 * time.Second
	maxRefused   = 4096 // addresses that are remembered
	// strangersASecond is how many are heard of all addresses together, after a burst of twice
	// as many: each costs two milliseconds of processor time. Members' addresses are always heard.
	strangersASecond = 50
)

// gater turns strangers away before the handshake, where too many came from their address.
type gater struct {
	rest atomic.Bool // whether nobody outside the local network is dialled or accepted
	mu   sync.Mutex
	from map[string]*rate.Limiter
	all  *rate.Limiter
	good map[string]bool // addresses that members came from
}

func newGater() *gater {
	return &gater{
		from: map[string]*rate.Limiter{}, good: map[string]bool{},
		all: rate.NewLimiter(strangersASecond, 2*strangersASecond),
	}
}

var _ connmgr.ConnectionGater = (*gater)(nil)

// refused counts a stranger.
func (g *gater) refused(a multiaddr.Multiaddr) {
	ip, now := ipKey(a), time.Now()
	if ip == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.from[ip] == nil {
		if len(g.from) >= maxRefused {
			g.forget(now)
		}
		g.from[ip] = rate.NewLimiter(rate.Every(refusalEvery), mostRefusals)
	}
	g.from[ip].AllowN(now, 1)
	if !g.good[ip] {
		g.all.AllowN(now, 1)
	}
}

// admitted notes where a member came from.
func (g *gater) admitted(a multiaddr.Multiaddr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.good) >= maxRefused {
		clear(g.good)
	}
	g.good[ipKey(a)] = true
}

// forget makes room for another address. It drops those whose allowance is full again, or any one if
// there is none.
func (g *gater) forget(now time.Time) {
	for ip, l := range g.from {
		if l.TokensAt(now) >= mostRefusals || len(g.from) >= maxRefused {
			delete(g.from, ip)
		}
	}
}

func (g *gater) barred(a multiaddr.Multiaddr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	ip, now := ipKey(a), time.Now()
	l := g.from[ip]
	return l != nil && l.TokensAt(now) < 1 || !g.good[ip] && g.all.TokensAt(now) < 1
}

// ipKey is an IPv4 address or an IPv6 network of 56 bits, as one household has.
func ipKey(a multiaddr.Multiaddr) string {
	ip, err := manet.ToIP(a)
	if err != nil {
		return ""
	}
	if v4 := ip.To4(); v4 != nil {
		return string(v4)
	}
	return string(ip[:7])
}

// InterceptPeerDial allows all: dialLoop chooses whom to dial.
func (g *gater) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAddrDial refuses addresses outside the local network while the node rests.
func (g *gater) InterceptAddrDial(_ peer.ID, a multiaddr.Multiaddr) bool {
	return !g.rest.Load() || pathOf(a) == "lan"
}

// InterceptAccept refuses addresses that strangers keep coming from, and addresses outside the
// local network while the node rests.
func (g *gater) InterceptAccept(c network.ConnMultiaddrs) bool {
	a := c.RemoteMultiaddr()
	return !g.barred(a) && (!g.rest.Load() || pathOf(a) == "lan")
}

// Rest has the node do without the line to the outside, or use it again. Peers in the local
// network stay.
func (n *Network) Rest(on bool) {
	if n.gater.rest.Swap(on) == on || !on {
		return
	}
	for _, c := range n.host.Network().Conns() {
		if pathOf(c.RemoteMultiaddr()) != "lan" {
			_ = c.Close()
		}
	}
}

// InterceptSecured allows all: serveJoin tells a peer that does not belong why.
func (g *gater) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool {
	return true
}

// InterceptUpgraded allows all.
func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
