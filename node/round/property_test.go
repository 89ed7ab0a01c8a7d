package round

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// minSteps is how many random steps of machines a run makes at least.
var minSteps = flag.Int("steps", 100_000, "random machine steps to make at least")

// TestRandomSchedules runs small swarms through random crashes, restarts,
// partitions, stalls and losses, then mends all and waits: no invariant of
// docs/protocol.md may break on the way, and all nodes must reach one head.
func TestRandomSchedules(t *testing.T) { randomly(t, schedule) }

// TestOneHostileKey lets one node do its worst for a minute. The others must go
// on closing rounds with each other's work in them, never undo what most of them
// had taken up, and agree.
func TestOneHostileKey(t *testing.T) { randomly(t, hostile) }

// init has rapid look after ten runs, not a hundred, whether enough steps were made:
// one run makes up to 50,000.
func init() {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
}

// randomly checks a property until enough steps are made.
func randomly(t *testing.T, property func(t *rapid.T) (steps int)) {
	steps := 0
	for steps < *minSteps && !t.Failed() {
		rapid.Check(t, func(t *rapid.T) { steps += property(t) })
	}
	t.Logf("%d machine steps", steps)
}

func hostile(t *rapid.T) int {
	n := rapid.IntRange(4, 6).Draw(t, "nodes")
	s := newSwarm(n, rapid.Uint64().Draw(t, "seed"))
	bad, honest := s.nodes[0], s.nodes[1:]
	for _, x := range s.nodes {
		x.rate = nodeRate * rapid.Float64Range(0.5, 2).Draw(t, "speed "+x.name)
		x.start()
	}
	s.run(5 * time.Second)
	began := honest[0].m.head.Height
	var story []string
	for range rapid.IntRange(1, 12).Draw(t, "tricks") {
		what := rapid.SampledFrom([]string{"hush", "speak", "withhold", "withhold some", "boast", "rush", "twice", "honest"}).Draw(t, "trick")
		story = append(story, fmt.Sprintf("%.2fs %s", s.now.Seconds(), what))
		bad.hasty = what == "rush"
		switch what {
		case "hush", "speak":
			_ = bad.obey(what, nil, nil)
		case "withhold":
			_ = bad.obey("withhold", honest, nil)
		case "withhold some":
			_ = bad.obey("withhold", honest[:rapid.IntRange(1, len(honest)).Draw(t, "to")], nil)
		case "boast":
			bad.boast = true
		case "rush":
			bad.rush(bad.m.head.Commit)
		case "twice":
			bad.equivocate(honest[:rapid.IntRange(1, len(honest)).Draw(t, "to")])
		case "honest":
			bad.tricks = tricks{}
		}
		s.run(time.Duration(rapid.IntRange(0, 9000).Draw(t, "for")) * time.Millisecond)
	}
	s.run(30 * time.Second)
	took := s.now - 5*time.Second
	// A healthy round takes two seconds, here; a hostile turn may cost grace, and the
	// exchange it stretches makes the next rounds longer, four times over.
	const longest = 20 * time.Second
	for _, x := range honest {
		if x.m.head.Height < began+uint64(took/longest) {
			s.fault("%s stands at height %d after %s, it was %d", x.name, x.m.head.Height, took, began)
		}
		if x.deepest > 1 {
			s.fault("%s was made to undo %d commits at once", x.name, x.deepest)
		}
		if share := x.included; share == 0 {
			s.fault("no update of %s was taken in", x.name)
		}
	}
	bad.hasty = false
	bad.crash() // what it keeps to itself would be news for ever
	for _, x := range honest {
		x.paused = true
		x.step(Training{On: false})
	}
	s.run(restsAfter + 30*time.Second) // a commit that leaves out who trained just now is not taken before
	if h := s.heads(); len(h) != 1 {
		s.fault("%d heads among the honest", len(h))
	}
	s.report(t, story)
	return s.steps
}

func (s *swarm) report(t *rapid.T, story []string) {
	if len(s.faults) == 0 {
		return
	}
	for _, x := range s.nodes {
		if x.up {
			story = append(story, fmt.Sprintf("%s at height %d, %s, tokens %d", x.name, x.m.head.Height, x.m.head.ID.Short(), x.m.head.Tokens))
		}
	}
	t.Fatalf("%s\nstory:\n%s", strings.Join(s.faults[:min(5, len(s.faults))], "\n"), strings.Join(story, "\n"))
}

func schedule(t *rapid.T) int {
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
	s.run(restsAfter + 30*time.Second) // a commit that leaves out who trained just now is not taken before
	if h := s.heads(); len(h) != 1 {
		s.fault("%d heads after all was mended", len(h))
	}
	if before == 0 && n > 1 {
		s.fault("no round was closed in a minute of peace")
	}
	s.report(t, story)
	return s.steps
}
