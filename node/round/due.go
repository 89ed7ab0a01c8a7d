package round

import (
	"cmp"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// beat is the newest heartbeat of a peer, with the local time it came.
type beat struct {
	Heartbeat
	at      time.Duration
	trained time.Duration // when it last said that it trains
	draw    proto.ID      // its place among peers, for this node alone
	heads   []proto.ID    // that its last heartbeats named, maxHeads of them, each once
}

// maxHeads is how many heads of a peer are remembered: rounds that pass while an answer about its branch travels.
const maxHeads = 8

// fresh tells whether a heartbeat is not older than three of its intervals.
func (b *beat) fresh(now time.Duration) bool { return now-b.at <= staleBeats*b.Interval }

// recent tells whether a heartbeat is one that some peer's would still be fresh of: intervals are each peer's own word, and one must not
// be there alone because it says a longer one.
func (b *beat) recent(now time.Duration) bool { return now-b.at <= staleBeats*maxInterval }

const (
	minInterval = 500 * time.Millisecond
	maxInterval = 5 * time.Second
	maxRate     = 1e12 // tokens per second; over three intervals it fits an integer
)

// heard takes a heartbeat. Only the local time of its arrival counts.
func (m *Machine) heard(h Heartbeat) {
	if h.From == m.cfg.Self {
		return
	}
	if h.Leaving {
		delete(m.beats, h.From)
		return
	}
	if !(h.Rate >= 0 && h.Rate <= maxRate) { // not a number, too
		h.Rate = 0
	}
	h.Interval = min(max(h.Interval, minInterval), maxInterval)
	b := &beat{Heartbeat: h, at: m.now}
	if old := m.beats[h.From]; old != nil {
		b.draw, b.trained = old.draw, old.trained
		if old.fresh(m.now) { // what it said before a silence tells nothing of where it is
			b.heads = old.heads
		}
	} else {
		b.draw = proto.Sum([]byte(m.cfg.Salt + string(m.cfg.Self+h.From)))
		if !m.makeRoom(b) {
			return
		}
	}
	if !h.Paused {
		b.trained = m.now
	}
	if !slices.Contains(b.heads, h.Head) {
		b.heads = append(slices.Clone(b.heads[max(0, len(b.heads)+1-maxHeads):]), h.Head)
	}
	m.beats[h.From] = b
}

// makeRoom tells whether there is room for a peer's first heartbeat. Voters, and who was one, always have
// some. Of the others maxStrangers are heard: each head draws anew who, or as many
// keys would keep every newcomer out for good. What known peers said last is kept beyond its time, for it tells since when they are silent.
func (m *Machine) makeRoom(b *beat) bool {
	if len(m.beats) < maxStrangers {
		return true
	}
	if len(m.beats) >= maxPeers {
		oldest := slices.MinFunc(sortedPeers(m.beats), func(p, q proto.PeerID) int { return cmp.Compare(m.beats[p].at, m.beats[q].at) })
		if !m.beats[oldest].fresh(m.now) {
			delete(m.beats, oldest)
		}
	}
	if m.counts(b.From) && len(m.head.voters) > 0 || m.voted(b.From) {
		return len(m.beats) < maxPeers
	}
	var strangers []proto.PeerID
	for _, p := range sortedPeers(m.beats) {
		switch {
		case m.voted(p):
		case !m.beats[p].fresh(m.now):
			delete(m.beats, p)
		case !m.counts(p) || len(m.head.voters) == 0:
			strangers = append(strangers, p)
		}
	}
	if len(strangers) < maxStrangers {
		return true
	}
	last := drawn(m.salted(m.head.ID), append(strangers, b.From))[len(strangers)]
	delete(m.beats, last)
	return last != b.From
}

// active lists the peers that count, this node left out, and train on the head.
func (m *Machine) active() []proto.PeerID {
	var ps []proto.PeerID
	for _, p := range sortedPeers(m.beats) {
		if b := m.beats[p]; m.counts(p) && b.fresh(m.now) && b.Head == m.head.ID && !b.Paused {
			ps = append(ps, p)
		}
	}
	return ps
}

// Active is how many nodes, this one included if it trains, share the round.
func (m *Machine) Active() int {
	n := len(m.active())
	if m.training {
		n++
	}
	return n
}

// Complete tells whether the schedule's last token is committed.
func (m *Machine) Complete() bool {
	return m.cfg.TotalTokens > 0 && m.head.Tokens >= m.cfg.TotalTokens
}

// checkDue latches that the round is due: when the swarm has done its target by
// its heartbeats, never before Min, always at Max.
func (m *Machine) checkDue() {
	age := m.now - m.round.since
	if m.round.due || m.damaged || m.Complete() || age < m.cfg.Min || m.head.Height < m.cfg.Checkpoint.Height {
		return
	}
	if m.called() {
		m.latchDue()
		return
	}
	if age < m.shortest() {
		return
	}
	if lag := min(2*m.longestLag(), m.cfg.Max); age < lag && !m.parted() && m.waits.wait(m.now, lag-age) {
		return
	}
	peers := m.active()
	n := uint64(len(peers))
	var done uint64
	for _, p := range peers {
		b := m.beats[p]
		most := max(2*m.lastCommitted(p), 2*m.head.Target)
		ahead := uint64(b.Rate * (m.now - b.at).Seconds())
		share := min(min(b.Tokens, most)+ahead, most)
		if b.Done {
			share = max(share, m.head.Target) // more is not to be had
		}
		done += share
	}
	if m.training {
		n++
		share := m.own.lacking()
		if m.own.done && share > 0 {
			share = max(share, m.head.Target)
		}
		done += share
	}
	if n == 0 || (done < m.head.Target*n && age < m.cfg.Max) {
		return
	}
	m.latchDue()
}

// latchDue makes the round due.
func (m *Machine) latchDue() {
	m.round.due, m.round.dueAt = true, m.now
	m.waits.end(m.now)
}

// called tells whether most of the other members that train on the head, or do on its parent still, have
// published on it: they wait for this node, whose own clock of the round began later. One who knows a commit before it is
// announced, and publishes on it, is not most of them. They must be most of the other voters too: where a cut leaves few, rounds of
// an exchange would have the rest out of the roster in seconds.
func (m *Machine) called() bool {
	out, of, voted := m.turnout(m.present())
	others := len(m.head.voters)
	if slices.Contains(m.head.voters, m.cfg.Self) {
		others--
	}
	return 2*out > of && (2*voted > others || len(m.head.voters) == 0)
}

// early tells whether most of the other members that train on the head have yet to publish:
// this node's clock of the round began before theirs, as it does where it was on another
// branch at first, and they make no commit their head that leaves all of them out.
func (m *Machine) early() bool {
	out, of, _ := m.turnout(m.active())
	return 2*out < of
}

// turnout counts the members among some peers, those of them who have published on the head, and the voters of these.
func (m *Machine) turnout(among []proto.PeerID) (out, members, voters int) {
	us, _ := m.candidates(m.head)
	for _, p := range among {
		if m.head.Rank(p) < 0 {
			continue
		}
		members++
		if slices.ContainsFunc(us, func(u Update) bool { return u.Author == p }) {
			out++
			if slices.Contains(m.head.voters, p) {
				voters++
			}
		}
	}
	return out, members, voters
}

// shortest is how long a round lasts at least: the manifest's bound, and long
// enough that the exchange, as recent updates measured it, is a part of it; but for
// that at most twice what the target takes, or trainers would use up their
// assignments, which last for four targets, before H has followed.
func (m *Machine) shortest() time.Duration {
	recent := m.recent()
	stretch := exchangesPerRound * median(recent, func(u Update) time.Duration { return u.Exchange })
	if step := median(recent, func(u Update) time.Duration { return u.StepTime }); step > 0 {
		stretch = min(stretch, 2*time.Duration(m.head.NextH)*step)
	}
	return min(max(m.cfg.Min, stretch, 2*m.lag()), m.cfg.Max)
}

// recent lists the updates of several rounds, for one that met a fault says little about the next.
func (m *Machine) recent() (us []Update) {
	for b, n := m.head, 0; b != nil && n < rosterDepth; b, n = b.parent, n+1 {
		listed := m.listed(b)
		if b.parent != nil {
			listed = m.cfg.settled(b.parent.Commit, listed)
		}
		us = append(us, listed...)
	}
	return us
}

// lastCommitted is what a peer's newest update on the head's branch counted
// for, looked up as deep as the roster reaches.
func (m *Machine) lastCommitted(p proto.PeerID) uint64 {
	b := m.head
	for range rosterDepth {
		if b == nil {
			break
		}
		us := m.listed(b)
		if i := slices.IndexFunc(us, func(u Update) bool { return u.Author == p }); i >= 0 {
			counts := us
			if b.parent != nil {
				counts = m.cfg.settled(b.parent.Commit, us)
			}
			return min(us[i].Tokens, countable(counts))
		}
		b = b.parent
	}
	return 0
}

// parted tells whether a third of the voters stand on a sibling of the head: who waits for others then lets that branch go on first.
func (m *Machine) parted() bool {
	p := m.head.parent
	if p == nil || len(p.voters) == 0 {
		return false
	}
	return slices.ContainsFunc(p.children, func(c *block) bool {
		stand := 0
		for _, v := range p.voters {
			if c != m.head && m.stands(v, c) {
				stand++
			}
		}
		return stand >= share(len(p.voters), vouchShare)
	})
}
