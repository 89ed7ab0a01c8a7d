package worker

import (
	"math"

	"github.com/murmurnet/murmur/trainer/data"
)

// batch is the input of one step.
type batch struct {
	tokens []int32 // [Batch, SeqLen+1]
	high   uint64  // the lane's high position once this batch is taken
	ok     bool    // false: the lane has no full batch left
}

// feeder has the batch of the next step ready while the step before runs. It prepares one batch ahead and no more.
type feeder struct {
	set   *data.Dataset
	size  int // samples a batch
	asks  chan *lane
	ready chan batch
	lane  *lane
	own   bool   // the data set is this node's alone: one lane runs through all of it
	from  uint64 // where that goes on
}

// lane is an assignment's lane and how much of it is used.
type lane struct {
	data.Lane
	of    data.Assignment
	drawn uint64
	most  uint64 // samples, beyond which the lane would run into others'
}

func newFeeder(set *data.Dataset, size int) *feeder {
	f := &feeder{set: set, size: size, asks: make(chan *lane), ready: make(chan batch, 1)}
	go func() {
		defer close(f.ready)
		// Two buffers in turn: one is in use by the step while the other fills.
		var buffers [2][]int32
		for i := range buffers {
			buffers[i] = make([]int32, size*(set.SeqLen+1))
		}
		for i := 0; ; i ^= 1 {
			l, open := <-f.asks
			if !open {
				return
			}
			f.ready <- f.fill(l, buffers[i])
		}
	}()
	return f
}

// assign begins a lane at its first position of at least from and returns its high position, or goes on in the lane
// that it has if the assignment is an equal one; then changed is false.
func (f *feeder) assign(a data.Assignment, from uint64) (high uint64, changed bool) {
	if f.lane != nil {
		if f.lane.of == a {
			return 0, false
		}
		<-f.ready // prepared for the lane that ends
	}
	if f.own {
		if f.lane != nil {
			f.from = f.lane.High() - uint64(f.size) // less the batch that was prepared
		}
		f.lane = &lane{Lane: data.OwnLane(f.from), of: a, most: math.MaxUint64}
		f.asks <- f.lane
		return 0, true
	}
	f.lane = &lane{Lane: data.NewLane(a), of: a, most: a.CapSamples}
	if a.CapSamples == 0 {
		f.lane.most = math.MaxUint64
	}
	for f.lane.left(1) && f.lane.High() < from {
		f.lane.draw()
	}
	high = f.lane.High()
	f.asks <- f.lane
	return high, true
}

// next takes the prepared batch and has the one after it prepared.
func (f *feeder) next() batch {
	b := <-f.ready
	f.asks <- f.lane
	return b
}

// close ends the goroutine and waits for it.
func (f *feeder) close() {
	close(f.asks)
	for range f.ready {
	}
}

func (f *feeder) fill(l *lane, tokens []int32) batch {
	if !l.left(f.size) {
		return batch{high: l.High()}
	}
	n, width := uint64(f.set.Samples()), f.set.SeqLen+1
	for i := range f.size {
		f.set.Sample(int(data.Permute(l.of.Manifest, n, l.draw())), tokens[i*width:])
	}
	if f.own { // nothing that others would have to leave out
		return batch{tokens: tokens, ok: true}
	}
	return batch{tokens: tokens, high: l.High(), ok: true}
}

// left tells whether the lane has n more samples.
func (l *lane) left(n int) bool { return l.drawn+uint64(n) <= l.most }

func (l *lane) draw() uint64 {
	l.drawn++
	return l.Next()
}
