package round

import "time"

// Status is what a Machine shows of itself.
type Status struct {
	Head     Commit
	Base     Commit
	Round    time.Duration // since the head was adopted
	Due      bool
	Active   int
	Lacking  uint64 // own tokens that the branch lacks
	Rank     int    // in the head's roster, −1 for a newcomer
	Complete bool
	Damaged  bool   // waiting for peers to give back a state that this disk lost
	Awaits   uint64 // the checkpoint's height, while the head lies below it
}

// Status returns the present state, for views and heartbeats.
func (m *Machine) Status() Status {
	awaits := m.cfg.Checkpoint.Height
	if m.head.Height >= awaits {
		awaits = 0
	}
	return Status{
		Head: m.head.Commit, Base: m.base.Commit, Round: m.now - m.round.since, Due: m.round.due,
		Active: m.Active(), Lacking: m.own.lacking(), Rank: m.head.Rank(m.cfg.Self), Complete: m.Complete(),
		Damaged: m.damaged, Awaits: awaits,
	}
}

// Branch returns the head's branch from the base up, at most n commits, newest
// last.
func (m *Machine) Branch(n int) []Commit {
	var cs []Commit
	for b := m.head; b != nil && len(cs) < n; b = b.parent {
		cs = append(cs, b.Commit)
	}
	for i, j := 0, len(cs)-1; i < j; i, j = i+1, j-1 {
		cs[i], cs[j] = cs[j], cs[i]
	}
	return cs
}
