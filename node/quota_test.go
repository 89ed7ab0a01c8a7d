package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestMonthlyQuota has one of three nodes use its month up: it rests and says why, also
// after a restart, the others go on, and with more to use it is back.
func TestMonthlyQuota(t *testing.T) {
	root := t.TempDir()
	simtest.Run(t, simtest.Params{}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.FedAvg, root, 1)
		defer s.end()
		s.found()
		s.join()
		s.join()
		me := s.all[2]
		until := func(what string, ok func(api.State) bool) api.State {
			t.Helper()
			for began := time.Now(); !ok(me.n.State()); s.run(time.Second) {
				if time.Since(began) > 5*time.Minute {
					t.Fatalf("not so: %s; %+v", what, me.n.State())
				}
			}
			return me.n.State()
		}
		until("it trains with others", func(s api.State) bool { return s.Reason == "training" && s.Head.Roster == 3 })
		if err := me.n.SetLimits(api.Limits{MonthGB: 0.01}); err != nil {
			t.Fatal(err)
		}
		resting := func(s api.State) bool { return s.Reason == "quota" && s.Round.Active <= 1 }
		st := until("the quota is used", resting)
		if !strings.Contains(st.Why, "0.01 GB are used") || !strings.Contains(st.Why, "it goes on on 1 ") || st.Usage.Bytes < 10_000_000 {
			t.Errorf("it says %q, with %+v", st.Why, st.Usage)
		}
		if st.Usage.Bytes > 12_000_000 {
			t.Errorf("%d bytes were used of 10,000,000", st.Usage.Bytes)
		}
		before := s.highest
		s.run(time.Minute)
		if used := me.n.State().Usage.Bytes; used > st.Usage.Bytes+10_000 {
			t.Errorf("%d bytes crossed the line while it rested", used-st.Usage.Bytes)
		}
		if s.highest <= before+1 {
			t.Errorf("the others made %d rounds in a minute", s.highest-before)
		}
		me.stop()
		for !s.ended(me) {
			time.Sleep(look)
		}
		s.open(me)
		until("it rests after a restart", resting)
		if err := me.n.SetLimits(api.Limits{MonthGB: 1}); err != nil {
			t.Fatal(err)
		}
		until("it is back", func(s api.State) bool { return s.Reason == "training" && s.Head.Roster == 3 && s.Round.Active == 3 })
	})
}
