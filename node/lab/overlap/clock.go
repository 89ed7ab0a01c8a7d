package overlap

import (
	"container/heap"
	"time"
)

// clock is virtual time and what is to happen in it.
type clock struct {
	now  time.Duration
	seq  int
	todo agenda
}

// happening is something at a time; seq keeps equal times in order.
type happening struct {
	at  time.Duration
	seq int
	do  func()
}

type agenda []happening

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(happening)) }
func (a *agenda) Pop() any     { o := *a; x := o[len(o)-1]; *a = o[:len(o)-1]; return x }

// after has something happen d from now.
func (c *clock) after(d time.Duration, do func()) {
	c.seq++
	heap.Push(&c.todo, happening{c.now + max(d, 0), c.seq, do})
}

// run lets time pass until end, or until stop says so.
func (c *clock) run(end time.Duration, stop func() bool) {
	for len(c.todo) > 0 && c.todo[0].at <= end && !stop() {
		h := heap.Pop(&c.todo).(happening)
		c.now = h.at
		h.do()
	}
	if !stop() {
		c.now = end
	}
}
