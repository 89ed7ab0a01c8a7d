package blob

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// worthTaking is the least time that a source still needs for its job before another
	// source, of more than twice the rate, takes the job over: what was begun of it is lost.
	worthTaking = time.Second
	// askAgain is the pause before a source without the blob, or one that was not needed, is asked again
	// while another sends: it probably fetches the same blob and has it soon.
	askAgain = time.Second
	// reachSoon is the time to reach a peer before the next is asked as well: a dial to a
	// peer behind a closed router fails after 5 s.
	reachSoon = time.Second
)

// resting is a source that did not have the blob, or was not needed.
type resting struct {
	id     peer.ID
	at     time.Time
	absent bool
}

// share starts sources while there is work for them, and gives the idle ones
// something to do.
func (c *coordinator) share(ctx context.Context) {
	want := 1
	switch {
	case c.late:
		want = maxFetchSources
	case c.ready:
		want = min(maxFetchSources, c.left)
	}
	good := 0
	for _, s := range c.active {
		if !s.slow {
			good++
		}
	}
	for ; good < want && len(c.rest) > 0 && len(c.active) < 2*maxFetchSources; good++ {
		s := &source{x: c.x, f: c.f, id: c.rest[0], part: c.part, jobs: make(chan job, 1), out: c.reports, offered: c.small}
		c.rest = c.rest[1:]
		c.active = append(c.active, s)
		var running context.Context
		running, s.cancel = context.WithCancel(ctx)
		c.wg.Go(func() { s.run(running) })
	}
	for _, s := range slices.Clone(c.active) {
		switch {
		case s.busy || !slices.Contains(c.active, s):
		case !s.offered:
			s.give(job{})
		default:
			if len(c.todo) == 0 {
				c.take(s)
			}
			if j, ok := c.next(min(want, c.left)); ok {
				s.give(j)
			} else {
				c.dismiss(s)
			}
		}
	}
}

// give gives a source something to do.
func (s *source) give(j job) {
	s.busy, s.since, s.todo = true, time.Now(), nil
	for i := range j.count {
		s.todo = append(s.todo, j.first+i)
	}
	s.jobs <- j
}

// take takes a job off a source that needs long for what is left of it, where this one
// is much faster: the last leaves must not come at the pace of the slowest source.
func (c *coordinator) take(s *source) {
	var worst *source
	most := worthTaking.Seconds()
	if s.rate == 0 { // it may be slow itself
		most *= 3
	}
	for _, o := range c.active {
		if len(o.todo) == 0 || o.slow {
			continue
		}
		rate := o.speed()
		if rate == 0 || s.rate > 0 && s.rate <= 2*rate {
			continue
		}
		if d := float64(c.bytes(o.todo))/rate - time.Since(o.since).Seconds(); d > most {
			worst, most = o, d
		}
	}
	if worst != nil {
		if c.seen == nil {
			c.seen = map[peer.ID]float64{}
		}
		c.seen[worst.id] = max(worst.speed(), 1)
		c.dismiss(worst)
	}
}

// speed is a busy source's rate: after a second as it is, before that as it was.
func (s *source) speed() float64 {
	if d := time.Since(s.since); d > time.Second {
		return max(float64(s.moved.Load()), 1) / d.Seconds()
	}
	return s.rate
}

// bytes is the size of leaves.
func (c *coordinator) bytes(leaves []int) (n uint64) {
	for _, i := range leaves {
		n += leafSize(i, c.size)
	}
	return n
}

// dismiss ends a source that is not needed now.
func (c *coordinator) dismiss(s *source) {
	s.cancel()
	c.active = slices.DeleteFunc(c.active, func(o *source) bool { return o == s })
	c.resting = append(c.resting, resting{id: s.id, at: time.Now()})
	c.giveBack(s)
	s.todo = nil
}

// again has sources asked once more that did not have the blob a while ago, or were
// not needed: those at once where nobody else is left.
func (c *coordinator) again(now time.Time) {
	alone := len(c.active) == 0
	c.resting = slices.DeleteFunc(c.resting, func(r resting) bool {
		due := now.Sub(r.at) >= askAgain || alone && !r.absent
		if due {
			c.rest = append(c.rest, r.id)
		}
		return due
	})
}

// unreached lets others take the place of sources that are still being dialled.
func (c *coordinator) unreached(now time.Time) {
	for _, s := range c.active {
		if s.busy && !s.open && !s.slow && now.Sub(s.since) > reachSoon {
			s.slow = true
			c.giveBack(s)
		}
	}
}

// next takes a run of leaves off the list: a share of what is left, so that the
// sources end together.
func (c *coordinator) next(sources int) (job, bool) {
	if len(c.todo) == 0 {
		return job{}, false
	}
	most := max(1, min(maxRange, len(c.todo)/(2*sources)))
	j := job{tree: c.tree, first: c.todo[0]}
	for j.count < most && j.count < len(c.todo) && c.todo[j.count] == j.first+j.count {
		j.count++
	}
	c.todo = c.todo[j.count:]
	return j, true
}

// giveBack puts a source's leaves on the list again.
func (c *coordinator) giveBack(s *source) {
	for _, i := range s.todo {
		if !c.done[i] && !slices.Contains(c.todo, i) {
			c.todo = append(c.todo, i)
		}
	}
	slices.Sort(c.todo)
}
