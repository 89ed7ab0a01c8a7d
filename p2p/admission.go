package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// joinTimeout is how long a peer has to show its proof, and to answer this node's.
const joinTimeout = 5 * time.Second

// greetEvery is the pause after which members show each other their newest proofs, which last
// for days.
const greetEvery = time.Hour

// ErrNotAdmitted says that a peer does not let this node in.
var ErrNotAdmitted = errors.New("not let in")

// errStranger says that this node does not let a dialled peer in.
var errStranger = errors.New("it does not belong to this swarm")

// admission lets only members in.
type admission struct {
	mu      sync.Mutex
	list    *membership.List // who belongs to the swarm; nil: everybody, and this node has no proof to show
	greets  map[peer.ID]*greeting
	refusal string        // newest reason for which a peer did not let this node in
	let     chan struct{} // closed and made anew whenever a peer is let in
}

// greeting is this node's handshake with a dialled peer.
type greeting struct {
	done chan struct{} // closed when the handshake is over
	err  error
}

// SetMembers tells who belongs to the swarm, once the manifest is here.
func (n *Network) SetMembers(b *membership.List) {
	if old := n.members(); old != nil {
		b.Inherit(old, time.Now())
	}
	n.gate.mu.Lock()
	n.gate.list = b
	n.gate.mu.Unlock()
	for _, c := range n.host.Network().Conns() {
		if c.Stat().Direction == network.DirOutbound {
			n.greet(c)
		} else {
			n.await(c)
		}
	}
}

// Refusal is what this node was told last when a peer did not let it in; "" for nothing.
func (n *Network) Refusal() string {
	n.gate.mu.Lock()
	defer n.gate.mu.Unlock()
	return n.gate.refusal
}

func (n *Network) members() *membership.List {
	n.gate.mu.Lock()
	defer n.gate.mu.Unlock()
	return n.gate.list
}

// admitted tells whether a peer may ask this node for anything.
func (n *Network) admitted(id peer.ID) bool {
	b := n.members()
	return b == nil || b.Admitted(proto.PeerID(id), time.Now())
}

// outsider tells whether a peer takes no part in the swarm, as far as this node knows.
func (n *Network) outsider(p peer.ID) bool {
	b := n.members() // who joined an open swarm has an empty list, which it got before it had the manifest
	return (b == nil || b.Open()) && (n.params.Known == nil || !n.params.Known(proto.PeerID(p)))
}

// arrived begins what a new connection needs before it may be used.
func (n *Network) arrived(c network.Conn) {
	if n.members() == nil {
		return
	}
	if c.Stat().Direction == network.DirOutbound {
		n.greet(c)
	} else {
		n.await(c)
	}
}

// parted forgets the greeting of a peer that has disconnected.
func (n *Network) parted(id peer.ID) {
	n.gate.mu.Lock()
	defer n.gate.mu.Unlock()
	delete(n.gate.greets, id)
}

// await closes a connection whose peer shows no proof within joinTimeout.
func (n *Network) await(c network.Conn) {
	if n.admitted(c.RemotePeer()) {
		return
	}
	done, ok := n.begin()
	if !ok {
		return
	}
	go func() {
		defer done()
		select {
		case <-n.ctx.Done():
		case <-time.After(joinTimeout):
			if !n.admitted(c.RemotePeer()) && !c.IsClosed() {
				n.gater.refused(c.RemoteMultiaddr())
				_ = c.Close()
			}
		}
	}()
}

// greet shows a peer this node's proof, and asks for the peer's.
func (n *Network) greet(c network.Conn) {
	id := c.RemotePeer()
	n.gate.mu.Lock()
	if old := n.gate.greets[id]; old != nil {
		select {
		case <-old.done:
		default:
			n.gate.mu.Unlock()
			return // under way
		}
	}
	g := &greeting{done: make(chan struct{})}
	n.gate.greets[id] = g
	n.gate.mu.Unlock()
	done, ok := n.begin()
	if !ok {
		g.err = errors.New("the network is closed")
		close(g.done)
		return
	}
	go func() {
		defer done()
		defer close(g.done)
		g.err = n.meet(id)
	}()
}

// meet says hello to a peer, and parts from it where one side does not let the other in.
func (n *Network) meet(id peer.ID) error {
	err := n.hello(id)
	if err == nil {
		return nil
	}
	n.log.Debug("No greeting", "peer", id, "error", err)
	if errors.Is(err, ErrNotAdmitted) || errors.Is(err, errStranger) {
		n.peers.Shut(id)
		_ = n.host.Network().ClosePeer(id)
	} else if !n.admitted(id) {
		_ = n.host.Network().ClosePeer(id)
	}
	return err
}

// hello exchanges proofs and notices with a peer.
func (n *Network) hello(id peer.ID) error {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(n.ctx, "join"), joinTimeout)
	defer cancel()
	s, err := n.host.NewStream(ctx, id, n.joinID)
	if err != nil {
		return fmt.Errorf("no stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	b := n.members()
	proof, notices := b.Proof()
	_ = s.SetDeadline(time.Now().Add(joinTimeout))
	if err := stream.WriteMessage(s, &murmurv1.Hello{Proof: proof, Notices: notices}); err != nil {
		return fmt.Errorf("saying hello: %w", err)
	}
	var answer murmurv1.Hello
	if err := stream.ReadMessage(bufio.NewReader(s), proto.MaxHello, &answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.Refused != "" {
		why := answer.Refused
		if len(why) > wire.MaxWhy || !proto.Printable(why) {
			why = "for a reason that cannot be shown"
		}
		n.gate.mu.Lock()
		n.gate.refusal = why
		n.gate.mu.Unlock()
		return fmt.Errorf("%w: %s", ErrNotAdmitted, why)
	}
	n.takeNotices(b, answer.Notices)
	b.Take(answer.Renewed, time.Now())
	if err := b.Admit(proto.PeerID(id), answer.Proof, time.Now()); err != nil {
		return fmt.Errorf("%w: %w", errStranger, err)
	}
	n.gate.mu.Lock()
	n.gate.refusal = "" // somebody does
	n.gate.mu.Unlock()
	n.admit(id)
	return nil
}

// serveJoin answers a greeting.
func (n *Network) serveJoin(s network.Stream) {
	done, ok := n.begin()
	if !ok {
		_ = s.Reset()
		return
	}
	defer done()
	if err := n.answerHello(s); err != nil {
		n.log.Debug("Greeting not answered", "peer", s.Conn().RemotePeer(), "error", err)
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

func (n *Network) answerHello(s network.Stream) error {
	if err := s.SetDeadline(time.Now().Add(joinTimeout)); err != nil {
		return err
	}
	var hello murmurv1.Hello
	if err := stream.ReadMessage(bufio.NewReader(s), proto.MaxHello, &hello); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	b, id := n.members(), s.Conn().RemotePeer()
	if b == nil {
		return stream.WriteMessage(s, &murmurv1.Hello{})
	}
	n.takeNotices(b, hello.Notices)
	if err := b.Admit(proto.PeerID(id), hello.Proof, time.Now()); err != nil {
		n.gater.refused(s.Conn().RemoteMultiaddr())
		n.log.Debug("Peer not let in", "peer", id, "error", err)
		return stream.WriteMessage(s, &murmurv1.Hello{Refused: reason(err)})
	}
	proof, notices := b.Proof()
	n.admit(id)
	return stream.WriteMessage(s, &murmurv1.Hello{
		Proof: proof, Notices: notices, Renewed: b.Renew(proto.PeerID(id), hello.Proof, time.Now()),
	})
}

// reason is the part of a refusal that is said to strangers.
func reason(err error) string {
	for _, known := range []error{membership.ErrNoProof, membership.ErrExpired, membership.ErrRevoked, membership.ErrForged, membership.ErrUsedUp} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return membership.ErrForged.Error()
}

// admit notes that a peer was let in.
func (n *Network) admit(id peer.ID) {
	n.gate.mu.Lock()
	close(n.gate.let)
	n.gate.let = make(chan struct{})
	n.gate.mu.Unlock()
	for _, c := range n.host.Network().ConnsToPeer(id) {
		n.gater.admitted(c.RemoteMultiaddr())
	}
	n.peers.Met(id, n.host.Peerstore().Addrs(id))
	n.changed()
}

// takeNotices stores notices of the community and greets all connected peers once if some are new, so that they learn them.
func (n *Network) takeNotices(b *membership.List, notices []*murmurv1.Envelope) {
	news, err := b.Hear(notices)
	if err != nil {
		n.log.Warn("Notices of the community cannot be kept", "error", err)
	}
	if news {
		n.Greet()
	}
}

// Greet says hello to all connected peers once more: each learns the notices and the
// newest proof of the other, and a peer that is no member any more is disconnected.
func (n *Network) Greet() {
	for _, id := range n.host.Network().Peers() {
		done, ok := n.begin()
		if !ok {
			return
		}
		go func() {
			defer done()
			_ = n.meet(id) // it has told the log
		}()
	}
}

// greetLoop greets every greetEvery, so that a renewed member is not taken for an expired one.
func (n *Network) greetLoop(ctx context.Context) {
	tick := time.NewTicker(greetEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n.members() != nil {
				n.Greet()
			}
		}
	}
}

// admitting waits until a peer and this node have let each other in.
func (n *Network) admitting(ctx context.Context, id peer.ID) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	for {
		n.gate.mu.Lock()
		g, let := n.gate.greets[id], n.gate.let
		n.gate.mu.Unlock()
		if g != nil {
			select {
			case <-g.done:
				if g.err != nil {
					return g.err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if n.admitted(id) {
			return nil
		}
		select {
		case <-let:
		case <-ctx.Done():
			return fmt.Errorf("it has not shown that it belongs to this swarm: %w", ctx.Err())
		}
	}
}

// guarded is the host as the DHT and gossip see it: strangers get no answer, and are
// asked nothing.
type guarded struct {
	host.Host
	n *Network
}

func (g guarded) SetStreamHandler(id protocol.ID, h network.StreamHandler) {
	g.Host.SetStreamHandler(id, g.only(h))
}

func (g guarded) SetStreamHandlerMatch(id protocol.ID, m func(protocol.ID) bool, h network.StreamHandler) {
	g.Host.SetStreamHandlerMatch(id, m, g.only(h))
}

func (g guarded) only(h network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) {
		if !g.n.admitted(s.Conn().RemotePeer()) {
			_ = s.Reset()
			return
		}
		h(s)
	}
}

func (g guarded) NewStream(ctx context.Context, id peer.ID, ids ...protocol.ID) (network.Stream, error) {
	if g.n.members() != nil {
		if err := g.n.admitting(ctx, id); err != nil {
			return nil, err
		}
	}
	return g.Host.NewStream(ctx, id, ids...)
}
