package node

import (
	"context"
	"fmt"
	"time"
)

// monthTick is the pause between two counts of the month's traffic, each of which is written: a crash loses at most
// the traffic of one.
const monthTick = 10 * time.Second

// meter counts the month's traffic until ctx ends.
func (n *Node) meter(ctx context.Context) {
	tick := time.NewTicker(monthTick)
	defer tick.Stop()
	for {
		n.weigh()
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.weigh()
			return
		}
	}
}

// weigh compares the month's traffic with its limit, beyond which the node rests.
func (n *Node) weigh() {
	n.weighing.Lock()
	defer n.weighing.Unlock()
	now := time.Now()
	used, drawn, err := n.month.Count(n.net.Outside(), n.net.Drawn(), now)
	if err != nil {
		n.log.Warn("The month's traffic is not saved", "error", err)
	}
	limit := n.status.Snapshot().Limits.MonthGB
	// Peers that only fetch files may use a quarter of the month's traffic: a few of them could
	// otherwise use up all of it, and this node would rest until the month ends.
	n.net.Spare(limit > 0 && float64(drawn) >= limit*1e9/4)
	spent := limit > 0 && float64(used.Bytes) >= limit*1e9
	why, next := "", time.Time{}
	if spent {
		next = time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, now.Location())
		why = fmt.Sprintf("the month's %g GB are used; it goes on on %s, or with murmur limit --month", limit, next.Format("2 January"))
	}
	n.status.Used(used, why, next)
	n.net.Rest(n.status.Decide().Rest)
}
