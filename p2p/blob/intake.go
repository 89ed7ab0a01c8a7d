package blob

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/p2p/stream"
)

// intake says at which rate each server should send under this node's download cap. Over QUIC
// all streams of a connection share one window: at 0.5 Mbit/s four blobs that fill it kept a question to the
// same peer waiting for 2 s, and where the window had grown before, the server gave all four up.
type intake struct {
	mu   sync.Mutex
	jobs map[peer.ID]int // running jobs with leaves
}

// slack is what a server is told of the cap, so that what has come unread grows less.
const slack = 15.0 / 16

// begin counts a job until done is called.
func (in *intake) begin(from peer.ID) (done func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.jobs == nil {
		in.jobs = make(map[peer.ID]int)
	}
	in.jobs[from]++
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.jobs[from]--; in.jobs[from] == 0 {
			delete(in.jobs, from)
		}
	}
}

// rate is the bytes/s to ask of a server for all of its blobs: an equal share of the cap; 0 without one.
func (in *intake) rate(limit float64) uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	if limit <= 0 {
		return 0
	}
	return uint64(max(1, slack*limit/float64(max(1, len(in.jobs)))))
}

// takers are the peers that blobs are served to, each with the rate that it asked for last.
type takers struct {
	mu sync.Mutex
	by map[peer.ID]*taker // peers with a served stream, which the host bounds
}

type taker struct {
	shaper.Shaper
	streams int
}

// leastTaken is a rate below which a stream counts as dead.
const leastTaken = stream.Chunk / float64(stream.Timeout/1e9)

// join counts a stream to a peer until leave.
func (t *takers) join(p peer.ID) *taker {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[peer.ID]*taker)
	}
	k := t.by[p]
	if k == nil {
		k = new(taker)
		t.by[p] = k
	}
	k.streams++
	return k
}

func (t *takers) leave(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.by[p]; k.streams > 1 {
		k.streams--
	} else {
		delete(t.by, p)
	}
}

// asks sets the rate, in bytes a second, for all of the peer's streams; 0 is no bound.
func (k *taker) asks(rate uint64) {
	if rate > 0 {
		k.SetRate(max(float64(rate), leastTaken))
	} else {
		k.SetRate(0)
	}
}

// paced is the line to a peer that takes in so much and no more.
type paced struct {
	Line
	*taker
}

// WaitUp returns when so many bytes may go to the peer, or ctx ends.
func (l paced) WaitUp(ctx context.Context, c shaper.Class, to peer.ID, bytes int) error {
	if err := l.Wait(ctx, c, "", bytes); err != nil {
		return err
	}
	return l.Line.WaitUp(ctx, c, to, bytes)
}
