package round

import (
	"time"

	"github.com/murmurnet/murmur/proto"
)

const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 8 * time.Second
)

// errand is a thing asked for. One id may be asked for in several ways at once: a
// commit's body, the branch that it ends, its state root, its snapshot.
type errand struct {
	what what
	id   proto.ID
}

// what kind of thing is asked for.
type what uint8

const (
	payload  what = iota
	body          // of a commit
	branch        // that ends in a commit
	root          // of a commit
	snapshot      // of a commit's state
	update        // of one's own, on a commit
	building      // of a commit, on a commit
)

// quota is one of the bounded shares of the places for payloads: an author's own, or a voter's for what its commits list of
// strangers. The zero value is none.
type quota struct {
	of        proto.PeerID
	strangers bool
}

// try is how asking went: once at a time, with growing pauses between.
type try struct {
	open  bool
	after time.Duration
	pause time.Duration
	fails int

	quota     quota        // what the fetch is counted in
	stranger  bool         // the roster lacks the author
	more      int          // further peers asked while the first question is open
	pulledFor proto.PeerID // the voter among whose pulls a commit's counts; "" for none
}

// try tells whether a thing may be asked for now, and notes that it was.
func (m *Machine) try(w what, id proto.ID) bool {
	e := errand{w, id}
	t := m.tries[e]
	if t == nil {
		t = &try{}
		m.tries[e] = t
	}
	if t.open || m.now < t.after {
		return false
	}
	t.open = true
	m.running[w]++
	return true
}

// rested tells whether try would be true.
func (m *Machine) rested(w what, id proto.ID) bool {
	t := m.tries[errand{w, id}]
	return t == nil || !t.open && m.now >= t.after
}

// maxTries are kept before those that came to nothing long ago are forgotten: what announcements name need not be anywhere.
const maxTries = 4096

func (m *Machine) forgetTries() {
	for e, t := range m.tries {
		if !t.open && m.updates[e.id] == nil && t.after+retryMost < m.now {
			delete(m.tries, e)
		}
	}
}

// retry notes that a try came to nothing.
func (m *Machine) retry(w what, id proto.ID) {
	t := m.tries[errand{w, id}]
	if t == nil {
		return
	}
	m.closeTry(w, t)
	t.fails++
	t.pause = min(max(2*t.pause, retryFirst), retryMost)
	t.after = m.now + t.pause
	if len(m.tries) > maxTries {
		m.forgetTries()
	}
}

// done notes that a thing is here.
func (m *Machine) done(w what, id proto.ID) {
	if t := m.tries[errand{w, id}]; t != nil {
		m.closeTry(w, t)
		delete(m.tries, errand{w, id})
	}
}

func (m *Machine) closeTry(w what, t *try) {
	if t.open {
		t.open = false
		m.running[w]--
		if t.stranger {
			m.strangers--
		}
		if t.quota != (quota{}) {
			if m.fetching[t.quota]--; m.fetching[t.quota] == 0 {
				delete(m.fetching, t.quota)
			}
		}
		t.quota, t.stranger, t.more = quota{}, false, 0
	}
}

// fails is how often in a row asking came to nothing.
func (m *Machine) fails(w what, id proto.ID) int {
	if t := m.tries[errand{w, id}]; t != nil {
		return t.fails
	}
	return 0
}
