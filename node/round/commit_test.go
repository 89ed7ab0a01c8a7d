package round

import (
	"fmt"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestRefusedCommitsAreNotPulledAgain offers one commit more of one closer than
// fits, beside each other or above each other: it must not be asked for without end.
func TestRefusedCommitsAreNotPulledAgain(t *testing.T) {
	cfg := testConfig("peer-A")
	for name, fit := range map[string]int{"siblings": maxTwins, "chain": 2*int(cfg.Snapshot) + maxByCloser} {
		t.Run(name, func(t *testing.T) {
			parent := testGenesis()
			m, err := New(cfg, State{Base: parent, Head: parent.ID, Alone: true})
			if err != nil {
				t.Fatal(err)
			}
			for i := range fit + 1 {
				u := Update{
					Author: "peer-B", Parent: parent.ID, Height: parent.Height + 1, Seq: uint64(i + 1), Tokens: 1, Size: cfg.MaxPayload,
					Payload: proto.Sum(fmt.Append(nil, "payload ", i)),
				}
				u.ID = idOfUpdate(u)
				c := Derive(cfg, parent, []Update{u}, nil)
				c.ID, c.Closer = idOf(c), "peer-B"
				now, pulls := time.Duration(i)*time.Second, 0
				var e Event = Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, Closer: c.Closer}
				for range 20 {
					effects := m.Step(now, e)
					e = Tick{}
					for _, effect := range effects {
						if p, ok := effect.(Pull); ok && p.Commit == c.ID {
							pulls++
							e = Pulled{Commits: []Commit{c}, Updates: []Update{u}}
						}
					}
				}
				if kept := m.blocks[c.ID] != nil; pulls != 1 || kept != (i < fit) {
					t.Fatalf("commit %d was pulled %d times, kept: %v", i, pulls, kept)
				}
				if name == "chain" {
					parent = c
				}
			}
		})
	}
}
