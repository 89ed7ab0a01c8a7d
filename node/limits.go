package node

import (
	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/p2p"
)

// SetLimits keeps limits and has them count at once.
func (n *Node) SetLimits(l api.Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	n.status.Kept(home.LimitsFile, n.p.Dir.SetLimits(l))
	n.apply(l)
	n.diary.Add(event.Node, 0, "limits: "+l.String())
	return nil
}

func (n *Node) apply(l api.Limits) {
	const mbit = 1e6 / 8 // bytes
	n.net.SetCaps(p2p.Caps{Up: mbit * l.UpMbit, Down: mbit * l.DownMbit})
	n.status.Limit(l)
	n.weigh()
}
