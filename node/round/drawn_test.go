package round

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// before draws n keys whose hash comes before that of each honest node's, as somebody would who knows how the victim orders peers.
func (s *swarm) before(honest []*simNode, n int, hash func(proto.PeerID) proto.ID) (keys []proto.PeerID) {
	least := hash(honest[0].id)
	for _, x := range honest[1:] {
		if h := hash(x.id); slices.Compare(h[:], least[:]) < 0 {
			least = h
		}
	}
	for len(keys) < n {
		s.seq++
		k := proto.PeerID(fmt.Sprintf("drawn-%07d", s.seq))
		if h := hash(k); slices.Compare(h[:], least[:]) < 0 {
			keys = append(keys, k)
		}
	}
	return keys
}

// newcomerAmongDrawn has six nodes be three snapshot heights from genesis, and a seventh that is about to start.
func newcomerAmongDrawn(closed bool, salt string) (s *swarm, honest []*simNode, v *simNode, b *mob) {
	s = newSwarm(7, 21)
	s.closed, s.nowhere = closed, map[proto.ID]bool{}
	s.change = func(c *Config) { usualTimes(c); c.Salt = salt + string(c.Self) }
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
	}
	honest, v = s.nodes[:6], s.nodes[6]
	for _, x := range honest {
		x.start()
	}
	for honest[0].m.head.Height < 4*s.snapshot {
		s.pass(time.Second, nil)
	}
	return s, honest, v, newMob(s, 0, 0, 1)
}

// joins is how long a node that starts takes until it is with another, or most.
func (s *swarm) joins(v *simNode, most time.Duration, each func()) time.Duration {
	v.start()
	began := s.now
	for s.now < began+most && (v.m.head.Height == 0 || s.nodes[0].m.blocks[v.m.head.ID] == nil) {
		s.pass(500*time.Millisecond, each)
	}
	return s.now - began
}

// TestSourcesOfAState has eight keys that vote nowhere, and come first in a newcomer's order, say that they stand where it does: it asks others than those for the swarm's state.
func TestSourcesOfAState(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s, honest, v, b := newcomerAmongDrawn(closed, "")
		keys := s.before(honest, 8, func(p proto.PeerID) proto.ID { return proto.Sum([]byte(v.id + p)) })
		b.keys, b.members = keys, len(keys)
		b.instead = func(n *simNode, effect Effect) bool {
			e, ok := effect.(Enter)
			if !ok || n != v || slices.ContainsFunc(e.Sources, func(p proto.PeerID) bool { return !slices.Contains(keys, p) }) {
				return false
			}
			n.later(10*time.Minute, func() { n.step(NotLanded{Commit: e.Commit.ID}) }) // who does not have it is asked again each second
			return true
		}
		took := s.joins(v, 2*time.Minute, func() {
			for _, k := range keys {
				v.step(Heartbeat{From: k, Head: v.m.head.ID, Height: v.m.head.Height, Paused: true, Interval: 5 * time.Second})
			}
		})
		if took > 10*time.Second {
			t.Errorf("closed %v: joined after %v", closed, took)
		}
	}
}

// TestNewcomerAmongFreshKeys has 20 keys at a time say that they stand on commits that are nowhere, be slow to say so, and give way to others. They come first in the order that a newcomer would
// have without its salt: it asks those who are there all the same.
func TestNewcomerAmongFreshKeys(t *testing.T) {
	s, honest, v, b := newcomerAmongDrawn(false, "a secret of ")
	hash := func(p proto.PeerID) proto.ID { return proto.Sum([]byte(v.id + p)) }
	stands := map[proto.PeerID]Commit{}
	invent := func() {
		k := s.before(honest, 1, hash)[0]
		stands[k] = Commit{ID: payloadOf(k, 1, 7), Height: honest[0].m.head.Height + 1}
		s.nowhere[stands[k].ID] = true
	}
	for range 20 {
		invent()
	}
	b.instead = func(n *simNode, effect Effect) bool {
		if e, ok := effect.(CatchUp); ok && n == v {
			for _, k := range sortedPeers(stands) {
				if stands[k].ID == e.Target {
					delete(stands, k)
					invent()
				}
			}
		}
		return false
	}
	took := s.joins(v, 5*time.Minute, func() {
		for _, k := range sortedPeers(stands) {
			v.step(Heartbeat{From: k, Head: stands[k].ID, Height: stands[k].Height, Interval: 5 * time.Second})
		}
	})
	if took > time.Minute {
		t.Errorf("joined after %v", took)
	}
}

// TestNewcomerHears has as many keys as a newcomer hears of strangers, which come first in the order that its head gives without its salt, say heartbeats: it hears others, too.
func TestNewcomerHears(t *testing.T) {
	s, honest, v, _ := newcomerAmongDrawn(false, "a secret of ")
	var head proto.ID
	var keys []proto.PeerID
	took := s.joins(v, 2*time.Minute, func() {
		if head != v.m.head.ID {
			head = v.m.head.ID
			keys = s.before(honest, maxStrangers, func(p proto.PeerID) proto.ID { return proto.Sum(append(slices.Clone(head[:]), p...)) })
		}
		for _, k := range keys {
			v.step(Heartbeat{From: k, Head: head, Height: v.m.head.Height, Interval: 5 * time.Second})
		}
	})
	if took > 10*time.Second {
		t.Errorf("joined after %v", took)
	}
}
