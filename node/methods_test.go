package node_test

import (
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Every method goes on through a crash, a leave and a join, learns, and ends with one state on all nodes, from which a
// node that comes back takes up what it had.
func TestMethods(t *testing.T) {
	methods := outer.Names()
	if racing { // each is ten times slower then; these take all the ways there are
		methods = []string{outer.SparseLoCo, outer.AllReduce}
	}
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			root := t.TempDir()
			simtest.Run(t, simtest.Params{Seed: 3}, func(t *testing.T, net *simtest.Swarm) {
				s := newSwarm(t, net, method, root, 3)
				defer s.end()
				s.found()
				for len(s.all) < 3 {
					s.join()
				}
				s.reach(5)
				first := s.loss()
				crashed, left := s.all[1], s.all[2]
				s.away[crashed] = time.Now()
				s.crash(crashed)
				s.reach(s.highest + 3)
				s.back(crashed)
				s.away[left] = time.Now()
				left.stop()
				for !s.ended(left) {
					time.Sleep(look)
				}
				s.join()
				s.reach(s.highest + 3)
				s.back(left)
				s.reach(s.highest + 8)
				s.level()
				if last := s.loss(); !(last < first) {
					t.Errorf("held-out loss went from %g to %g", first, last)
				} else {
					t.Logf("height %d, held-out loss %.4f to %.4f", s.highest, first, last)
				}
			})
		})
	}
}

// back starts a daemon again that was away.
func (s *swarm) back(d *daemon) {
	delete(s.away, d)
	s.open(d)
}

// reach lets time pass until the swarm has a height.
func (s *swarm) reach(height uint64) {
	s.t.Helper()
	for began := time.Now(); s.highest < height; s.run(look) {
		if time.Since(began) > patience {
			for _, d := range s.all {
				st := d.n.State()
				s.t.Logf("node %d: height %d, %s: %s; round %+v, trainer %+v", d.i, st.Head.Height, st.Reason, st.Why, st.Round, st.Trainer)
			}
			s.t.Fatalf("height %d after %v, want %d", s.highest, patience, height)
		}
	}
}

// loss is that of the first node's shared state.
func (s *swarm) loss() float64 {
	s.t.Helper()
	for began := time.Now(); ; s.run(look) {
		h, err := s.all[0].n.Heldout(s.t.Context())
		if err == nil {
			return h.Loss
		}
		if time.Since(began) > patience {
			s.t.Fatal(err)
		}
	}
}
