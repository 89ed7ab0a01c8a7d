package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	usageTick = 10 * time.Second // how often traffic is counted, and written: what a crash forgets
)

// quota counts what crosses the line in a calendar month, across restarts.
type quota struct {
	turn sync.Mutex // held while it is weighed
	mu   sync.Mutex
	used usage
	seen usage // of the network's counts
}

// usage is what is counted.
type usage struct {
	api.Usage
	Drawn uint64 `json:"drawn"` // of the bytes, what peers who take no part fetched of this node's files
}

// openQuota reads what was counted before.
func openQuota(path string) (*quota, error) {
	q := new(quota)
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &q.used)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the month's traffic cannot be read; remove %s to begin anew: %w", path, err)
	}
	return q, nil
}

// count adds what the network has carried in all, and what strangers fetched, and tells what
// the month has seen. A clock that was set back begins no month.
func (q *quota) count(total, drawn uint64, now time.Time) (used usage, changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.used
	if month := now.Format("2006-01"); month > q.used.Month {
		q.used = usage{Usage: api.Usage{Month: month}}
	}
	q.used.Bytes += total - q.seen.Bytes
	q.used.Drawn += drawn - q.seen.Drawn
	q.seen = usage{Usage: api.Usage{Bytes: total}, Drawn: drawn}
	return q.used, q.used != before
}

// meter keeps the quota until ctx ends.
func (n *Node) meter(ctx context.Context) {
	tick := time.NewTicker(usageTick)
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

// weigh compares the month's traffic with what is allowed: beyond it the node rests.
func (n *Node) weigh() {
	n.quota.turn.Lock()
	defer n.quota.turn.Unlock()
	now := time.Now()
	used, changed := n.quota.count(n.net.Outside(), n.net.Drawn(), now)
	if changed {
		b, err := json.Marshal(used)
		if err == nil {
			err = atomicfile.Write(n.p.Dir.Path(home.Usage), append(b, '\n'), 0o600)
		}
		if err != nil {
			n.log.Warn("The month's traffic is not saved", "error", err)
		}
	}
	limit := n.view.get().limits.MonthGB
	// Whoever only fetches uses up a quarter of the month at most, or a few of them would have
	// this node rest for the rest of it.
	n.net.Spare(limit > 0 && float64(used.Drawn) >= limit*1e9/4)
	spent := limit > 0 && float64(used.Bytes) >= limit*1e9
	why, next := "", time.Time{}
	if spent {
		next = time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, now.Location())
		why = fmt.Sprintf("the month's %g GB are used; it goes on on %s, or with murmur limit --month", limit, next.Format("2 January"))
	}
	var first bool
	n.view.set(func(v *viewed) {
		first = spent && v.quotaWhy == ""
		v.quotaWhy, v.quotaEnds, v.used = why, next, used.Usage
	})
	n.net.Rest(n.view.decide().Rest)
	if first {
		n.diary.Add(event.Node, 0, why)
	}
}
