package p2p

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/murmurnet/murmur/p2p/peerbook"
)

// maxAttempts bounds what Attempts lists.
const maxAttempts = 32

// Attempts lists, for peers that are not connected, at which addresses they were
// tried last and what became of it; the newest tries first.
func (n *Network) Attempts() []peerbook.Attempt {
	out := n.peers.Attempts(n.connected)
	slices.SortFunc(out, func(a, b peerbook.Attempt) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(a.Addr, b.Addr)) })
	return out[:min(len(out), maxAttempts)]
}

// attempts lists the addresses that a failed dial tried, from its error.
func attempts(info peer.AddrInfo, err error, at time.Time) (as []peerbook.Attempt) {
	var dial *swarm.DialError
	if errors.As(err, &dial) && len(dial.DialErrors) > 0 {
		for _, e := range dial.DialErrors {
			as = append(as, peerbook.Attempt{Addr: e.Address.String(), Why: words(e.Cause), At: at})
		}
		return as
	}
	for _, a := range info.Addrs {
		as = append(as, peerbook.Attempt{Addr: a.String(), Why: words(err), At: at})
	}
	return as
}

// why says in one line why a peer was not reached.
func why(err error) string {
	if as := attempts(peer.AddrInfo{}, err, time.Time{}); len(as) > 0 {
		return as[0].Why
	}
	return words(err)
}

// words explains the error of a failed dial.
func words(err error) string {
	var timeout net.Error
	var other sec.ErrPeerIDMismatch
	var dns *net.DNSError
	switch {
	case errors.As(err, &other):
		return "another node answers there: the address is out of date"
	case errors.As(err, &dns):
		return "the name is not known"
	case errors.Is(err, swarm.ErrGaterDisallowedConnection):
		return "not tried: this node rests"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way there: is this machine online?"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
