package p2p

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

var errRelayed = errors.New("not reached: only a relay leads there")

// openStream connects where needed and opens a stream that is reset when ctx
// ends. The caller calls stop before it closes the stream.
func (n *Network) openStream(ctx context.Context, to peer.ID, id protocol.ID) (s network.Stream, stop func() bool, err error) {
	if n.outOfReach(to) {
		return nil, nil, errRelayed
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := n.connect(opening, to); err != nil {
		return nil, nil, fmt.Errorf("not reached: %w", err)
	}
	s, err = guarded{n.host, n}.NewStream(opening, to, id)
	if err != nil {
		return nil, nil, fmt.Errorf("no stream: %w", err)
	}
	return s, context.AfterFunc(ctx, func() { _ = s.Reset() }), nil
}
