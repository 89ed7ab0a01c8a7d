package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p-kad-dht/crawler"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	drouting "github.com/libp2p/go-libp2p/p2p/discovery/routing"

	"github.com/murmurnet/murmur/proto"
)

// Crawled is a peer that a crawl came upon.
type Crawled struct {
	ID     proto.PeerID
	Agent  string // such as "murmur/0.1.0"; "" where it was not reached
	Path   string // "lan", "direct" or "relayed"; "" where it was not reached
	Why    string // it was not reached, in words
	Knows  int    // peers in its part of the DHT; 0: it does not serve it
	Listed bool   // as a member of the swarm, in the DHT
}

// Bounds of a crawl.
const (
	maxCrawled   = 10_000
	crawlDials   = 16 // at once
	crawlTimeout = 5 * time.Second
)

// ErrNobody says that no peer of the swarm was reached.
var ErrNobody = errors.New("no peer of the swarm was reached")

// Crawl walks the swarm's DHT from the peers that are known, asks it who is a member,
// and tries to reach each. The result is sorted by id.
func (n *Network) Crawl(ctx context.Context) ([]Crawled, error) {
	done, ok := n.begin()
	if !ok {
		return nil, errors.New("the network is closed")
	}
	defer done()
	for len(n.host.Network().Peers()) == 0 {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrNobody, ctx.Err())
		case <-time.After(dialTick / 10):
		}
	}
	c, err := crawler.NewDefaultCrawler(guarded{n.host, n}, crawler.WithProtocols([]protocol.ID{n.prefix + "/kad/1.0.0"}),
		crawler.WithConnectTimeout(crawlTimeout), crawler.WithMsgTimeout(crawlTimeout), crawler.WithParallelism(crawlDials))
	if err != nil {
		return nil, fmt.Errorf("making a crawler: %w", err)
	}
	var start []*peer.AddrInfo
	for _, id := range append(n.host.Network().Peers(), n.peers.IDs()...) {
		start = append(start, &peer.AddrInfo{ID: id, Addrs: n.peers.Addrs(id)})
	}
	found := map[peer.ID]*Crawled{}
	get := func(id peer.ID) *Crawled {
		if found[id] == nil && len(found) < maxCrawled {
			found[id] = &Crawled{ID: proto.PeerID(id)}
		}
		return found[id]
	}
	c.Run(ctx, start, func(p peer.ID, table []*peer.AddrInfo) {
		if f := get(p); f != nil {
			f.Knows = len(table)
		}
	}, func(p peer.ID, _ error) { get(p) })
	members, err := drouting.NewRoutingDiscovery(n.dht).FindPeers(ctx, n.rendezvous(), discovery.Limit(maxCrawled))
	if err != nil {
		return nil, fmt.Errorf("asking the DHT for members: %w", err)
	}
	for m := range members {
		n.peers.Learn(m)
		if f := get(m.ID); f != nil {
			f.Listed = true
		}
	}
	delete(found, n.host.ID())
	n.visit(ctx, found)
	out := make([]Crawled, 0, len(found))
	for _, f := range found {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Crawled) int { return cmp.Compare(a.ID, b.ID) })
	return out, ctx.Err()
}

// visit tries to reach each peer.
func (n *Network) visit(ctx context.Context, found map[peer.ID]*Crawled) {
	slots := make(chan struct{}, crawlDials)
	var wg sync.WaitGroup
	for id, f := range found {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			err := n.connect(network.WithAllowLimitedConn(ctx, "crawl"), id)
			info := n.peerInfo(id)
			if f.Agent, f.Path = info.Agent, info.Path; f.Path == "" && err != nil {
				f.Why = why(err)
			}
		})
	}
	wg.Wait()
}
