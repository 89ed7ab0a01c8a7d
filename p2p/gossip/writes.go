package gossip

import (
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// writeAge is how long a long write says something about a neighbour's line.
const writeAge = time.Minute

// writes knows how long gossip's frames took to be written to each neighbour. A frame is a few KiB, so one that waits for
// more than a round trip waits for others on the same line. Neighbours are as many as connections, which admission bounds.
type writes struct {
	now  func() time.Time
	mu   sync.Mutex
	last map[peer.ID]write // longest write to each neighbour in the last writeAge
}

type write struct {
	took time.Duration
	at   time.Time
}

func newWrites() *writes { return &writes{now: time.Now, last: make(map[peer.ID]write)} }

// SendRPCCompleted notes a frame that was written.
func (w *writes) SendRPCCompleted(_ *pubsub.RPC, to peer.ID, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if old, ok := w.last[to]; !ok || took >= old.took || now.Sub(old.at) > writeAge {
		w.last[to] = write{took, now}
	}
}

// OnClosedOutboundStream forgets a neighbour that has left.
func (w *writes) OnClosedOutboundStream(to peer.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.last, to)
}

// longest is how long the slowest frame of late took to a neighbour; 0 where there was none.
func (w *writes) longest(to peer.ID) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.last[to]; w.now().Sub(l.at) <= writeAge {
		return l.took
	}
	return 0
}

// tracer is all that gossip tells of itself.
type tracer struct {
	*drops
	*writes
}

var _ pubsub.RawTracer = tracer{}
