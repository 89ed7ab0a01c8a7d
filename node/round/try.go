package round

import (
	"time"

	"github.com/murmurnet/murmur/proto"
)

// buildKey is the place of building among the tries: no message hashes to it.
var buildKey = proto.ID{1}

const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 8 * time.Second
)

// try is something asked for: once at a time, with growing pauses between.
type try struct {
	open  bool
	after time.Duration
	pause time.Duration
}

// try tells whether a thing may be asked for now, and notes that it was.
func (m *Machine) try(id proto.ID) bool {
	t := m.tries[id]
	if t == nil {
		t = &try{}
		m.tries[id] = t
	}
	if t.open || m.now < t.after {
		return false
	}
	t.open = true
	return true
}

// retry notes that a try came to nothing.
func (m *Machine) retry(id proto.ID) {
	t := m.tries[id]
	if t == nil {
		return
	}
	t.pause = min(max(2*t.pause, retryFirst), retryMost)
	t.open, t.after = false, m.now+t.pause
}

// done notes that a thing is here.
func (m *Machine) done(id proto.ID) { delete(m.tries, id) }
