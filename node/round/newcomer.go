package round

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// courtesyShare bounds what all peers that do not count may cost together: an eighth
// of the time. They must be waited for now and then, or a node whose rounds are
// shorter than a message's way would never let anyone in, and must not be waited for
// always, for where the swarm is open their number costs nothing.
const courtesyShare = 8

// courtesy is the time that a node may still spend on waiting for peers that do not
// count.
type courtesy struct {
	left  time.Duration
	since time.Duration // when the wait under way began
	open  bool
}

// wait tells whether a wait of at most so long may begin, or go on. It is whole or
// not at all: a part of the way helps nobody.
func (c *courtesy) wait(now, most time.Duration) bool {
	if !c.open {
		if c.left < most {
			return false
		}
		c.open, c.since = true, now
	}
	return now-c.since < c.left
}

// spend ends a round that lasted so long: what was waited in it is used up.
func (c *courtesy) spend(now, round, most time.Duration) {
	if c.open {
		c.left -= min(now-c.since, c.left)
		c.open = false
	}
	c.left = min(c.left+round/courtesyShare, most)
}

// counts tells whether the round on the head is measured by a peer: by voters, and on
// genesis, which has none, by everybody.
func (m *Machine) counts(p proto.PeerID) bool {
	return len(m.head.voters) == 0 || slices.Contains(m.head.voters, p)
}

// lag is how far peers of a kind who follow this branch are behind it, up to grace.
// Where rounds are shorter than gossip takes, nobody could ever get an update in.
func (m *Machine) lag(counted bool) (most time.Duration) {
	for p, beat := range m.beats {
		if b := m.blocks[beat.Head]; m.counts(p) == counted && b != nil && b != m.head && beat.fresh(m.now) && !beat.Paused && m.head.under(b) {
			most = max(most, beat.at-m.head.childOf(b).at)
		}
	}
	return min(most, m.cfg.Grace)
}
