package blob

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
)

const (
	// placeRate is the rate, in bytes a second, for which a line serves another asker at once.
	// Few are served at once, so that the first pass the blob on while others are served:
	// 5 Mbit/s serve one, 20 serve two, of whom one fills the line while the other's window opens.
	placeRate = 3 << 19
	// handOver is how long before the end of an answer the next asker gets the place: its
	// request takes a round trip.
	handOver = 150 * time.Millisecond
	// firstPlaces is how many are served at once before the line is measured.
	firstPlaces = 2
	maxPlaces   = 32
	// meterWindow is the length of one measurement of sending. A line that sends less than
	// it carries is measured too low, so the rate falls by meterDecay a window
	// at most: by half in 17 s of sending.
	meterWindow = 500 * time.Millisecond
	meterDecay  = 0.98
	meterLeast  = 256 << 10 // least bytes of a measurement that is shorter than the window
)

// places bounds how many askers are served blobs of one class at once, by what the line
// carries. The asker with the fewest turns goes first.
type places struct {
	mu     sync.Mutex
	used   int
	queue  []*waiter       // one waiter at most for a served stream, which the host bounds
	turns  map[asker]int   // turns since the last time that nobody waited
	dull   map[peer.ID]int // of these, turns that a peer lost because it read too slowly, whatever the blob
	rate   float64         // bytes/s that this line has carried; 0: not measured
	active int             // answers that are being sent
	began  time.Time       // beginning of the window
	bytes  int             // bytes sent in the window
}

// asker is whose turns are counted. For a blob that a round waits for, turns are counted
// for each peer and blob, since every peer wants it once; for all other blobs they are
// counted for each peer.
type asker struct {
	peer peer.ID
	blob proto.ID // blob that a round waits for; else zero
}

// waiter is an asker without a place.
type waiter struct {
	asker
	pace  int           // the logarithm of the rate at which the blob came here
	speed int           // the logarithm of the rate at which the asker can pass it on
	draw  uint64        // random number, so that not all nodes serve the same asker first
	ready chan struct{} // closed when the asker has a place
}

// take waits for a place, which the caller leaves again.
func (p *places) take(ctx context.Context, a asker, pace, rate uint64) error {
	p.mu.Lock()
	if pace == 0 { // the blob is this node's own
		pace = uint64(p.rate)
	}
	w := &waiter{asker: a, pace: bits.Len64(pace), speed: bits.Len64(rate), draw: rand.Uint64(), ready: make(chan struct{})}
	p.queue = append(p.queue, w)
	p.hand()
	p.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, w); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	} else { // the place came as ctx ended
		p.used--
		p.hand()
	}
	return ctx.Err()
}

// leave gives a place back.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	p.hand()
}

// lose gives back the place of a peer that read too slowly: such turns count for all of its blobs together, or one that reads
// nothing could ask for one blob after the other and have all places.
func (p *places) lose(of peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dull == nil {
		p.dull = make(map[peer.ID]int)
	}
	p.dull[of]++
	p.used--
	p.hand()
}

// wanted tells whether somebody waits for a place.
func (p *places) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) > 0
}

func (p *places) hand() {
	for len(p.queue) > 0 && p.used < p.room() {
		first := 0
		for i, w := range p.queue {
			if p.before(w, p.queue[first]) {
				first = i
			}
		}
		w := p.queue[first]
		p.queue = slices.Delete(p.queue, first, first+1)
		if p.turns == nil {
			p.turns = make(map[asker]int)
		}
		p.turns[w.asker]++
		p.used++
		close(w.ready)
	}
	if len(p.queue) == 0 && p.used == 0 {
		p.turns, p.dull = nil, nil
	}
}

func (p *places) before(a, b *waiter) bool {
	if x, y := p.had(a.asker), p.had(b.asker); x != y {
		return x < y
	}
	if a.pace != b.pace {
		return a.pace < b.pace
	}
	if a.speed != b.speed {
		return a.speed > b.speed
	}
	return a.draw < b.draw
}

// had is how many turns count against an asker.
func (p *places) had(a asker) int { return max(p.turns[a], p.dull[a.peer]) }

func (p *places) room() int {
	if p.rate == 0 {
		return firstPlaces
	}
	return min(1+int(p.rate/placeRate), maxPlaces)
}

// carries is the measured rate in bytes a second; 0 before there is one.
func (p *places) carries() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return uint64(p.rate)
}

// sending notes that an answer begins.
func (p *places) sending() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active == 0 {
		p.began, p.bytes = time.Now(), 0
	}
	p.active++
}

// sent measures what goes out; over means that it was the end of an answer.
func (p *places) sent(n int, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += n
	if over {
		p.active--
	}
	d := time.Since(p.began)
	if d < meterWindow && (p.active > 0 || p.bytes < meterLeast) {
		return
	}
	p.rate = max(p.rate*meterDecay, float64(p.bytes)/max(d, time.Millisecond).Seconds())
	p.began, p.bytes = time.Now(), 0
	p.hand()
}

// share is the rate that an asker gets who reads as fast as the line sends.
func (p *places) share() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate / float64(max(p.used, p.active, 1))
}
