package round

import "time"

// finish is a leave under way: after the next update, once it is in.
type finish struct {
	asked bool
	over  bool
	since time.Duration
	seq   uint64 // own updates above this one hold all that there is to deliver
}

// wantLeave begins to leave. An update that is out for this head need not be
// followed by another: what was learned since stays in the residual on disk.
func (m *Machine) wantLeave() {
	if m.finish.asked {
		return
	}
	m.finish = finish{asked: true, since: m.now, seq: m.own.seq}
	if u := m.own.byParent[m.head.ID]; u != nil {
		m.finish.seq = u.Seq - 1
	}
}

// leave says when this node may go: when its last update is in, when it has
// nothing to deliver, or after a round and all of its closers' turns.
func (m *Machine) leave() {
	f := &m.finish
	if !f.asked || f.over {
		return
	}
	in := m.own.lacking() == 0 || m.own.included > f.seq
	if in && !m.followed(m.head, m.cfg.Self) && len(m.peersAlive()) > 0 && m.now-m.round.since < m.cfg.Grace {
		return // until somebody else has the commit, and with it the payload
	}
	patience := m.cfg.Max + m.cfg.Grace + time.Duration(1+len(m.head.Roster))*m.cfg.ViewTimeout
	if in || m.Complete() || m.now-f.since > patience {
		f.over = true
		m.do(Finished{In: in})
	}
}
