package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestModelJumps has one node of one or two move every parameter by 60,000, round after round. Alone it may go twice as far
// in each as in the one before, and must say so, for a day. Of two the other's update bounds it, and there is nothing to
// say; nor is there when one of two was cut off and comes back with what it learned in 26 rounds.
func TestModelJumps(t *testing.T) {
	if racing {
		t.Skip("the simulated day of two nodes takes minutes under the race detector")
	}
	for _, tc := range []struct {
		method string
		peers  int
	}{{outer.Bitloco, 1}, {outer.FedAvg, 2}} {
		t.Run(tc.method, func(t *testing.T) {
			root := t.TempDir()
			simtest.Run(t, simtest.Params{}, func(t *testing.T, net *simtest.Swarm) {
				s := newSwarm(t, net, tc.method, root, 9)
				defer s.end()
				s.change = func(m *manifest.Manifest) { m.Inner.LR = 1e-5 } // the toys are never done
				faults := map[int]*fault{0: {}, 1: {}}
				s.params = func(d *daemon, p *node.Params) { p.Engine = faults[d.i].engine() }
				s.found()
				for range tc.peers - 1 {
					s.join()
				}
				for s.highest < 12 {
					s.run(time.Second)
				}
				check := func(want bool) (before float64) {
					t.Helper()
					for _, d := range s.up() {
						st := d.n.State()
						i := slices.IndexFunc(st.Health, func(c health.Condition) bool { return c.ID == "model-jumped" })
						switch {
						case i >= 0 != want:
							t.Errorf("node %d has %+v", d.i, st.Health)
						case want && !strings.Contains(st.Health[i].Do, "murmur fork"):
							t.Errorf("node %d advises %q", d.i, st.Health[i].Do)
						}
						told := slices.ContainsFunc(d.n.Events(0), func(e event.Event) bool { return strings.Contains(e.Text, "times as far") })
						if told != want && want {
							t.Errorf("the diary of node %d does not tell", d.i)
						}
						before = max(before, slices.MaxFunc(d.n.Rounds(0), func(a, b api.Outcome) int { return int(a.Moved - b.Moved) }).Moved)
					}
					return before
				}
				if tc.peers > 1 { // what one of two has learned alone comes at once
					net.Unplug(1)
					for at := s.highest; s.highest < at+26; {
						s.run(time.Second)
					}
					net.Plug(1)
					for at := s.highest; s.highest < at+16; {
						s.run(time.Second)
					}
				}
				clean := check(false)
				at := s.highest
				for s.highest < at+18 {
					faults[tc.peers-1].thrown.Store(60000)
					s.run(time.Second)
				}
				s.run(10 * time.Second)
				t.Logf("rounds moved the model %.2f times as far as usual, and then %.0f times", clean, check(tc.peers == 1))
				if tc.peers > 1 {
					return // a day of one node, which rests, takes long enough
				}
				for _, d := range s.up() {
					if err := d.n.ChangeSettings(func(s *policy.Settings) { s.Pause.On = true }); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(24 * time.Hour)
				check(false)
			})
		})
	}
}
