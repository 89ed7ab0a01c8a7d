package p2p

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// An address from which this many strangers came within refusalMemory is not accepted
// any more, before a handshake costs anything, until they are forgotten.
const (
	mostRefusals  = 8
	refusalMemory = time.Minute
	maxRefused    = 4096 // addresses remembered
)

// gater turns strangers away by address, before the handshake, where too many came from it.
type gater struct {
	mu   sync.Mutex
	from map[string]*refusals
}

type refusals struct {
	count int
	last  time.Time
}

var _ connmgr.ConnectionGater = (*gater)(nil)

// refused counts a stranger.
func (g *gater) refused(a multiaddr.Multiaddr) {
	ip := ipKey(a)
	if ip == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	r := g.from[ip]
	if r == nil || now.Sub(r.last) > refusalMemory {
		if len(g.from) >= maxRefused {
			for k, o := range g.from {
				if now.Sub(o.last) > refusalMemory || len(g.from) >= maxRefused {
					delete(g.from, k)
				}
			}
		}
		r = &refusals{}
		g.from[ip] = r
	}
	r.count, r.last = r.count+1, now
}

func (g *gater) barred(a multiaddr.Multiaddr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.from[ipKey(a)]
	return r != nil && r.count >= mostRefusals && time.Since(r.last) <= refusalMemory
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

// InterceptPeerDial allows all: whom to dial is the book's choice.
func (g *gater) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAddrDial allows all.
func (g *gater) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept refuses addresses that strangers keep coming from.
func (g *gater) InterceptAccept(c network.ConnMultiaddrs) bool { return !g.barred(c.RemoteMultiaddr()) }

// InterceptSecured allows all: who does not belong is told why, by serveJoin.
func (g *gater) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool {
	return true
}

// InterceptUpgraded allows all.
func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
