package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/gossip"
	"github.com/murmurnet/murmur/p2p/peerbook"
	"github.com/murmurnet/murmur/proto"
)

// ErrPortInUse says that another process holds a port of Params.Listen.
var ErrPortInUse = errors.New("port in use")

// anyPort lists the addresses on which a node listens that was given none.
var anyPort = []string{
	"/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0",
	"/ip6/::/udp/0/quic-v1", "/ip6/::/tcp/0",
}

// Network is a running host in one swarm.
type Network struct {
	params  Params
	log     *slog.Logger
	host    host.Host
	dht     *dht.IpfsDHT
	gossip  *gossip.Topics
	blobs   *blob.Exchange
	peers   *peerbook.Peers
	traffic *traffic
	reached reached
	gate    admission
	gater   *gater
	changes chan struct{}
	search  chan struct{} // wakes the search for peers
	ready   chan struct{} // closed when New is through
	prefix  protocol.ID   // of this swarm's protocols
	blobID  protocol.ID
	syncID  protocol.ID
	joinID  protocol.ID

	handling chan struct{} // one token for each sync request whose answer is being made
	sending  *turnstile    // for longer answers that are being sent

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards closed, and wg against growing after Close
	closed bool
	stops  []func() error // functions that end the parts, in the order of starting
}

// New starts a host. It returns as soon as it listens: peers are looked for in
// the background, and none needs to be reachable. The Network works until Close
// or until ctx ends, whichever is first; Close is needed in both cases. Two things hold
// for all libp2p hosts of the process from then on: one observer is enough to believe in
// an address, and libp2p logs to p.Log.
func New(ctx context.Context, p Params) (_ *Network, err error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("network parameters: %w", err)
	}
	bridgeLogs(p.Log.Handler())
	trustOneObserver()
	prefix := "/murmur/" + p.Swarm.String()
	ctx, cancel := context.WithCancel(ctx)
	self := peer.ID(proto.PeerOf(p.Key.Public().(ed25519.PublicKey)))
	n := &Network{
		params: p, log: p.Log, ctx: ctx, cancel: cancel,
		traffic: &traffic{blob: protocol.ID(prefix + "/blob/1"), sync: protocol.ID(prefix + "/sync/1")},
		changes: make(chan struct{}, 1), search: make(chan struct{}, 1), ready: make(chan struct{}),
		prefix: protocol.ID(prefix), blobID: protocol.ID(prefix + "/blob/1"), syncID: protocol.ID(prefix + "/sync/1"), joinID: protocol.ID(prefix + "/join/1"),
		gate:     admission{list: p.Members, greets: map[peer.ID]*greeting{}, let: make(chan struct{})},
		handling: make(chan struct{}, maxServedSync), sending: newTurnstile(maxServedSync, maxPeerLong),
	}
	n.reached.now = Reachability{Verdict: verdict(network.ReachabilityUnknown), Router: map[string]string{}}
	n.gater = newGater()
	defer func() {
		if err != nil {
			_ = n.Close()
		}
	}()
	n.blobs, err = blob.New(ctx, blob.Params{
		Self: self, Store: p.Blobs, Line: &n.traffic.caps, Log: p.Log, Nearest: n.Nearest, Outsider: n.outsider,
		Open: func(ctx context.Context, to peer.ID) (network.Stream, func() bool, error) {
			return n.openStream(ctx, to, n.blobID)
		},
	})
	if err != nil {
		return nil, err
	}
	n.stops = append(n.stops, n.blobs.Close) // after the host, whose end ends each write to a silent peer
	if n.host, err = newHost(n); err != nil {
		return nil, err
	}
	n.stops = append(n.stops, n.host.Close)
	n.peers, err = peerbook.New(peerbook.Params{Self: n.host.ID(), Bootstrap: p.Bootstrap, File: p.PeersFile, Log: p.Log, Known: func(id peer.ID) bool { return p.Known != nil && p.Known(proto.PeerID(id)) }})
	if err != nil {
		return nil, err
	}
	if err := n.watch(ctx); err != nil {
		return nil, err
	}
	members := guarded{n.host, n}
	members.SetStreamHandler(n.blobID, newCrowd(maxBlobStreams, n.begin).only(n.blobs.Serve))
	members.SetStreamHandler(n.syncID, newCrowd(maxSyncStreams, n.begin).only(n.serveSync))
	n.host.SetStreamHandler(n.joinID, n.serveJoin)
	known, err := newProviders(n.rendezvous())
	if err != nil {
		return nil, err
	}
	n.dht, err = dht.New(members, dht.ProtocolPrefix(protocol.ID(prefix)), dht.Mode(p.Reach.mode()), dht.DisableValues(), dht.ProviderDatastore(known))
	if err != nil {
		return nil, fmt.Errorf("starting the DHT: %w", err)
	}
	n.stops = append(n.stops, n.dht.Close)
	n.gossip, err = gossip.New(ctx, gossip.Params{Host: members, Swarm: p.Swarm, Prefix: n.prefix, Members: n.members, Outsider: n.outsider})
	if err != nil {
		return nil, fmt.Errorf("starting gossip: %w", err)
	}
	n.stops = append(n.stops, n.gossip.Close)
	// Only now: who connects finds all protocols in place.
	if err := n.listen(); err != nil {
		return nil, err
	}
	n.discover(ctx)
	close(n.ready)
	return n, n.seekRelays()
}

func newHost(n *Network) (host.Host, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(n.params.Key)
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	opts, err := bounds(n.prefix, n.gater)
	if err != nil {
		return nil, err
	}
	ways, err := transports()
	if err != nil {
		return nil, err
	}
	opts = append(opts, ways...)
	opts = append(opts, n.params.Reach.options(n)...)
	opts = append(opts,
		libp2p.Identity(key), libp2p.UserAgent("murmur/"+n.params.Version), libp2p.ProtocolVersion("murmur/1"),
		libp2p.NoListenAddrs, // listen says which address is wrong
		libp2p.WithDialTimeout(dialTimeout),
		// After a hundred dials in vain libp2p would try one in a hundred: a
		// machine that was offline for a quarter of an hour stayed so.
		libp2p.UDPBlackHoleSuccessCounter(nil), libp2p.IPv6BlackHoleSuccessCounter(nil),
		libp2p.ConnectionGater(n.gater), libp2p.BandwidthReporter(n.traffic), libp2p.DisableMetrics(),
		libp2p.NonPublicAddrPublishing(true), // swarms in a home network and on loopback
	)
	h, err := libp2p.New(append(opts, n.params.Host...)...)
	if err != nil {
		return nil, fmt.Errorf("starting the libp2p host: %w", err)
	}
	return h, nil
}

// listen opens every address. A taken port is an error; a machine without IPv6
// is not; at least one address must work.
func (n *Network) listen() error {
	addrs := n.params.Listen
	if len(addrs) == 0 {
		addrs = anyPort
	}
	var bad []string
	own := map[string]bool{} // ports: QUIC and WebTransport share one
	for _, s := range addrs {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return fmt.Errorf("listen address %q: %w", s, err)
		}
		port := quicless(a).String()
		if !own[port] {
			err = portFree(a)
		}
		if err == nil {
			err = n.host.Network().Listen(a)
		}
		own[port] = own[port] || err == nil
		switch {
		case err == nil:
		case inUse(err):
			return fmt.Errorf("%w: %s is taken by another program, perhaps a second murmur; stop that one or choose another port",
				ErrPortInUse, portOf(a))
		default:
			n.log.Debug("Not listening", "addr", s, "error", err)
			bad = append(bad, s+": "+err.Error())
		}
	}
	if len(n.host.Network().ListenAddresses()) == 0 {
		return fmt.Errorf("cannot listen on any address: %s", strings.Join(bad, "; "))
	}
	return nil
}

// portFree is an error where another process holds the port. libp2p would not
// say: it shares TCP ports, so that two daemons of one user both get one, and
// its errors for UDP carry no cause.
func portFree(a multiaddr.Multiaddr) error {
	addr, err := manet.ToNetAddr(quicless(a))
	if err != nil {
		return nil //nolint:nilerr // not a plain address: Listen reports it
	}
	var l io.Closer
	switch addr := addr.(type) {
	case *net.TCPAddr:
		l, err = net.ListenTCP("tcp"+family(addr.IP), addr)
	case *net.UDPAddr:
		l, err = net.ListenUDP("udp"+family(addr.IP), addr)
	default:
		return nil
	}
	if inUse(err) {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // Listen reports it for itself
	}
	return l.Close()
}

// quicless cuts an address after its port.
func quicless(a multiaddr.Multiaddr) multiaddr.Multiaddr {
	head, _ := multiaddr.SplitFunc(a, func(c multiaddr.Component) bool { return c.Protocol().Code == multiaddr.P_QUIC_V1 })
	return head
}

func family(ip net.IP) string {
	if ip.To4() != nil {
		return "4"
	}
	return "6"
}

func inUse(err error) bool {
	const windows = syscall.Errno(10048) // WSAEADDRINUSE; no other system has this number
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windows)
}

func portOf(a multiaddr.Multiaddr) string {
	for _, c := range []int{multiaddr.P_UDP, multiaddr.P_TCP} {
		if v, err := a.ValueForProtocol(c); err == nil {
			return multiaddr.ProtocolWithCode(c).Name + " port " + v
		}
	}
	return a.String()
}

// ID is this node's peer id.
func (n *Network) ID() proto.PeerID { return proto.PeerID(n.host.ID()) }

// Addrs returns the addresses under which this node can be dialled, each ending
// in /p2p/ID.
func (n *Network) Addrs() []string {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()})
	if err != nil {
		return nil
	}
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}

// begin holds the wait group until done is called, unless the network is closed.
func (n *Network) begin() (done func(), ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, false
	}
	n.wg.Add(1)
	return n.wg.Done, true
}

// Close leaves the network and waits, for at most three seconds.
func (n *Network) Close() error {
	n.mu.Lock()
	again := n.closed
	n.closed = true
	n.mu.Unlock()
	if again {
		return nil
	}
	n.cancel()
	done := make(chan error, 1)
	go func() {
		var err error
		for i := len(n.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, n.stops[i]())
		}
		n.wg.Wait()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(closeTimeout):
		return fmt.Errorf("the network did not close within %v", closeTimeout)
	}
}
