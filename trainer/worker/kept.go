package worker

import (
	"sync/atomic"
	"time"
)

// keepEvery is the most training that a child's end costs, where a step does not take longer: so often θ is kept in the exchange file. That takes 0.1 s at
// 124M parameters.
const keepEvery = 10 * time.Second

// head is the beginning of the exchange file. The daemon reads what is kept when the child has ended.
type head struct {
	lent uint32        // whether the moments' regions hold moments that the daemon has not saved yet; atomic
	kept [regions]kept // θ in each region
}

// kept says which θ a region holds. The child writes it after θ, and takes it back before it writes there.
type kept struct {
	number  uint64 // counts up with each θ that is kept; 0: none
	changes uint64 // requests that had changed θ by then
	step    int64
}

// newest is the region with the θ that was kept last; false where there is none.
func (h *head) newest() (region int, ok bool) {
	for i, k := range h.kept {
		if k.number > h.kept[region].number {
			region = i
		}
	}
	return region, h.kept[region].number > 0
}

// lose takes back what regions hold.
func (h *head) lose(regions ...int) {
	for _, i := range regions {
		h.kept[i] = kept{}
	}
}

// copied keeps the θ that a capture left in Vector, which the daemon will write to.
func (c *child) copied() {
	if atomic.LoadUint32(&c.file.head.lent) != 0 {
		return
	}
	region := c.other()
	c.file.head.lose(region)
	copy(c.file.vector(region), c.file.vector(0))
	c.note(region)
	c.keeping.at = time.Now()
}

// note says that a region holds θ as it is.
func (c *child) note(region int) {
	c.keeping.number++
	c.file.head.kept[region] = kept{c.keeping.number, c.keeping.changes, c.stepper.since.Step}
}

// keeping is what a child keeps of θ.
type keeping struct {
	number, changes uint64
	at              time.Time // when θ was kept last
}

// other is a region of a moment that does not hold the newest θ.
func (c *child) other() int {
	if region, ok := c.file.head.newest(); ok && region == 1 {
		return 2
	}
	return 1
}

// keep keeps θ after a step, where that is due and the daemon has saved the moments.
func (c *child) keep(now time.Time) error {
	if _, gathers := c.learner.(Gatherer); gathers || now.Sub(c.keeping.at) < keepEvery || atomic.LoadUint32(&c.file.head.lent) != 0 {
		return nil
	}
	c.keeping.at = now
	region := c.other()
	c.file.head.lose(region)
	if _, err := c.learner.Read(c.file.vector(region), nil, nil); err != nil {
		return err
	}
	c.note(region)
	return nil
}

// forget has nothing kept: θ is another.
func (c *child) forget() {
	c.keeping.changes++
	c.keeping.at = time.Time{}
	c.file.head.lose(0, 1, 2)
	atomic.StoreUint32(&c.file.head.lent, 0)
}

// moved has what is kept follow a delta in Vector that was added to θ. Where nothing is kept the next step does it.
func (c *child) moved() {
	h := c.file.head
	c.keeping.changes++
	from, ok := h.newest()
	if !ok || from == 0 || atomic.LoadUint32(&h.lent) != 0 {
		h.lose(0, 1, 2)
		c.keeping.at = time.Time{}
		return
	}
	k, to := h.kept[from], c.other()
	h.lose(to)
	theta, delta, sum := c.file.vector(from), c.file.vector(0), c.file.vector(to)
	for i, x := range theta {
		sum[i] = x + delta[i]
	}
	c.keeping.number++
	h.kept[to] = kept{c.keeping.number, c.keeping.changes, k.step}
}

// Kept is what a child had learned when it ended, as far as it lies in the exchange file.
type Kept struct {
	Theta []float32 // as in Vector after a capture
	Step  int64     // total, of the inner optimizer
	Added bool      // whether the delta is in it that Add ended with an error for
}

// Kept finds the newest θ of a child that has ended; false where there is none that follows all Load, Add and Set that went well. It is given once.
func (p *Process) Kept() (k Kept, ok bool) {
	select {
	case <-p.done:
	default:
		return k, false
	}
	h := p.file.head
	region, ok := h.newest()
	if !ok {
		return k, false
	}
	r := h.kept[region]
	h.lose(0, 1, 2)
	p.mu.Lock()
	defer p.mu.Unlock()
	return Kept{p.file.vector(region), r.step, r.changes > p.changes}, r.changes >= p.changes
}

// Saved tells the child that the moments of its last capture are not needed any more.
func (p *Process) Saved() { atomic.StoreUint32(&p.file.head.lent, 0) }
