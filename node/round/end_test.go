package round

import (
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestAfterTheEnd: once the schedule's last token is committed all honest nodes say that they are paused (policy.Done), and publish nothing
// more. A minute later one voter of six makes commits of its own above the finished model; in an open swarm a key that nobody ever listed does
// so, one each 2·rounds.max_ms.
func TestAfterTheEnd(t *testing.T) {
	for _, c := range []struct {
		name          string
		closed, fresh bool
		wait          time.Duration // for each commit
	}{
		{"a member", true, false, 2 * time.Second},
		{"a voter", false, false, 2 * time.Second},
		{"a fresh key", false, true, 21 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSwarm(5, 21)
			s.closed, s.snapshot = c.closed, 20
			s.change = func(cfg *Config) { usualTimes(cfg); cfg.TotalTokens = 40 * 6 * 20 * stepTokens }
			for _, x := range s.nodes {
				x.stepTime = 100 * time.Millisecond
				x.start()
			}
			s.run(40 * time.Second)
			b := newMob(s, 1, 1, 1)
			if !c.fresh {
				b.enrol(b.keys)
			}
			for i := 0; i < 6000 && !s.nodes[0].m.Complete(); i++ {
				if !c.fresh {
					b.takePart()
				}
				s.pass(100*time.Millisecond, nil)
			}
			s.pass(5*time.Second, nil)
			if !s.nodes[0].m.Complete() || len(s.heads()) != 1 {
				t.Fatalf("no end: %d heads at %v", len(s.heads()), s.heights())
			}
			for _, x := range s.nodes { // policy.Decide: Done, so Train is false and the heartbeat says paused
				x.paused = true
				x.step(Training{On: false})
			}
			s.pass(restsAfter+5*time.Second, nil)
			end := s.nodes[0].m.head.Commit
			t.Logf("complete at height %d, %d voters, %d seniors", end.Height, len(s.nodes[0].m.head.voters), end.seniors())
			tip, taken := end, 0
			for range 5 {
				next := b.close(tip, b.keys, false)
				b.announce(next)
				s.pass(c.wait, func() { b.announce(next) })
				if s.nodes[0].m.head.ID != next.ID {
					break
				}
				tip = next
				taken++
			}
			all := 0
			for _, x := range s.nodes {
				if x.m.head.ID == tip.ID {
					all++
				}
			}
			h := s.nodes[0].m.head
			roster := slices.ContainsFunc(h.Roster, func(m Member) bool { return !slices.Contains(b.keys, m.Peer) })
			if taken > 0 {
				t.Errorf("%d commits of one key alone lie above the finished model, on %d of %d nodes; honest ones are in the roster still: %v", taken, all, len(s.nodes), roster)
			}
			_ = proto.ID{}
		})
	}
}
