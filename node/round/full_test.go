package round

import (
	"fmt"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestMoreThanACommitLists has two more train than a commit may list (rounds.max_updates, here 6 in place of 64), nobody hostile, and one more join after five minutes: in five minutes
// more each has some of its work in.
func TestMoreThanACommitLists(t *testing.T) {
	for _, closed := range []bool{true, false} {
		s := newSwarm(9, 21)
		s.closed, s.snapshot = closed, 20
		s.change = func(c *Config) { usualTimes(c); c.MaxUpdates = 6 }
		for _, x := range s.nodes[:8] {
			x.stepTime = 100 * time.Millisecond
			x.start()
		}
		s.pass(5*time.Minute, nil)
		s.nodes[8].stepTime = 100 * time.Millisecond
		s.nodes[8].start()
		s.pass(30*time.Second, nil)
		from := s.nodes[0].m.head.Height
		in := map[proto.PeerID]int{}
		s.pass(5*time.Minute, nil)
		for b := s.nodes[0].m.head.Commit; b.Height > from; b = s.commits[b.Parent] {
			for _, id := range b.Updates {
				in[s.updates[id].Author]++
			}
		}
		for _, x := range s.nodes {
			if in[x.id] == 0 {
				t.Errorf("closed %v: one of %d who train is in none of the rounds: %v", closed, len(s.nodes), in)
			}
		}
	}
}

// TestNewcomerToAFullSwarm: of 64 who vote and 16 newcomers, for whom a commit has places by validity (one for each four voters), with the manifest's default of 64 updates, a closer lists no newcomer.
func TestNewcomerToAFullSwarm(t *testing.T) {
	base := Commit{ID: proto.Sum([]byte("base")), Height: 20, NextH: 20, Target: 20 * stepTokens, Tokens: 1e6, Root: proto.Sum([]byte("root"))}
	for i := range 64 {
		base.Roster = append(base.Roster, Member{Peer: proto.PeerID(fmt.Sprintf("voter-%02d", i)), Seen: probation})
	}
	cfg := testConfig("voter-00")
	cfg.Snapshot = 20
	m, err := New(cfg, State{Base: base, Head: base.ID, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	var us []Update
	for _, r := range base.Roster {
		us = append(us, Update{Author: r.Peer})
	}
	for i := range 16 {
		us = append(us, Update{Author: proto.PeerID(fmt.Sprintf("worker-%02d", i))})
	}
	fresh := 0
	for _, u := range m.admissible(us) {
		if base.Rank(u.Author) < 0 {
			fresh++
		}
	}
	if fresh < 1 {
		t.Errorf("%d newcomers are listed of 16, for whom there are %d places", fresh, cfg.newcomers(base))
	}
}
