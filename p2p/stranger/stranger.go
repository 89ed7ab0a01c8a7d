// Package stranger dials nodes of a swarm without belonging to it, for tests of what that
// costs them. Each call is somebody new, from the address that it is told. It must not know
// what is measured.
package stranger

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	quicgo "github.com/quic-go/quic-go"

	"github.com/murmurnet/murmur/proto"
)

// patience is how long a stranger waits for one thing.
const patience = 2 * time.Second

// Knock dials a node over QUIC from an IP address of this machine, under a new key, shows
// that it has no invite, and tells whether the node answered.
func Knock(ctx context.Context, swarm proto.ID, node, from string) (told bool, err error) {
	to, err := peer.AddrInfoFromString(node)
	if err != nil {
		return false, fmt.Errorf("address %q: %w", node, err)
	}
	// libp2p does not close what it was given.
	line, err := quicreuse.NewConnManager(quicgo.StatelessResetKey{}, quicgo.TokenGeneratorKey{},
		quicreuse.OverrideListenUDP(func(network string, _ *net.UDPAddr) (net.PacketConn, error) {
			return net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(from)})
		}))
	if err != nil {
		return false, fmt.Errorf("making a line: %w", err)
	}
	defer func() { _ = line.Close() }()
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Transport(quic.NewTransport), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.QUICReuse(func() *quicreuse.ConnManager { return line }))
	if err != nil {
		return false, fmt.Errorf("making a host: %w", err)
	}
	defer func() { _ = h.Close() }()
	prefix := protocol.ID("/murmur/" + swarm.String())
	h.SetStreamHandler(prefix+"/sync/1", func(s network.Stream) { _ = s.Reset() }) // or it is of another swarm
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if h.Connect(ctx, *to) != nil {
		return false, nil // turned away
	}
	s, err := h.NewStream(ctx, to.ID, prefix+"/join/1")
	if err != nil {
		return false, nil
	}
	_ = s.SetDeadline(time.Now().Add(patience))
	if _, err := s.Write([]byte{0}); err != nil { // a Hello that shows nothing
		return false, nil
	}
	n, _ := s.Read(make([]byte, 1))
	return n == 1, nil
}
