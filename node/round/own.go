package round

import (
	"maps"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// ledger is this node's account of what it learned and what its branch has of
// it, in tokens. The residual vector itself is the driver's.
type ledger struct {
	total     uint64 // learned in all, since the start and in the residual then
	delivered uint64 // of it on the head's branch
	rate      float64
	done      bool // the trainer can do no more in this round
	seq       uint64
	included  uint64               // highest number of an own update that the head's branch lists
	floor     uint64               // own updates up to this height are known to peers and forgotten here
	reached   uint64               // the least height that voters had reached whenever this node might have published under a floor; 0: none yet
	signed    map[proto.ID]uint64  // numbers of own updates by the commits that they are for, the newest MaxSigned
	covers    map[proto.ID]uint64  // own updates: tokens each stands for
	byParent  map[proto.ID]*Update // the one own update for a parent
}

// lacking is what was learned and is not on the branch.
func (l *ledger) lacking() uint64 { return l.total - min(l.delivered, l.total) }

// note takes an own update into the account, not yet as delivered. One that this
// disk does not remember covers nothing: what it held is in no residual here.
func (l *ledger) note(u *Update, covers uint64) {
	l.covers[u.ID] = covers
	if l.byParent[u.Parent] == nil {
		l.byParent[u.Parent] = u
	}
	l.seq = max(l.seq, u.Seq)
	l.signed[u.Parent] = u.Seq
}

// prune keeps the newest own updates, and what those before them were signed for: a branch that was left may be
// entered again, and no second update may be signed for its commits.
func (l *ledger) prune() {
	maps.DeleteFunc(l.byParent, func(_ proto.ID, u *Update) bool { return u.Seq+KeptOwn <= l.seq })
	maps.DeleteFunc(l.signed, func(_ proto.ID, seq uint64) bool { return seq+MaxSigned <= l.seq })
}

// maySign tells whether this node surely made no update for a commit yet that
// it does not remember. Where it may have, it sits the round out: the swarm goes
// on without it, and it is in again a few heights later.
func (l *ledger) maySign(on Commit) bool {
	_, twice := l.signed[on.ID]
	floor := l.floor
	if l.reached > 0 {
		floor = min(floor, l.reached)
	}
	return !twice && on.Height >= floor
}

// boundFloor holds an own update that only peers remember against how far others are: on an invented branch this node may have signed for any
// height, and would never sign again. The least height counts of all heads that it stood on since, for such a branch has voters, too; two snapshot
// heights are added, for those who are heard may be behind.
func (m *Machine) boundFloor() {
	if m.own.floor == 0 {
		return
	}
	var heights []uint64
	for _, p := range m.head.voters {
		if b := m.beats[p]; b != nil && b.fresh(m.now) {
			heights = append(heights, b.Height)
		}
	}
	doubted := share(len(m.head.voters), vouchShare) // of the highest; who is a third may say anything
	if len(heights) <= doubted {
		return
	}
	slices.Sort(heights)
	if h := max(heights[len(heights)-1-doubted], m.head.Height) + 2*m.cfg.Snapshot; m.own.reached == 0 || h < m.own.reached {
		m.own.reached = h
	}
}

// move follows the head from one branch to another.
func (l *ledger) move(left, joined []Own) {
	for _, u := range joined {
		if u.Covers > 0 {
			l.delivered += u.Covers
			l.included = max(l.included, u.Seq)
		}
	}
	for _, u := range left {
		l.delivered -= min(l.delivered, u.Covers)
	}
}

// publish offers what this node learned, once a parent, and repeats the offer
// while the round stays open.
func (m *Machine) publish() {
	if !m.round.due || !m.settled || m.Complete() {
		return
	}
	if u := m.own.byParent[m.head.ID]; u != nil {
		if m.round.saidAt == 0 || m.now-m.round.saidAt >= m.cfg.ViewTimeout {
			again := m.round.saidAt != 0
			m.round.saidAt = max(m.now, 1)
			m.do(AnnounceUpdate{Update: u.ID})
			if again {
				m.do(AskUpdates{Parent: m.head.ID, Sources: m.sources(nil)})
			}
		}
		return
	}
	if m.unproven > 0 && len(m.active()) > 0 && m.now-m.round.since < m.cfg.Grace+m.cfg.ViewTimeout {
		return // others bring the commits to compute; if nobody does, somebody must
	}
	if m.boundFloor(); !m.training || m.own.lacking() == 0 || !m.own.maySign(m.head.Commit) || !m.try(update, m.head.ID) {
		return
	}
	m.do(Publish{
		Parent: m.head.ID, Height: m.head.Height + 1, Seq: m.own.seq + 1,
		Delivered: m.own.delivered, Max: m.head.Cap(),
	})
}

// published takes an own update that is durable now.
func (m *Machine) published(e Published) {
	u := e.Update
	m.remember(u) // a peer may have brought it before
	if kept := m.updates[u.ID]; kept != nil {
		m.own.note(kept, e.Covers)
	} else {
		m.own.note(&u, e.Covers) // eight newer ones came from peers
	}
	m.done(update, u.Parent)
	m.gotPayload(u.Use())
}

// noteSpread keeps how far apart the payloads of a round came.
func (m *Machine) noteSpread(d time.Duration) {
	const remembered = 16
	if m.spreads = append(m.spreads, d); len(m.spreads) > remembered {
		m.spreads = m.spreads[1:]
	}
}
