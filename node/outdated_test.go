package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestOutdated joins a swarm with a murmur that is too old for it: it stays up and says so.
func TestOutdated(t *testing.T) {
	simtest.Run(t, simtest.Params{Seed: 8}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.Bitloco, t.TempDir(), 8)
		defer s.end()
		s.found()
		s.params = func(_ *daemon, p *node.Params) { p.Version = "0.0.9" }
		s.join()
		s.run(20 * time.Second)
		st := s.all[1].n.State()
		if st.Reason != "outdated" || !strings.Contains(st.Why, "needs murmur 0.1.0 or newer, this is 0.0.9") {
			t.Errorf("%s: %s", st.Reason, st.Why)
		}
		if !slices.ContainsFunc(st.Health, func(c health.Condition) bool { return c.ID == "version" }) {
			t.Errorf("%+v", st.Health)
		}
	})
}
