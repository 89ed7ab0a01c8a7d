package round

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the stories in testdata from what happens now")

// TestStories plays the scripts in testdata and compares what happens with what
// they tell. Lines that begin with "> " are commands, "#" begins a comment, all
// others are told by the swarm.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Fatalf("another story than told; if it is right, run: go test ./node/round -run Stories -rewrite\n%s", firstDifference(got, string(want)))
			}
		})
	}
}

// play runs the commands of a story and writes it anew.
func play(t *testing.T, story string) string {
	t.Helper()
	var out strings.Builder
	s := newSwarm(0, 1)
	for line := range strings.Lines(story) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") {
			out.WriteString(line + "\n")
		}
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		out.WriteString(line + "\n")
		if n, ok := strings.CutPrefix(command, "nodes "); ok {
			count := 0
			if _, err := fmt.Sscan(n, &count); err != nil {
				t.Fatal(err)
			}
			s = newSwarm(count, 1)
			s.told = true
			continue
		}
		s.log.Reset()
		if err := s.obey(strings.Fields(command)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out.WriteString(s.log.String())
	}
	for _, f := range s.faults {
		t.Error(f)
	}
	return out.String()
}

// obey carries out one command; names after "to" are others' than the doers'.
func (s *swarm) obey(words []string) error {
	var others []*simNode
	if i := slices.Index(words, "to"); i > 0 {
		others = s.named(words[i:])
		words = words[:i]
	}
	nodes := s.named(words[1:])
	length := func() (time.Duration, error) { return time.ParseDuration(words[len(words)-1]) }
	switch words[0] {
	case "run":
		d, err := length()
		if err != nil {
			return err
		}
		s.run(d)
	case "snapshots": // so many heights apart
		_, err := fmt.Sscan(words[1], &s.snapshot)
		return err
	case "lag": // of all messages
		d, err := length()
		if err != nil {
			return err
		}
		s.lag = d
	case "part": // these from all others
		apart := map[int]bool{}
		for _, n := range nodes {
			apart[n.i] = true
		}
		s.cut = func(a, b int) bool { return apart[a] != apart[b] }
	case "heal":
		s.cut = func(int, int) bool { return false }
	case "heads":
		for _, n := range s.nodes {
			if n.up {
				s.tell("%s stands at height %d, %s", n.name, n.m.head.Height, n.m.head.ID.Short())
			}
		}
	default:
		for _, n := range nodes {
			if err := n.obey(words[0], others, length); err != nil {
				return err
			}
		}
	}
	return nil
}

// obey carries out a command to one node.
func (n *simNode) obey(word string, others []*simNode, length func() (time.Duration, error)) (err error) {
	switch word {
	case "start":
		n.start()
	case "crash":
		n.crash()
	case "slow":
		n.rate /= 4
	case "fast":
		n.rate *= 20
	case "steps": // of some length
		n.stepTime, err = length()
	case "stall", "wake":
		n.stalled = word == "stall"
		n.updated = n.s.now
	case "pause", "resume":
		n.paused = word == "pause"
		n.step(Training{On: !n.paused})
	case "finish":
		n.step(Finish{})
	case "hush", "speak": // sends and serves nothing; then again
		n.hush = word == "hush"
		if c := n.m.head.Commit; word == "speak" {
			n.beat()
			n.carryOut(Announce{Commit: c})
		}
	case "withhold": // payloads to others
		n.withhold = map[*simNode]bool{}
		for _, o := range others {
			n.withhold[o] = true
		}
	case "boast":
		n.boast = true
	case "dull":
		n.dull = true
	case "rush":
		n.hasty = true
		n.rush(n.m.head.Commit)
	case "twice": // a second update, shown to others
		n.equivocate(others)
	case "backup":
		n.backup = n.copyDisk()
	case "restore":
		n.putDisk(n.backup)
	default:
		return fmt.Errorf("no such command")
	}
	return err
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			told := "(nothing)"
			if i < len(w) {
				told = w[i]
			}
			return fmt.Sprintf("line %d: got  %s\n         told %s", i+1, g[i], told)
		}
	}
	return fmt.Sprintf("line %d is missing: %s", len(g), w[len(g)])
}
