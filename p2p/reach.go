package p2p

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
)

// Reach says what a node does about the routers between it and others.
type Reach int

const (
	// Direct does nothing: every peer can be dialled, as on simulated links.
	Direct Reach = iota
	// Home asks the router for an open port, learns how others see this node, has
	// holes punched, and is found through relays where it cannot be dialled. Where
	// it turns out that it can, it relays for others.
	Home
	// Visitor comes by for a moment: it reaches others as Home does, and is not to be
	// found itself.
	Visitor
	// Public takes it that others can dial this node: it serves the DHT, relays, and
	// tells others how it sees them, from the start.
	Public
)

// Bounds of the relay. A node relays the handshakes by which two others punch a hole,
// a few KB each. No payload is relayed: its stream is not opened on a relayed
// connection.
const (
	relayTime     = 2 * time.Minute
	relayBytes    = 128 << 10
	relayPeers    = 128 // reservations
	relayPerIP    = 32  // a school or a household behind one router
	relayCircuits = 16  // of one peer, at once
)

// How a node looks for relays.
const (
	relaysWanted  = 2
	relaySoon     = 5 * time.Second  // after the start, with fewer candidates than relayChoice
	relayChoice   = 4                // candidates to choose from
	relayAgain    = 30 * time.Second // a relay that refused is asked again
	relayInterval = 5 * time.Second  // between two looks for candidates
)

// trustOneObserver has one peer's word on where it sees this node coming from be enough
// to be dialled there, and for a hole to be punched. libp2p asks for four, which a young
// swarm with one seed does not have; a liar costs its victims dials in vain. libp2p
// knows no such setting of one host.
var trustOneObserver = sync.OnceFunc(func() { observedaddrs.ActivationThresh = 1 })

// options returns the host's options for a Reach.
func (r Reach) options(n *Network) []libp2p.Option {
	limit := relay.DefaultResources()
	limit.Limit = &relay.RelayLimit{Duration: relayTime, Data: relayBytes}
	limit.MaxReservations, limit.MaxReservationsPerIP, limit.MaxCircuits = relayPeers, relayPerIP, relayCircuits
	serve := []libp2p.Option{
		libp2p.EnableRelay(), // NoListenAddrs turned it off
		libp2p.EnableAutoNATv2(), libp2p.EnableNATService(), libp2p.EnableHolePunching(), libp2p.EnableRelayService(relay.WithResources(limit), relay.WithACL(relayed{n})),
	}
	switch r {
	case Home:
		return append(serve, libp2p.NATPortMap(), libp2p.EnableAutoRelayWithPeerSource(n.relays,
			autorelay.WithNumRelays(relaysWanted), autorelay.WithBootDelay(relaySoon), autorelay.WithMinCandidates(relayChoice),
			autorelay.WithBackoff(relayAgain), autorelay.WithMinInterval(relayInterval)))
	case Visitor:
		return []libp2p.Option{libp2p.EnableRelay(), libp2p.EnableHolePunching()}
	case Public:
		return append(serve, libp2p.ForceReachabilityPublic())
	default:
		return nil
	}
}

// relayed lets only members have places at the relay.
type relayed struct{ n *Network }

func (r relayed) AllowReserve(p peer.ID, _ multiaddr.Multiaddr) bool { return r.n.admitted(p) }
func (r relayed) AllowConnect(_ peer.ID, _ multiaddr.Multiaddr, to peer.ID) bool {
	return r.n.admitted(to)
}

// mode is a node's part in the DHT. A node that does not know whether it can be dialled
// serves, because in a home network no node knows and none would serve.
func (r Reach) mode() dht.ModeOpt {
	switch r {
	case Public:
		return dht.ModeServer
	case Visitor:
		return dht.ModeClient
	default:
		return dht.ModeAutoServer
	}
}

// relays offers peers as relays, connected ones first. libp2p asks them whether they relay.
func (n *Network) relays(ctx context.Context, most int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo, most)
	done, ok := n.begin()
	if !ok {
		close(out)
		return out
	}
	go func() {
		defer done()
		defer close(out)
		select {
		case <-n.ready: // libp2p asks while the host is being made
		case <-n.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
		seen := map[peer.ID]bool{n.host.ID(): true}
		for _, id := range append(n.host.Network().Peers(), n.peers.IDs()...) {
			if addrs := n.peers.Addrs(id); !seen[id] && len(addrs) > 0 && len(out) < most {
				seen[id] = true
				out <- peer.AddrInfo{ID: id, Addrs: addrs}
			}
		}
	}()
	return out
}

// Reachability is how others can come to this node.
type Reachability struct {
	Verdict string            // "public", "private" or "unknown"
	Dialled []string          // addresses that others have reached
	Blocked []string          // addresses that they have not
	Relays  []string          // addresses through relays
	Router  map[string]string // by transport, "tcp" and "udp": how the router maps ports, where observers tell
}

// The ways in which a router maps ports to the outside.
const (
	RouterSteady  = "the same port for all peers, so holes can be punched"
	RouterChanges = "another port for each peer, so holes cannot be punched"
)

// reached keeps the host's findings about how others can come to this node.
type reached struct {
	mu  sync.Mutex
	now Reachability
}

// Reachability returns how others can come to this node, as far as the host has found out.
func (n *Network) Reachability() Reachability {
	n.reached.mu.Lock()
	defer n.reached.mu.Unlock()
	r := n.reached.now
	r.Router = maps.Clone(r.Router)
	return r
}

// seekRelays has libp2p look for relays as long as it does not know whether others
// can dial this node. By itself it would wait for a verdict, which takes a minute.
func (n *Network) seekRelays() error {
	if n.params.Reach != Home {
		return nil
	}
	said, err := n.host.EventBus().Emitter(new(event.EvtLocalReachabilityChanged))
	if err == nil {
		err = errors.Join(said.Emit(event.EvtLocalReachabilityChanged{Reachability: network.ReachabilityUnknown}), said.Close())
	}
	if err != nil {
		return fmt.Errorf("looking for relays: %w", err)
	}
	return nil
}

// take takes in a finding of the host.
func (r *reached) take(e any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case event.EvtLocalReachabilityChanged:
		r.now.Verdict = verdict(e.Reachability)
	case event.EvtHostReachableAddrsChanged:
		r.now.Dialled, r.now.Blocked = written(e.Reachable), written(e.Unreachable)
	case event.EvtAutoRelayAddrsUpdated:
		r.now.Relays = written(e.RelayAddrs)
	case event.EvtNATDeviceTypeChanged:
		name := map[network.NATTransportProtocol]string{network.NATTransportTCP: "tcp", network.NATTransportUDP: "udp"}[e.TransportProtocol]
		switch e.NatDeviceType {
		case network.NATDeviceTypeEndpointIndependent:
			r.now.Router[name] = RouterSteady
		case network.NATDeviceTypeEndpointDependent:
			r.now.Router[name] = RouterChanges
		default:
			delete(r.now.Router, name)
		}
	}
}

func verdict(r network.Reachability) string {
	switch r {
	case network.ReachabilityPublic:
		return "public"
	case network.ReachabilityPrivate:
		return "private"
	default:
		return "unknown"
	}
}

func written(as []multiaddr.Multiaddr) []string {
	out := make([]string, len(as))
	for i, a := range as {
		out[i] = a.String()
	}
	slices.Sort(out)
	return out
}
