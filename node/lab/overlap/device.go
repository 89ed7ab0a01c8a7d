package overlap

import (
	"math"
	"time"

	"github.com/murmurnet/murmur/trainer/data"
)

// device is a trainer process on its device: it steps while its assignment
// lasts, and serves a request between two steps, as trainer/worker does.
type device struct {
	n        *node
	stepTime time.Duration
	queue    []request
	running  bool

	lane     data.Lane
	drawn    uint64
	most     uint64 // samples that the assignment may draw
	assigned bool
	steps    int64
	position uint64
	rate     float64 // moving tokens/s
	stepped  time.Duration

	since              time.Duration // in the present doing
	training, serving  time.Duration
	waiting            time.Duration
	servedFor          map[string]time.Duration
	idle, haveMeasured bool
}

type request struct {
	what string
	cost time.Duration
	done func()
}

const (
	pipe     = time.Millisecond // a line from the daemon to the trainer
	rateSpan = 5 * time.Second  // as in trainer/worker
	jitter   = 0.02             // steps take so much longer or shorter
)

// ask has a request served between two steps.
func (d *device) ask(what string, cost time.Duration, done func()) {
	d.n.s.clock.after(pipe, func() {
		d.queue = append(d.queue, request{what, cost, done})
		if !d.running {
			d.waiting += d.n.s.clock.now - d.since
			d.next()
		}
	})
}

// next serves a request, or does a step, or waits.
func (d *device) next() {
	c := d.n.s.clock
	d.running, d.since = true, c.now
	samples := uint64(d.n.s.p.Batch)
	switch {
	case len(d.queue) > 0:
		r := d.queue[0]
		d.queue = d.queue[1:]
		c.after(r.cost, func() {
			d.serving += r.cost
			d.servedFor[r.what] += r.cost
			r.done()
			d.next()
		})
	case d.assigned && d.drawn+samples <= d.most:
		if d.idle {
			d.idle, d.stepped = false, c.now
		}
		took := time.Duration(float64(d.stepTime) * (1 + jitter*(2*d.n.s.rng.Float64()-1)))
		c.after(took, func() {
			for range samples {
				d.lane.Next()
			}
			d.drawn += samples
			d.steps++
			d.position = d.lane.High()
			d.training += took
			d.measure(c.now - d.stepped)
			d.stepped = c.now
			d.n.executor.noteProgress()
			d.next()
		})
	default:
		d.running = false
		if d.assigned && !d.idle {
			d.idle = true
			d.n.executor.noteProgress()
		}
	}
}

// measure takes a step into the moving rate.
func (d *device) measure(took time.Duration) {
	now := float64(d.n.s.stepTokens()) / took.Seconds()
	if !d.haveMeasured {
		d.haveMeasured, d.rate = true, now
		return
	}
	d.rate += (1 - math.Exp(-took.Seconds()/rateSpan.Seconds())) * (now - d.rate)
}

// assign begins a lane.
func (d *device) assign(a data.Assignment) {
	d.lane, d.drawn, d.most, d.assigned = data.NewLane(a), 0, a.CapSamples, true
	d.position = d.lane.High()
}
