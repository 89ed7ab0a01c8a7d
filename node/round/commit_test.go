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
				c := Derive(cfg, parent, []Update{u}, nil, nil)
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

// TestCheckedInATreeThatWasLeft has a snapshot drop the tree while a commit is being
// checked, and the commit come back: it must be checked again.
func TestCheckedInATreeThatWasLeft(t *testing.T) {
	cfg := testConfig("peer-A")
	genesis := testGenesis()
	m, err := New(cfg, State{Base: genesis, Head: genesis.ID, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	u := Update{
		Author: "peer-B", Parent: genesis.ID, Height: 1, Seq: 1, Tokens: 1, Size: cfg.MaxPayload, Payload: proto.Sum([]byte("payload")),
	}
	u.ID = idOfUpdate(u)
	c := Derive(cfg, genesis, []Update{u}, nil, nil)
	c.ID, c.Closer = idOf(c), "peer-B"
	now, checks := time.Duration(0), 0
	step := func(e Event) {
		now += 20 * time.Second
		for _, effect := range m.Step(now, e) {
			if v, ok := effect.(Verify); ok && v.Commit.ID == c.ID {
				checks++
			}
		}
	}
	bring := func() {
		step(Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, Closer: c.Closer})
		step(Pulled{Commits: []Commit{c}, Updates: []Update{u}})
		step(Held{Use: u.Use()})
	}
	bring()
	if checks != 1 {
		t.Fatalf("the commit was checked %d times", checks)
	}
	elsewhere := genesis
	elsewhere.ID = proto.Sum([]byte("elsewhere"))
	for _, base := range []Commit{elsewhere, genesis} {
		m.entering[base.ID] = offer{base: base}
		step(Landed{Commit: base})
	}
	bring()
	step(Verified{Commit: c.ID, OK: true}) // the answer to the first
	for range 3 {
		step(Tick{})
	}
	if checks != 2 {
		t.Errorf("the commit was checked %d times, want it checked again", checks)
	}
}
