package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/shard"
)

// supply has the token shards here before training needs them: those around the head's cursor and those after them. It
// tells the hand up to which position there are data.
type supply struct {
	n     *Node
	order *data.Order // run's
	size  uint64      // bytes of all shards
	until atomic.Uint64
	wake  chan struct{} // capacity 1
}

const (
	// windowsAhead are kept ready: the one in use and the next.
	windowsAhead = 2
	// supplyRetry is how long a shard that did not come is waited for before peers are asked again.
	supplyRetry = time.Second
)

func newSupply(n *Node) (*supply, error) {
	m := n.manifest
	order, err := data.NewOrder(m.Order(n.swarm), data.SampleCounts(m.Data, int(m.Model.SeqLen)))
	if err != nil {
		return nil, err
	}
	if least := uint64(m.Inner.Batch); order.Samples() < least {
		return nil, fmt.Errorf("the swarm's data set has %d samples, fewer than a batch of %d: its manifest needs more data or a smaller batch", order.Samples(), least)
	}
	// The held-out shard was obtained with the manifest, and the trainer reads it at once.
	if h := m.Data.Heldout; shard.Verify(n.library.Path(h.ID), h.ID) != nil {
		return nil, errors.Join(fmt.Errorf("the held-out shard %s is damaged on this disk: start again, and it is fetched from peers", h.ID.Short()), os.Remove(n.library.Path(h.ID)))
	}
	if err := shard.WriteSet(n.p.Dir.Path(shard.SetFile), m.Data); err != nil {
		return nil, err
	}
	s := &supply{n: n, order: order, wake: make(chan struct{}, 1)}
	for _, e := range m.Data.Shards {
		s.size += e.Size
	}
	return s, nil
}

// stir has run look again.
func (s *supply) stir() {
	if s == nil {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// lost drops a shard that the trainer could not read.
func (s *supply) lost(text string) {
	id, err := proto.ParseID(text)
	if s == nil || err != nil {
		return
	}
	if s.n.library.Drop(id) {
		s.n.diary.Add(event.Node, 0, fmt.Sprintf("token shard %s was missing or damaged on this disk; fetching it again", id.Short()))
	}
	s.stir()
}

// ahead is up to which position the trainer has data: at least 1, for 0 would be no bound.
func (s *supply) ahead() uint64 {
	if s == nil {
		return 0
	}
	return max(s.until.Load(), 1)
}

// run fetches what is missing, one shard after the other in the order in which they are needed, until ctx ends.
func (s *supply) run(ctx context.Context) {
	for ctx.Err() == nil {
		missing, needed, until := s.look()
		if until != s.until.Swap(until) {
			s.n.hand.do(func(ctx context.Context) { s.n.hand.runOn(ctx, s.n.view.status()) })
		}
		pause := time.Duration(math.MaxInt64)
		if len(missing) > 0 {
			e := missing[0]
			pause = supplyRetry
			err := s.n.fetchFile(ctx, shard.Blob{ID: e.ID, Size: e.Size})
			if err == nil {
				continue
			}
			s.n.log.Warn("A token shard did not come", "shard", e.ID.Short(), "error", err)
		} else {
			s.tidy(needed)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(pause):
		}
	}
}

// look lists the shards that are needed next and not here, and all that are needed next; until is up to where there are data.
func (s *supply) look() (missing []shard.Entry, needed map[int]bool, until uint64) {
	set, status := s.n.manifest.Data, s.n.view.status()
	head := status.Head
	// A round takes at most so many positions: of its members, and of newcomers behind them.
	reach := head.Cursor + (uint64(len(head.Roster))+2*data.NewcomerLanes)*(head.Cap()/uint64(s.n.manifest.Model.SeqLen)+1)
	needed = map[int]bool{}
	at := head.Cursor
	for i := 0; i < windowsAhead || at < reach; i++ {
		shards, end := s.order.Window(at)
		for _, k := range shards {
			if needed[k] {
				continue
			}
			needed[k] = true
			if !s.n.library.Has(shard.Blob{ID: set.Shards[k].ID, Size: set.Shards[k].Size}) {
				missing = append(missing, set.Shards[k])
			}
		}
		if at = end; len(missing) == 0 {
			until = end
		}
		if len(needed) == len(set.Shards) {
			break
		}
	}
	if len(missing) == 0 && len(needed) == len(set.Shards) {
		return nil, needed, math.MaxUint64
	}
	return missing, needed, max(until, head.Cursor)
}

// tidy removes shards that are not needed next, where all together take more than the quota.
func (s *supply) tidy(needed map[int]bool) {
	quota := s.n.p.DataQuota
	if quota == 0 || s.size <= quota {
		return
	}
	var held uint64
	var spare []shard.Entry
	for k, e := range s.n.manifest.Data.Shards {
		if !s.n.library.Has(shard.Blob{ID: e.ID, Size: e.Size}) {
			continue
		}
		if held += e.Size; !needed[k] {
			spare = append(spare, e)
		}
	}
	for _, e := range spare {
		if held <= quota {
			return
		}
		if s.n.library.Drop(e.ID) {
			held -= e.Size
		}
	}
}
