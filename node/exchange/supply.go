package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/shard"
)

// SupplyParams say what a Supply works with.
type SupplyParams struct {
	Dir      home.Dir
	Manifest manifest.Manifest
	Swarm    proto.ID
	Quota    uint64 // most bytes of kept shards, without those needed next and those brought here by hand; 0: all
	Finder   *Finder
	Library  *library.Library
	Status   *status.Board
	Diary    *event.Log
	Log      *slog.Logger
	Extended func() // callback after the position up to which data are here has moved
}

// Supply has the token shards here before training needs them: those around the head's cursor and those after them.
type Supply struct {
	p     SupplyParams
	order *data.Order   // order of samples; of Run's goroutine only
	size  uint64        // bytes of all shards
	until atomic.Uint64 // position up to which shards are here
	wake  chan struct{} // has Run look again; capacity 1
}

const (
	// windowsAhead is how many windows of shards are kept ready: the one in use and the next.
	windowsAhead = 2
	// supplyRetry is the pause before peers are asked again for a shard that did not come.
	supplyRetry = time.Second
)

// NewSupply checks the held-out shard, and tells the trainer which set it has.
func NewSupply(p SupplyParams) (*Supply, error) {
	m := p.Manifest
	order, err := data.NewOrder(m.Order(p.Swarm), data.SampleCounts(m.Data, int(m.Model.SeqLen)))
	if err != nil {
		return nil, err
	}
	if least := uint64(m.Inner.Batch); order.Samples() < least {
		return nil, fmt.Errorf("the swarm's data set has %d samples, fewer than a batch of %d: its manifest needs more data or a smaller batch", order.Samples(), least)
	}
	// The held-out shard was obtained with the manifest, and the trainer reads it at once.
	if h := m.Data.Heldout; shard.Verify(p.Library.Path(h.ID), h.ID) != nil {
		return nil, errors.Join(fmt.Errorf("the held-out shard %s is damaged on this disk: start again, and it is fetched from peers", h.ID.Short()), os.Remove(p.Library.Path(h.ID)))
	}
	if err := shard.WriteSet(p.Dir.Path(shard.SetFile), m.Data); err != nil {
		return nil, err
	}
	s := &Supply{p: p, order: order, wake: make(chan struct{}, 1)}
	for _, e := range m.Data.Shards {
		s.size += e.Size
	}
	return s, nil
}

// Stir has Run look again.
func (s *Supply) Stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Lost drops a shard that the trainer could not read.
func (s *Supply) Lost(text string) {
	id, err := proto.ParseID(text)
	if err != nil {
		return
	}
	if s.p.Library.Drop(id) {
		s.p.Diary.Add(event.Node, 0, fmt.Sprintf("token shard %s was missing or damaged on this disk; fetching it again", id.Short()))
	}
	s.Stir()
}

// Ahead is up to which position the trainer has data: at least 1, for 0 would be no bound.
func (s *Supply) Ahead() uint64 {
	return max(s.until.Load(), 1)
}

// Run fetches what is missing, one shard after the other in the order in which they are needed, until ctx ends.
func (s *Supply) Run(ctx context.Context) {
	for ctx.Err() == nil {
		missing, needed, until := s.look()
		if until != s.until.Swap(until) {
			s.p.Extended()
		}
		pause := time.Duration(math.MaxInt64)
		if len(missing) > 0 {
			e := missing[0]
			pause = supplyRetry
			err := s.p.Finder.Fetch(ctx, shard.Blob{ID: e.ID, Size: e.Size})
			if err == nil {
				continue
			}
			s.p.Log.Warn("A token shard did not come", "shard", e.ID.Short(), "error", err)
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
func (s *Supply) look() (missing []shard.Entry, needed map[int]bool, until uint64) {
	set, status := s.p.Manifest.Data, s.p.Status.Status()
	head := status.Head
	// A round takes at most so many positions: of its members, and of newcomers behind them.
	reach := head.Cursor + (uint64(len(head.Roster))+2*data.NewcomerLanes)*(head.Cap()/uint64(s.p.Manifest.Model.SeqLen)+1)
	needed = map[int]bool{}
	at := head.Cursor
	for i := 0; i < windowsAhead || at < reach; i++ {
		shards, end := s.order.Window(at)
		for _, k := range shards {
			if needed[k] {
				continue
			}
			needed[k] = true
			if !s.p.Library.Has(shard.Blob{ID: set.Shards[k].ID, Size: set.Shards[k].Size}) {
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
func (s *Supply) tidy(needed map[int]bool) {
	quota := s.p.Quota
	if quota == 0 || s.size <= quota {
		return
	}
	var held uint64
	var spare []shard.Entry
	for k, e := range s.p.Manifest.Data.Shards {
		if !s.p.Library.Has(shard.Blob{ID: e.ID, Size: e.Size}) {
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
		if s.p.Library.Drop(e.ID) {
			held -= e.Size
		}
	}
}
