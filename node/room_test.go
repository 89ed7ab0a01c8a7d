package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestTooLarge joins swarms with a machine that has too little room: it stays up, says what is missing and has made
// nothing of the model's size; where its owner wants it so, it takes part, and once it did, it is not asked again.
func TestTooLarge(t *testing.T) {
	root := t.TempDir()
	simtest.Run(t, simtest.Params{Seed: 9}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.Bitloco, root, 9)
		s.change = func(m *manifest.Manifest) { m.Model.Dim = 64 }
		defer s.end()
		s.found()
		rooms := []fits.Machine{{Memory: 1 << 16}, {Disk: 1 << 18}, {Memory: 1 << 16}, {Memory: 1 << 40, Disk: 1 << 40}}
		s.params = func(d *daemon, p *node.Params) {
			p.Machine, p.Anyway = func() fits.Machine { return rooms[d.i-1] }, d.i == 3
		}
		for range rooms {
			s.join()
		}
		s.run(30 * time.Second)
		for i, d := range s.all[1:] {
			st := d.n.State()
			if i > 1 {
				if st.Reason == "too-large" || st.Head.Height == 0 {
					t.Errorf("node %d is at height %d, %s: %s", d.i, st.Head.Height, st.Reason, st.Why)
				}
				continue
			}
			if st.Reason != "too-large" || !strings.Contains(st.Why, "does not fit here: ") || !strings.Contains(st.Why, "--anyway") {
				t.Errorf("node %d: %s: %s", d.i, st.Reason, st.Why)
			}
			var all int64
			if err := filepath.Walk(string(d.dir), func(_ string, f os.FileInfo, err error) error {
				if err == nil && !f.IsDir() {
					all += f.Size()
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if all > 1<<18 {
				t.Errorf("node %d has written %d bytes", d.i, all)
			}
		}
		again := s.all[3]
		again.stop()
		for !s.ended(again) {
			time.Sleep(look)
		}
		s.params = func(_ *daemon, p *node.Params) { p.Machine = func() fits.Machine { return fits.Machine{Memory: 1} } }
		s.open(again)
		s.run(20 * time.Second)
		if st := again.n.State(); st.Reason == "too-large" {
			t.Error("a node that took part before was asked again")
		}
	})
}
