package round

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRandomSchedules runs small swarms through random crashes, restarts,
// partitions, stalls and losses, then mends all and waits: no invariant of
// DESIGN §5 may break on the way, and all nodes must reach one head.
func TestRandomSchedules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "nodes")
		s := newSwarm(n, rapid.Uint64().Draw(t, "seed"))
		s.loss = rapid.Float64Range(0, 0.3).Draw(t, "loss")
		s.double = rapid.Float64Range(0, 0.3).Draw(t, "double")
		for _, x := range s.nodes {
			x.rate = nodeRate * rapid.Float64Range(0.2, 3).Draw(t, "speed "+x.name)
			x.start()
		}
		var story []string
		for range rapid.IntRange(0, 12).Draw(t, "events") {
			wait := time.Duration(rapid.IntRange(0, 6000).Draw(t, "after")) * time.Millisecond
			s.run(wait)
			x := s.nodes[rapid.IntRange(0, n-1).Draw(t, "whom")]
			what := rapid.SampledFrom([]string{"crash", "restart", "partition", "heal", "stall", "wake", "pause"}).Draw(t, "what")
			story = append(story, fmt.Sprintf("%.2fs %s %s", s.now.Seconds(), what, x.name))
			switch what {
			case "crash":
				if x.up {
					x.crash()
				}
			case "restart":
				if !x.up {
					x.start()
				}
			case "partition":
				k := rapid.IntRange(0, n).Draw(t, "side")
				s.cut = func(a, b int) bool { return a < k != (b < k) }
			case "heal":
				s.cut = func(int, int) bool { return false }
			case "stall":
				x.stalled = true
			case "wake":
				x.stalled, x.updated = false, s.now
			case "pause":
				x.paused = !x.paused
				x.step(Training{On: !x.paused})
			}
		}
		s.cut, s.loss = func(int, int) bool { return false }, 0
		for _, x := range s.nodes {
			x.stalled = false
			x.updated = s.now
			if !x.up {
				x.start()
			}
			x.paused = false
			x.step(Training{On: true})
		}
		s.run(60 * time.Second)
		before := s.nodes[0].m.head.Height
		// Training never pauses the swarm, so heads are compared when all stand still.
		for _, x := range s.nodes {
			x.paused = true
			x.step(Training{On: false})
		}
		s.run(30 * time.Second)
		if h := s.heads(); len(h) != 1 {
			for _, x := range s.nodes {
				story = append(story, fmt.Sprintf("%s at height %d, %s, tokens %d", x.name, x.m.head.Height, x.m.head.ID.Short(), x.m.head.Tokens))
			}
			s.fault("%d heads after all was mended", len(h))
		}
		if before == 0 && n > 1 {
			s.fault("no round was closed in a minute of peace")
		}
		if len(s.faults) > 0 {
			t.Fatalf("%s\nstory:\n%s", strings.Join(s.faults[:min(5, len(s.faults))], "\n"), strings.Join(story, "\n"))
		}
	})
}
