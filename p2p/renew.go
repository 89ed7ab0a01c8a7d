package p2p

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// crossing is how far apart two connections may come that both sides dialled
// without knowing of the other's.
const crossing = 3 * time.Second

// renew closes what is left of a peer's earlier life when it connects anew.
//
// A peer does not dial whom it is connected to, so a new inbound connection
// beside an old one says that its process was started again. libp2p believes in
// the old connection for up to 36 s, and when it dies then, gossip takes the
// whole peer for dead: it forgets what the new process has subscribed to, and
// nothing reaches that process any more. Closed now, before the new process
// can subscribe, the old connection does no harm.
func (n *Network) renew(c network.Conn) {
	if c.Stat().Direction != network.DirInbound || c.Stat().Limited {
		return
	}
	for _, old := range n.host.Network().ConnsToPeer(c.RemotePeer()) {
		mine := old.Stat().Direction == network.DirOutbound
		if old == c || old.Stat().Limited || mine && c.Stat().Opened.Sub(old.Stat().Opened) < crossing {
			continue
		}
		_ = old.Close()
	}
}
