package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Params is what a Network is made from.
type Params struct {
	Key       ed25519.PrivateKey      // the node's identity
	Swarm     proto.ID                // part of every protocol id and topic
	Version   string                  // told to peers as "murmur/VERSION"
	Listen    []string                // multiaddrs; empty = any free port
	Bootstrap []string                // multiaddrs that end in /p2p/ID; none is required to be reachable
	PeersFile string                  // where known peers are kept between starts; "" = nowhere
	MDNS      bool                    // look for peers in the local network
	Reach     Reach                   // what is done about routers
	Members   *membership.List        // who belongs to the swarm; nil: everybody, until SetMembers
	Known     func(proto.PeerID) bool // who takes part in the swarm's rounds: others share what their neighbours may pass on; nil: nobody
	Blobs     blob.Store              // what this node serves
	Sync      SyncHandler             // answers chain questions
	Log       *slog.Logger
	Host      []libp2p.Option // added to the host's own: how tests put it on simulated links
}

// Validate says what is missing or wrong, in one line.
func (p Params) Validate() error {
	switch {
	case len(p.Key) != ed25519.PrivateKeySize:
		return fmt.Errorf("identity key of %d bytes, want %d", len(p.Key), ed25519.PrivateKeySize)
	case p.Swarm.IsZero():
		return errors.New("no swarm id")
	case p.Blobs == nil:
		return errors.New("no blob store")
	case p.Sync == nil:
		return errors.New("no sync handler")
	case p.Log == nil:
		return errors.New("no logger")
	}
	for _, a := range p.Listen {
		if _, err := multiaddr.NewMultiaddr(a); err != nil {
			return fmt.Errorf("listen address %q is not a multiaddr such as /ip4/0.0.0.0/udp/4101/quic-v1: %w", a, err)
		}
	}
	for _, a := range p.Bootstrap {
		if _, err := peer.AddrInfoFromString(a); err != nil {
			return fmt.Errorf("bootstrap address %q is not a multiaddr that ends in /p2p/ID: %w", a, err)
		}
	}
	return nil
}

// SyncHandler answers questions about the chain. It is called from several
// goroutines at once.
type SyncHandler interface {
	HandleSync(ctx context.Context, from proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error)
}
