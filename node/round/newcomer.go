package round

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// Bounds of what all peers that do not count may cost together. They must be waited for
// now and then, or a node whose rounds are shorter than a message's way would never let
// anyone in, and must not be waited for always, for where the swarm is open their
// number costs nothing.
const (
	waitShare = 10 // at most one part in so many of the time is spent waiting
	// Rounds without a wait after one that brought nobody, and after one that did. With two,
	// one exchange of three is measured longer, so the median is not and rounds are not
	// stretched; and whom only a wait lets in stays in the roster.
	restInVain = 7
	restServed = rosterDepth - 1
)

// waitBudget is the time that a node may still spend on waiting for peers that do not
// count.
type waitBudget struct {
	left  time.Duration
	since time.Duration // when the wait under way began
	open  bool
	used  bool // in this round
	rest  int  // rounds until the next
}

// wait tells whether a wait of at most so long may begin, or go on. It is whole or
// not at all: a part of the way helps nobody.
func (c *waitBudget) wait(now, most time.Duration) bool {
	if !c.open {
		if c.left < most || c.rest > 0 {
			return false
		}
		c.open, c.since = true, now
	}
	return now-c.since < c.left
}

// end ends the wait under way, if any: its time is used up.
func (c *waitBudget) end(now time.Duration) {
	if c.open {
		c.left -= min(now-c.since, c.left)
		c.open, c.used = false, true
	}
}

// next begins a round after one that lasted so long. Served says that somebody who does
// not count got in.
func (c *waitBudget) next(now, round, most time.Duration, served bool) {
	c.end(now)
	c.rest = max(c.rest-1, 0)
	if c.used {
		c.used, c.rest = false, restInVain
		if served {
			c.rest = restServed
		}
	}
	c.left = min(c.left+round/waitShare, most)
}

// counts tells whether the round on the head is measured by a peer: by voters, and on
// genesis, which has none, by everybody.
func (m *Machine) counts(p proto.PeerID) bool {
	return len(m.head.voters) == 0 || slices.Contains(m.head.voters, p)
}

// lags lists how far peers who follow this branch are behind it, in rising order, up
// to grace: voters, or all. Where rounds are shorter than gossip takes, nobody could
// ever get an update in.
func (m *Machine) lags(voters bool) (ls []time.Duration) {
	for p, beat := range m.beats {
		if b := m.blocks[beat.Head]; (m.counts(p) || !voters) && b != nil && b != m.head && beat.fresh(m.now) && !beat.Paused && m.head.under(b) {
			ls = append(ls, min(beat.at-m.head.childOf(b).at, m.cfg.Grace))
		}
	}
	slices.Sort(ls)
	return ls
}

// lag is how far voters are behind, but for the third who are furthest: one alone, who
// may say what it likes, holds up no round.
func (m *Machine) lag() time.Duration {
	ls := m.lags(true)
	others := len(m.head.voters)
	if slices.Contains(m.head.voters, m.cfg.Self) {
		others--
	}
	if out := max(others, 0) / vouchShare; len(ls) > out {
		return ls[len(ls)-1-out]
	}
	return 0
}

// longestLag is how far anybody is behind.
func (m *Machine) longestLag() time.Duration {
	if ls := m.lags(false); len(ls) > 0 {
		return ls[len(ls)-1]
	}
	return 0
}
