package p2p

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/multiformats/go-multiaddr"

	"github.com/murmurnet/murmur/p2p/blob"
)

// Connections. A home router's table and a 2-core machine stay comfortable at
// about a hundred; a round serves up to about 32 peers, so a node dials until
// it has 32 and trims at 96 down to 32.
const (
	lowConns   = 32
	highConns  = 96
	graceConns = 20 * time.Second // a new connection is not trimmed for so long
	// connsPerAddress bounds the connections of one address, which may be a school or a
	// household behind one router; libp2p's own bound is 8.
	connsPerAddress = 32
	// connsASecond bounds the new connections of one address, after a burst in which such a
	// household can start twice; libp2p's own bound is one in five seconds after sixteen.
	connsASecond = 1
)

// Streams. QUIC allows 256 incoming streams on a connection and the next one
// waits 15 s, so a peer uses at most blob.MaxFetches for blobs and maxRequests for
// sync on it; gossip, DHT and identify need a few more.
const (
	maxRequests    = 8   // sync requests at once, to or from one peer
	maxServedSync  = 16  // sync requests whose answers are made, and longer answers that are sent, at once, over all peers
	maxPeerLong    = 2   // of these to one peer
	maxBlobStreams = 256 // open blob streams, served or waiting, over all peers
	maxSyncStreams = 128
	// A handshake is one stream, after a connection and once an hour; each side may begin
	// one when there is a notice.
	maxJoinStreams = highConns
	maxPeerJoins   = 4
	// Gossip keeps one stream each way to a peer, and opens it anew after a reset before the
	// old one is gone.
	maxGossipStreams = 2 * highConns
	maxPeerGossip    = 4
	// The DHT asks ten peers at once for each search, of which there are a few; a peer has
	// one stream for its questions, and a crawler a few.
	maxKadStreams = 2 * highConns
	maxPeerKad    = 8
)

// Waits. None of them is a round's deadline: those are the node's.
const (
	dialTimeout    = 5 * time.Second  // dialling one address, handshake included
	dialAllTimeout = 10 * time.Second // dialling a peer, whose addresses libp2p begins up to 2 s apart
	openTimeout    = 10 * time.Second // connecting to a named peer and opening a stream
	punchTime      = 5 * time.Second  // from a relayed connection to a direct one, where there is a way
	requestTimeout = 10 * time.Second // reading one request from a stream
	handleTimeout  = 30 * time.Second // answering one sync request
	syncTimeout    = 60 * time.Second // asking one, answer included
	closeTimeout   = 3 * time.Second  // Close
)

var errBarred = errors.New("too many strangers came from this address")

// bounds makes the connection and resource manager options.
func bounds(prefix protocol.ID, g *gater) ([]libp2p.Option, error) {
	cm, err := connmgr.NewConnManager(lowConns, highConns, connmgr.WithGracePeriod(graceConns))
	if err != nil {
		return nil, fmt.Errorf("making the connection manager: %w", err)
	}
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	own := func(all, peer rcmgr.LimitVal) (rcmgr.ResourceLimits, rcmgr.ResourceLimits) {
		return rcmgr.ResourceLimits{Streams: 2 * all, StreamsInbound: all, StreamsOutbound: all},
			rcmgr.ResourceLimits{Streams: 2 * peer, StreamsInbound: peer, StreamsOutbound: peer}
	}
	all, each := map[protocol.ID]rcmgr.ResourceLimits{}, map[protocol.ID]rcmgr.ResourceLimits{}
	for _, p := range []struct {
		name      protocol.ID
		all, peer rcmgr.LimitVal
	}{
		// Twice what is served: a crowd says whose stream makes room.
		{"/blob/1", 2 * maxBlobStreams, blob.MaxFetches},
		{"/sync/1", 2 * maxSyncStreams, 2 * maxRequests}, // an answered stream is there until both sides have closed it
		{"/join/1", maxJoinStreams, maxPeerJoins},
		{"/meshsub/1.3.0", maxGossipStreams, maxPeerGossip},
		{"/meshsub/1.2.0", maxGossipStreams, maxPeerGossip},
		{"/kad/1.0.0", maxKadStreams, maxPeerKad},
	} {
		all[prefix+p.name], each[prefix+p.name] = own(p.all, p.peer)
	}
	limits := rcmgr.PartialLimitConfig{
		// Twice the trim mark, so that a burst of joiners is trimmed, not refused.
		System:       rcmgr.ResourceLimits{Conns: 2 * highConns, ConnsInbound: 2 * highConns, ConnsOutbound: 2 * highConns},
		Protocol:     all,
		ProtocolPeer: each,
	}.Build(scaling.AutoScale())
	perAddress := rate.Limit{RPS: connsASecond, Burst: 2 * connsPerAddress}
	rm, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerAddress}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: connsPerAddress}},
		), rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: perAddress}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: perAddress}},
				GracePeriod:      time.Minute,
			},
		}))
	if err != nil {
		_ = cm.Close()
		return nil, fmt.Errorf("making the resource manager: %w", err)
	}
	return []libp2p.Option{libp2p.ConnectionManager(cm), libp2p.ResourceManager(wary{rm, g})}, nil
}

// wary is a resource manager that turns barred addresses away before a QUIC handshake, where
// a gater is only asked after it.
type wary struct {
	network.ResourceManager
	g *gater
}

func (w wary) OpenConnection(d network.Direction, usefd bool, a multiaddr.Multiaddr) (network.ConnManagementScope, error) {
	if d == network.DirInbound && a != nil && w.g.barred(a) {
		return nil, errBarred
	}
	return w.ResourceManager.OpenConnection(d, usefd, a)
}
