package node_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestUnequalUplinks runs sixteen daemons that exchange 1 MiB each: eleven send 20 Mbit/s,
// four 5, one 1. The slowest needs half a round to send its update once.
func TestUnequalUplinks(t *testing.T) {
	if os.Getenv("MURMUR_TEST_FULL") == "" {
		t.Skip("it takes six minutes: set MURMUR_TEST_FULL=1")
	}
	const (
		count  = 16
		warmup = 5 // rounds until lines are measured and the pace is found
		rounds = 20
	)
	link := func(i int) simtest.Link {
		l := simtest.Home()
		switch {
		case i >= 15:
			l.Up = 1_000_000
		case i >= 11:
			l.Up = 5_000_000
		}
		return l
	}
	root := t.TempDir()
	simtest.Run(t, simtest.Params{Link: link}, func(t *testing.T, net *simtest.Swarm) {
		s := &swarm{
			t: t, method: outer.FedAvg, net: net, inviteOnly: true, rng: rand.New(rand.NewPCG(1, 2)), root: root,
			away: make(map[*daemon]time.Time), heights: make(map[uint64]time.Time),
			change: func(m *manifest.Manifest) { // 260,672 parameters of 4 bytes
				m.Model.Layers, m.Model.FFN = 6, 126
				m.Rounds.GraceMS = 20_000 // such a payload takes 9 to 14 s from the slowest
			},
		}
		defer s.end()
		s.found()
		for len(s.all) < count {
			s.join()
			s.run(200 * time.Millisecond)
		}
		for s.highest < warmup {
			s.run(time.Second)
		}
		from, began := s.highest, time.Now()
		for s.highest < from+rounds {
			s.run(time.Second)
		}
		in := map[proto.PeerID]int{}
		without := map[proto.PeerID][]uint64{} // heights
		var exchange time.Duration
		seen := 0
		for _, o := range s.all[0].n.Rounds(0) {
			if o.Height <= from {
				continue
			}
			seen++
			for _, p := range o.Included {
				in[p]++
			}
			for _, d := range s.all {
				if p := d.n.State().Peer; !slices.Contains(o.Included, p) {
					without[p] = append(without[p], o.Height-from)
				}
			}
			if !o.Stages.Published.IsZero() && o.Stages.Held.After(o.Stages.Published) {
				exchange = max(exchange, o.Stages.Held.Sub(o.Stages.Published))
			}
		}
		t.Logf("%d rounds of %v; the longest exchange took %v", seen, time.Since(began)/rounds, exchange)
		for i, d := range s.all {
			share := float64(in[d.n.State().Peer]) / float64(seen)
			t.Logf("node %d, %d Mbit/s up: in %.0f %% of the rounds", i, link(i).Up/1_000_000, 100*share)
			if share < 0.95 {
				t.Errorf("node %d is in %.0f %% of the rounds, not in %d", i, 100*share, without[d.n.State().Peer])
			}
		}
	})
}
