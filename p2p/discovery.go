package p2p

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	drouting "github.com/libp2p/go-libp2p/p2p/discovery/routing"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multiaddr"

	"github.com/murmurnet/murmur/p2p/peerbook"
)

const (
	dialTick    = time.Second     // how often known peers are looked at for one to dial
	saveTick    = 5 * time.Second // pause between two saves of peers that changed, short because a node killed soon after its start must find its peers again
	pingTick    = time.Minute
	maxDials    = 8 // most dials at once
	eventBuffer = 256
	// A search asks the DHT for the swarm's members: some hundred bytes from
	// each neighbour. It repeats at growing intervals while there are fewer
	// neighbours than lowConns, and starts over when one comes or goes while
	// there are few.
	searchFirst = time.Second
	searchMost  = 5 * time.Minute
	searchTime  = 10 * time.Second
	fewPeers    = 4
	// A record lives with the few peers that held it first; told again this
	// often, it survives them.
	advertiseEvery = 10 * time.Minute
	advertiseTime  = 30 * time.Second
)

// discover starts the searches that go on until ctx ends.
func (n *Network) discover(ctx context.Context) {
	n.wg.Go(func() { n.dialLoop(ctx) })
	n.wg.Go(func() { n.searchLoop(ctx) })
	n.wg.Go(func() { n.pingLoop(ctx) })
	n.wg.Go(func() { n.greetLoop(ctx) })
	if !n.params.MDNS {
		return
	}
	id := n.params.Swarm.String()
	s := mdns.NewMdnsService(n.host, "_murmur-"+id[len(id)-16:]+"._udp", found(n.peers.Learn))
	if err := s.Start(); err != nil {
		n.log.Info("Not looking for peers in the local network", "error", err)
		return
	}
	n.stops = append(n.stops, s.Close)
}

type found func(peer.AddrInfo)

// HandlePeerFound is called by mDNS for every answer.
func (f found) HandlePeerFound(info peer.AddrInfo) { f(info) }

// watch follows connections: it keeps the known peers up to date, and closes those to hosts that
// are not of this swarm. It notes how others can come to this one, too.
func (n *Network) watch(ctx context.Context) error {
	sub, err := n.host.EventBus().Subscribe([]any{
		new(event.EvtPeerConnectednessChanged), new(event.EvtPeerIdentificationCompleted),
		new(event.EvtLocalReachabilityChanged), new(event.EvtHostReachableAddrsChanged),
		new(event.EvtNATDeviceTypeChanged), new(event.EvtAutoRelayAddrsUpdated),
	}, eventbus.BufSize(eventBuffer), eventbus.Name("murmur"))
	if err != nil {
		return fmt.Errorf("watching connections: %w", err)
	}
	n.host.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		n.traffic.settle(c)
		n.renew(c)
		n.arrived(c)
	}})
	n.wg.Go(func() {
		defer func() { _ = sub.Close() }()
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-sub.Out():
				switch e := e.(type) {
				case event.EvtPeerIdentificationCompleted:
					n.met(e)
				case event.EvtPeerConnectednessChanged:
					if e.Connectedness == network.NotConnected {
						n.parted(e.Peer)
						n.peers.Left(e.Peer)
						n.traffic.peers.forget(e.Peer)
						n.changed()
					}
				default:
					n.reached.take(e)
					n.changed()
				}
			}
		}
	})
	return nil
}

// met notes a connected peer that speaks this swarm's protocols, and disconnects any other. A peer that has just started may
// identify itself before its handlers are set, because go-libp2p 0.52.0 takes them up on a goroutine of its own. So a peer
// that seems to lack a protocol is asked for it.
func (n *Network) met(e event.EvtPeerIdentificationCompleted) {
	if slices.Contains(e.Protocols, n.syncID) {
		n.fits(e)
		return
	}
	done, ok := n.begin()
	if !ok {
		return
	}
	go func() {
		defer done()
		ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(network.WithNoDial(n.ctx, "it is connected"), "identify"), joinTimeout)
		defer cancel()
		s, err := n.host.NewStream(ctx, e.Peer, n.syncID)
		if err == nil {
			_ = s.Reset()
			n.fits(e)
			return
		}
		a := peerbook.Attempt{Addr: e.Conn.RemoteMultiaddr().String(), Why: n.stranger(e), At: time.Now()}
		if n.peers.Drop(e.Peer, a) {
			n.log.Warn("A bootstrap peer cannot be worked with", "peer", e.Peer, "why", a.Why)
		}
		_ = n.host.Network().ClosePeer(e.Peer)
	}()
}

func (n *Network) fits(e event.EvtPeerIdentificationCompleted) {
	addrs := e.ListenAddrs
	if e.Conn.Stat().Direction == network.DirOutbound { // this one is known to work
		addrs = peerbook.Merge([]multiaddr.Multiaddr{e.Conn.RemoteMultiaddr()}, addrs)
	}
	if n.members() != nil {
		return // admit does the rest once the peer is let in
	}
	n.peers.Met(e.Peer, addrs)
	n.changed()
}

// stranger says why this node has nothing to talk about with a peer.
func (n *Network) stranger(e event.EvtPeerIdentificationCompleted) string {
	for _, p := range e.Protocols {
		if v, ok := strings.CutPrefix(string(p), string(n.prefix)+"/sync/"); ok {
			return fmt.Sprintf("it speaks version %s of this swarm's protocol and this node version %s: the older of the two needs a newer murmur (there: %s)",
				clip(v), path.Base(string(n.syncID)), clip(e.AgentVersion))
		}
	}
	return "it is not of this swarm: is the join link the right one?"
}

// changed signals PeerChanges, and starts the search over while there are few peers.
func (n *Network) changed() {
	chans := []chan struct{}{n.changes}
	if len(n.host.Network().Peers()) <= fewPeers {
		chans = append(chans, n.search)
	}
	for _, c := range chans {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// dialLoop dials known peers, for ever, while there is room for more.
func (n *Network) dialLoop(ctx context.Context) {
	tick := time.NewTicker(dialTick)
	defer tick.Stop()
	slots := make(chan struct{}, maxDials)
	saved := time.Now()
	lost, from := deaf{}, outlook{}
	for {
		n.reopen(&from)
		n.reconnect(lost)
		have := len(n.host.Network().Peers())
		if have < lowConns {
			free := min(maxDials-len(slots), lowConns-have)
			for _, info := range n.peers.Due(time.Now(), free, n.connected, have == 0) {
				slots <- struct{}{}
				n.wg.Go(func() {
					defer func() { <-slots }()
					err := n.dial(ctx, info)
					if err == nil {
						n.peers.Reached(info.ID)
					} else {
						n.peers.Failed(info.ID, attempts(info, err, time.Now()))
						n.log.Debug("Peer not reached", "peer", info.ID, "error", err)
					}
				})
			}
		}
		if time.Since(saved) > saveTick {
			saved = time.Now()
			n.savePeers()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.savePeers()
			return
		}
	}
}

func (n *Network) savePeers() {
	if err := n.peers.Save(); err != nil {
		n.log.Warn("Known peers not saved", "file", n.params.PeersFile, "error", err)
	}
}

func (n *Network) connected(id peer.ID) bool {
	return n.host.Network().Connectedness(id) == network.Connected
}

func (n *Network) dial(ctx context.Context, info peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, dialAllTimeout)
	defer cancel()
	// Known peers have their own pauses; libp2p's would refuse the dial for minutes.
	if s, ok := n.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(info.ID)
	}
	return n.host.Connect(ctx, info)
}

// connect reaches one named peer. It asks the DHT for a peer without known addresses.
func (n *Network) connect(ctx context.Context, id peer.ID) error {
	if n.connected(id) {
		return nil
	}
	info := peer.AddrInfo{ID: id, Addrs: n.peers.Addrs(id)}
	var failed error
	if len(info.Addrs) > 0 || len(n.host.Peerstore().Addrs(id)) > 0 {
		if failed = n.dial(ctx, info); failed == nil {
			return nil
		}
	}
	fresh, err := n.dht.FindPeer(ctx, id) // it may have moved, or be behind a relay by now
	switch {
	case err != nil && failed == nil:
		return fmt.Errorf("its address is not known: %w", err)
	case err != nil || !slices.ContainsFunc(fresh.Addrs, func(a multiaddr.Multiaddr) bool { return !slices.ContainsFunc(info.Addrs, a.Equal) }):
		return failed
	}
	return n.dial(ctx, fresh)
}

// rendezvous is the name under which members are listed in the DHT.
func (n *Network) rendezvous() string { return "/murmur/" + n.params.Swarm.String() }

// searchLoop finds members of the swarm through the DHT and is found there.
func (n *Network) searchLoop(ctx context.Context) {
	routing := drouting.NewRoutingDiscovery(n.dht)
	wait := searchFirst
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var advertised time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.search:
			wait = searchFirst
			timer.Reset(wait)
			continue
		case <-timer.C:
		}
		if n.dht.RoutingTable().Size() > 0 {
			if n.params.Reach != Visitor && time.Since(advertised) > advertiseEvery && n.advertise(ctx, routing, n.rendezvous()) == nil {
				advertised = time.Now()
			}
			if len(n.host.Network().Peers()) < lowConns {
				n.find(ctx, routing, n.rendezvous())
			}
		}
		wait = min(2*wait, searchMost)
		timer.Reset(wait)
	}
}

func (n *Network) advertise(ctx context.Context, d discovery.Advertiser, name string) error {
	ctx, cancel := context.WithTimeout(ctx, advertiseTime)
	defer cancel()
	_, err := d.Advertise(ctx, name)
	if err != nil {
		n.log.Debug("Not advertised in the DHT", "error", err)
	}
	return err
}

func (n *Network) find(ctx context.Context, d discovery.Discoverer, name string) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	peers, err := d.FindPeers(ctx, name, discovery.Limit(peerbook.MaxPeers))
	if err != nil {
		n.log.Debug("No search in the DHT", "error", err)
		return
	}
	for info := range peers {
		n.peers.Learn(info)
	}
}

// pingLoop keeps the round-trip times that Peers shows.
func (n *Network) pingLoop(ctx context.Context) {
	tick := time.NewTicker(pingTick / 4)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, id := range n.host.Network().Peers() {
			if i%4 == 0 || n.host.Peerstore().LatencyEWMA(id) == 0 {
				n.ping(ctx, id)
			}
		}
	}
}

func (n *Network) ping(ctx context.Context, id peer.ID) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if r := <-ping.Ping(ctx, n.host, id); r.Error != nil {
		n.log.Debug("Peer does not answer a ping", "peer", id, "error", r.Error)
	}
}
