package overlap

import (
	"math"
	"slices"
	"time"
)

// links are the nodes' home links, with bytes as a fluid: what flows share a
// link get max-min fair shares of it, as congestion control gives them nearly,
// each way by itself. The core of the network has room for all.
type links struct {
	clock    *clock
	up, down float64 // bytes a second of each node
	flows    []*flow
	at       time.Duration // time at which each flow's left was true
	plan     int           // number of the newest planned end; older ones are void
	sent     []float64     // bytes sent, by node
}

// flow is bytes on their way.
type flow struct {
	from, to int
	left     float64 // bytes that have not left yet
	rate     float64 // bytes a second
	done     func()
}

// send starts a flow; done is called when its last byte has left.
func (l *links) send(from, to int, bytes float64, done func()) {
	l.settle()
	l.flows = append(l.flows, &flow{from: from, to: to, left: bytes, done: done})
	l.share()
}

// settle brings what is left up to now.
func (l *links) settle() {
	seconds := (l.clock.now - l.at).Seconds()
	l.at = l.clock.now
	for _, f := range l.flows {
		moved := min(f.left, f.rate*seconds)
		f.left -= moved
		l.sent[f.from] += moved
	}
}

// share fills the links up by max-min fairness and plans the next end of a flow.
func (l *links) share() {
	type side struct {
		left float64
		open int // flows without a share yet
	}
	ups, downs := make([]side, len(l.sent)), make([]side, len(l.sent))
	for i := range ups {
		ups[i].left, downs[i].left = l.up, l.down
	}
	for _, f := range l.flows {
		f.rate = 0
		ups[f.from].open++
		downs[f.to].open++
	}
	for range 2 * len(l.sent) { // every turn fills a link at least
		least := math.Inf(1)
		for _, sides := range [][]side{ups, downs} {
			for _, s := range sides {
				if s.open > 0 {
					least = min(least, s.left/float64(s.open))
				}
			}
		}
		if math.IsInf(least, 1) {
			break
		}
		full := func(s side) bool { return s.open > 0 && s.left/float64(s.open) <= least*(1+1e-9) }
		var fill []*flow
		for _, f := range l.flows {
			if f.rate == 0 && (full(ups[f.from]) || full(downs[f.to])) {
				fill = append(fill, f)
			}
		}
		for _, f := range fill {
			f.rate = least
			ups[f.from].left -= least
			ups[f.from].open--
			downs[f.to].left -= least
			downs[f.to].open--
		}
	}
	l.plan++
	if len(l.flows) == 0 {
		return
	}
	next := math.Inf(1)
	for _, f := range l.flows {
		next = min(next, f.left/f.rate)
	}
	plan := l.plan
	l.clock.after(time.Duration(next*float64(time.Second))+1, func() {
		if plan == l.plan {
			l.end()
		}
	})
}

// end takes out the flows whose last byte has left.
func (l *links) end() {
	l.settle()
	const rest = 0.5 // bytes, beside the clock's rounding
	var over []*flow
	l.flows = slices.DeleteFunc(l.flows, func(f *flow) bool {
		if f.left < rest {
			over = append(over, f)
			return true
		}
		return false
	})
	l.share()
	for _, f := range over {
		f.done()
	}
}

// busy tells whether a node's uplink is full.
func (l *links) busy(node int) bool {
	return slices.ContainsFunc(l.flows, func(f *flow) bool { return f.from == node })
}
