package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestJoinByCheckpoint has nodes join by links that name a round which all others have left
// far below their bases: who names a round of the swarm's comes in, who names another takes
// no branch and makes no round of its own.
func TestJoinByCheckpoint(t *testing.T) {
	root := t.TempDir()
	simtest.Run(t, simtest.Params{Seed: 6}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.Bitloco, root, 6)
		s.change = func(m *manifest.Manifest) {
			m.Rounds.SnapshotEvery, m.Rounds.H, m.Rounds.HMin, m.Rounds.HMax = 2, 5, 5, 5
		}
		defer s.end()
		s.found()
		s.join()
		s.reach(8)
		at := s.all[0].n.State().Head.Checkpoint
		if at == nil {
			t.Fatal("there is no checkpoint at height 8")
		}
		s.reach(at.Height + 14)
		s.prepare = func(d *daemon) {
			if err := d.dir.SetCheckpoint(api.Checkpoint{Height: at.Height, Commit: at.Commit}); err != nil {
				t.Fatal(err)
			}
		}
		s.join()
		s.prepare = func(d *daemon) {
			if err := d.dir.SetCheckpoint(api.Checkpoint{Height: at.Height, Commit: proto.Sum([]byte("a commit of nobody's"))}); err != nil {
				t.Fatal(err)
			}
		}
		s.join()
		right, wrong := s.all[2], s.all[3]
		for began := time.Now(); right.n.State().Head.Height < s.highest; s.run(time.Second) {
			if time.Since(began) > time.Minute {
				t.Fatalf("who names round %d stands at %d, the others at %d", at.Height, right.n.State().Head.Height, s.highest)
			}
		}
		s.run(30 * time.Second)
		if height := wrong.n.State().Head.Height; height != 0 {
			t.Errorf("who names a commit of nobody's stands at height %d", height)
		}
		if st := wrong.n.State(); st.Reason != "joining" || !strings.Contains(st.Why, "ask for a newer link") {
			t.Errorf("it says: %s: %s", st.Reason, st.Why)
		}
		s.away[wrong] = time.Now().Add(time.Hour)
		wrong.stop()
		for !s.ended(wrong) {
			time.Sleep(look)
		}
		s.agree()
	})
}
