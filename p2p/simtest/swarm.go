// Package simtest runs nodes on simulated links in virtual time, for tests of
// whole swarms: real libp2p over QUIC, in one process and one testing/synctest
// bubble, where an hour costs seconds and no socket is opened.
//
// It guarantees rates, delays, losses, partitions and dead links as told, and
// equal losses for equal seeds. The rest repeats to a few per cent only, because
// libp2p draws from the process's randomness: tests assert bounds, not values.
// It must not know what the nodes do with their links.
package simtest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"

	"github.com/murmurnet/murmur/p2p"
)

const (
	port = 4101
	// libp2p's address book and connection manager let go within so long of
	// virtual time after a host has closed.
	settle = 5 * time.Second
)

// Link is a node's line to the rest of the world.
type Link struct {
	Up, Down int           // bits/s; a queue on each side is kept short by FQ-CoDel
	Delay    time.Duration // one way, to the middle: two nodes are the sum apart
	Loss     float64       // share of the packets sent that get lost, below 1
}

// Home is a volunteer's line: 100 Mbit/s down, 20 up, 60 ms there and back
// between two of them.
func Home() Link { return Link{Up: 20_000_000, Down: 100_000_000, Delay: 15 * time.Millisecond} }

// Params is what a Swarm is made from.
type Params struct {
	Link func(node int) Link // nil: Home for all
	Seed uint64              // says which packets get lost
}

// Swarm is a simulated network. Its nodes are numbered from 0 and have one
// address each, for life.
type Swarm struct {
	t    testing.TB
	p    Params
	net  *simnet.Simnet
	void *net.UDPAddr // where lost packets go

	mu    sync.Mutex
	lines map[netip.Addr]*line
}

// line is what is known of one node's line.
type line struct {
	link      Link
	dead      bool
	side      int // of a partition
	loss      *rand.Rand
	conn      *simnet.SimConn
	transport *quicreuse.ConnManager
	addr      string
}

// Run calls f in a bubble with a network of its own. What f starts must have
// ended when f and the cleanups of its t are through.
func Run(t *testing.T, p Params, f func(t *testing.T, s *Swarm)) {
	t.Helper()
	if p.Link == nil {
		p.Link = func(int) Link { return Home() }
	}
	// On one processor runs repeat better and take no longer, and the race detector
	// survives timers of a bubble that fire together (golang/go#78156).
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		s := &Swarm{t: t, p: p, void: new(net.UDPAddr), lines: make(map[netip.Addr]*line)}
		s.net = &simnet.Simnet{LatencyFunc: s.route, Logger: slog.New(slog.DiscardHandler)}
		s.net.Start()
		t.Cleanup(s.close)
		f(t, s)
	})
}

func (s *Swarm) close() {
	for _, l := range s.lines {
		if l.transport != nil {
			if err := l.transport.Close(); err != nil {
				s.t.Errorf("closing the QUIC transport of %s: %v", l.addr, err)
			}
		}
	}
	s.net.Close()
	time.Sleep(settle)
}

// route says how long a packet travels between two lines. simnet has no word
// for a loss, so what is lost is sent to an address that nobody has.
func (s *Swarm) route(p *simnet.Packet) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to := s.lines[ipOf(p.From)], s.lines[ipOf(p.To)]
	if from == nil || to == nil || from.dead || to.dead || from.side != to.side || from.loss.Float64() < from.link.Loss {
		p.To = s.void
		return 0
	}
	return from.link.Delay + to.link.Delay
}

func ipOf(a net.Addr) netip.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// addrPort is the address of node i.
func addrPort(i int) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(simnet.IntToPublicIPv4(i))
	return netip.AddrPortFrom(ip.Unmap(), port)
}

// line returns a node's line; the caller holds the lock.
func (s *Swarm) line(i int) *line {
	ip := addrPort(i).Addr()
	l := s.lines[ip]
	if l == nil {
		l = &line{link: s.p.Link(i), loss: rand.New(rand.NewPCG(s.p.Seed, uint64(i)))}
		s.lines[ip] = l
	}
	return l
}

// Tune returns what changes a network's parameters so that it runs as node i. A
// node that comes back is tuned anew, after its Close has returned; whatever its
// last life left on the line is cut off.
func (s *Swarm) Tune(i int) func(*p2p.Params) {
	return func(p *p2p.Params) {
		at := fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", addrPort(i).Addr(), port)
		p.Listen, p.MDNS, p.Reach = []string{at}, false, p2p.Direct
		p.Host = append(p.Host, s.quic(i), libp2p.DisableIdentifyAddressDiscovery()) // the latter stalls virtual time
		key, err := crypto.UnmarshalEd25519PrivateKey(p.Key)
		if err != nil {
			s.t.Errorf("key of node %d: %v", i, err)
			return
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			s.t.Errorf("key of node %d: %v", i, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.line(i).addr = at + "/p2p/" + id.String()
	}
}

// Addr is where node i can be dialled, ending in /p2p/ID. The node must have
// been tuned: only then is its id known.
func (s *Swarm) Addr(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := s.line(i).addr
	if addr == "" {
		s.t.Errorf("the address of node %d was asked for before it was tuned", i)
	}
	return addr
}

// quic makes a host send and receive on node i's line.
func (s *Swarm) quic(i int) libp2p.Option {
	keep := func(cm *quicreuse.ConnManager) {
		s.mu.Lock()
		l := s.line(i)
		old := l.transport
		l.transport = cm
		s.mu.Unlock()
		if old != nil { // libp2p closes no transport that it was given
			_ = old.Close()
		}
	}
	return libp2p.QUICReuse(kept(quicreuse.NewConnManager, keep),
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return source(addrPort(i).Addr().AsSlice()), nil }),
		quicreuse.OverrideListenUDP(func(_ string, at *net.UDPAddr) (net.PacketConn, error) { return s.listen(i, at), nil }))
}

// kept is a constructor that shows what it made. Its parameters are QUIC's own
// types, which need no name here.
func kept[A, B any](make func(A, B, ...quicreuse.Option) (*quicreuse.ConnManager, error), keep func(*quicreuse.ConnManager),
) func(A, B, ...quicreuse.Option) (*quicreuse.ConnManager, error) {
	return func(a A, b B, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
		cm, err := make(a, b, opts...)
		if err == nil {
			keep(cm)
		}
		return cm, err
	}
}

// listen puts a new socket on node i's line.
func (s *Swarm) listen(i int, at *net.UDPAddr) net.PacketConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(i)
	if l.conn != nil {
		_ = l.conn.Close()
	}
	l.conn = s.net.NewEndpoint(at, simnet.NodeBiDiLinkSettings{
		Downlink: simnet.LinkSettings{BitsPerSecond: l.link.Down},
		Uplink:   simnet.LinkSettings{BitsPerSecond: l.link.Up},
	})
	return l.conn
}

// source is a host's only address.
type source net.IP

// PreferredSourceIPForDestination is that address.
func (ip source) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	return net.IP(ip), nil
}

// Unplug makes nodes' links dead: nothing comes in or goes out, and nobody is
// told. A process that crashes says as much to the others.
func (s *Swarm) Unplug(nodes ...int) { s.each(nodes, func(l *line) { l.dead = true }) }

// Plug makes the links work again.
func (s *Swarm) Plug(nodes ...int) { s.each(nodes, func(l *line) { l.dead = false }) }

// Split parts the named nodes from all others; among themselves they go on. A
// second call makes a third part.
func (s *Swarm) Split(nodes ...int) {
	s.mu.Lock()
	next := 0
	for _, l := range s.lines {
		next = max(next, l.side)
	}
	s.mu.Unlock()
	s.each(nodes, func(l *line) { l.side = next + 1 })
}

// Heal ends every Split.
func (s *Swarm) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		l.side = 0
	}
}

func (s *Swarm) each(nodes []int, change func(*line)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range nodes {
		change(s.line(i))
	}
}
