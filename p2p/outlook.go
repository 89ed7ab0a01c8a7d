package p2p

import (
	"net"
	"net/netip"
)

// outlook is where this machine's packets to the world come from, by IPv4 and by
// IPv6; invalid where there is no way out. An IPv6 host changes its address every
// day and stays in its /64.
type outlook [2]netip.Prefix

// look asks the system which way it would send, and sends nothing. The addresses
// are those for documentation, which nobody has: RFC 5737 and RFC 3849.
func look() (o outlook) {
	for i, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		c, err := net.Dial("udp", far)
		if err != nil {
			continue
		}
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
			ip := a.AddrPort().Addr().Unmap()
			o[i], _ = ip.Prefix(min(64, ip.BitLen()))
		}
		_ = c.Close()
	}
	return o
}

// moved takes a new look and says whether the machine is in another network than
// when it last had a way out. A cut alone is no move: most end where they began.
func (o *outlook) moved(now outlook) (moved bool) {
	for i, p := range now {
		if p.IsValid() {
			moved = moved || o[i].IsValid() && o[i] != p
			o[i] = p
		}
	}
	return moved
}

// reopen closes all connections where the machine has moved; dialLoop dials anew at
// once. QUIC would carry some of them over: then nobody would tell this node its new
// address, which others need to come to it, for as long as they last.
func (n *Network) reopen(from *outlook) {
	if n.params.Reach != Home || !from.moved(look()) {
		return
	}
	n.log.Info("This machine is in another network; connecting anew")
	for _, id := range n.host.Network().Peers() {
		_ = n.host.Network().ClosePeer(id)
	}
}
