package worker

import (
	"math"

	"github.com/murmurnet/murmur/trainer/data"
)

// dataset is what samples are taken from.
type dataset interface {
	Samples() int
	// Fill copies the tokens of the sample that stands at a position, in the order of a key, to dst.
	Fill(dst []int32, key [32]byte, position uint64) error
}

// batch is the input of one step.
type batch struct {
	tokens []int32 // [Batch, SeqLen+1]
	high   uint64  // the lane's high position once this batch is taken
	ok     bool    // false: the lane has no full batch left, or err says what is wrong
	err    error
}

// feeder has the batch of the next step ready while the step before runs. It prepares one batch ahead and no more.
type feeder struct {
	set   dataset
	size  int // samples a batch
	width int // tokens of a sample
	asks  chan *lane
	ready chan batch
	kept  *batch // taken out of ready, where no fill is under way
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
	until uint64 // positions from here on have no data yet
}

func newFeeder(set dataset, size, seqLen int) *feeder {
	f := &feeder{set: set, size: size, width: seqLen + 1, asks: make(chan *lane), ready: make(chan batch, 1)}
	go func() {
		defer close(f.ready)
		// Two buffers in turn: one is in use by the step while the other fills.
		var buffers [2][]int32
		for i := range buffers {
			buffers[i] = make([]int32, size*f.width)
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

// assign begins a lane and returns its high position, or goes on in the lane that it has if the assignment is an equal
// one; then changed is false. There are data up to position until; 0: for all.
func (f *feeder) assign(a data.Assignment, until uint64) (high uint64, changed bool) {
	if until == 0 {
		until = math.MaxUint64
	}
	if f.lane != nil {
		b := f.take() // no fill is under way from here to the next ask
		if f.lane.of == a {
			f.lane.until = until
			if b.ok {
				f.kept = &b
			} else {
				f.asks <- f.lane
			}
			return 0, false
		}
	}
	if f.own {
		if f.lane != nil {
			f.from = f.lane.High() - uint64(f.size) // less the batch that was prepared
		}
		f.lane = &lane{Lane: data.OwnLane(f.from), of: a, most: math.MaxUint64, until: until}
		f.asks <- f.lane
		return 0, true
	}
	f.lane = &lane{Lane: data.NewLane(a), of: a, most: a.CapSamples, until: until}
	if a.Parts > 1 {
		f.lane.most /= uint64(a.Parts)
	}
	if a.CapSamples == 0 {
		f.lane.most = math.MaxUint64
	}
	high = f.lane.High()
	f.asks <- f.lane
	return high, true
}

// take waits for the prepared batch.
func (f *feeder) take() batch {
	if b := f.kept; b != nil {
		f.kept = nil
		return *b
	}
	return <-f.ready
}

// next takes the prepared batch and has the one after it prepared.
func (f *feeder) next() batch {
	b := f.take()
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
	if !l.left(f.size) || l.Ahead(uint64(f.size)) >= l.until {
		return batch{high: l.High()}
	}
	before := *l
	for i := range f.size {
		if err := f.set.Fill(tokens[i*f.width:], l.of.Manifest, l.draw()); err != nil {
			*l = before // the positions are there to be taken again
			return batch{high: l.High(), err: err}
		}
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
