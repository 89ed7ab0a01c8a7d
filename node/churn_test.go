package node_test

import (
	"flag"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

var (
	churnNodes = flag.Int("churn.nodes", 12, "nodes in the churn test")
	churnTime  = flag.Duration("churn.time", 20*time.Minute, "virtual time of the churn test")
	churnStep  = flag.Duration("churn.step", 500*time.Millisecond, "virtual time of an inner step in the churn test: a round takes about twenty")
	churnSeed  = flag.Uint64("churn.seed", 1, "what happens to whom in the churn test")
)

const (
	meanLife = 10 * time.Minute
	meanAway = time.Minute
	look     = 100 * time.Millisecond
	patience = 2 * time.Minute // for a clean end, and for heads to be equal at the end
	linked   = 3               // nodes whose addresses a join link names
)

// TestChurn runs a swarm whose nodes leave, crash, come back and join. The swarm
// must go on committing, and agree at the end. Two hours of 30 nodes take flags:
//
//	go test ./node -run Churn -timeout 0 -churn.nodes 30 -churn.time 2h -churn.step 1500ms
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two minutes")
	}
	if racing {
		*churnNodes, *churnTime = 4, 3*time.Minute
	}
	calm := 360 * *churnStep // before churn: the healthy round time is measured in its second half
	root := t.TempDir()
	wall := time.Now()
	simtest.Run(t, simtest.Params{Seed: *churnSeed}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.Bitloco, root, *churnSeed)
		defer s.end()
		s.found()
		for len(s.all) < *churnNodes {
			s.join()
			s.run(200 * time.Millisecond)
		}
		s.run(calm)
		healthy := s.meanRound(time.Now().Add(-calm / 2))
		s.t.Logf("%d nodes, healthy: height %d, a round takes %v", *churnNodes, s.highest, healthy.Round(time.Millisecond))
		if s.highest < 5 {
			t.Fatalf("height %d after %v without any churn", s.highest, calm)
		}
		began, height := time.Now(), s.highest
		for _, d := range s.all {
			d.ends = time.Now().Add(s.draw(meanLife))
		}
		for time.Since(began) < *churnTime {
			s.churn()
			s.run(look)
		}
		worst, at := s.worstGap(began)
		s.t.Logf("churn: %d left, %d crashed, %d came back, %d joined; %d rounds of %v on average, the longest took %v (to height %d)",
			s.left, s.crashed, s.came, s.joined, s.highest-height, s.meanRound(began).Round(time.Millisecond), worst.Round(time.Millisecond), at)
		if worst > 3*healthy {
			t.Errorf("no commit for %v before height %d; a healthy round takes %v", worst, at, healthy)
		}
		s.judgeStarts(healthy)
		s.agree()
	})
	t.Logf("%v of virtual time in %v", calm+*churnTime, time.Since(wall).Round(time.Second))
}

// churn ends and starts what is due.
func (s *swarm) churn() {
	now := time.Now()
	for _, d := range s.up() {
		if now.Before(d.ends) {
			continue
		}
		s.away[d] = now.Add(s.draw(meanAway))
		if s.rng.IntN(2) == 0 {
			s.crash(d)
		} else {
			s.left++
			if s.rng.IntN(2) == 0 {
				d.n.Finish()
			} else {
				d.stop()
			}
		}
	}
	for _, d := range s.all {
		back, gone := s.away[d]
		if !gone || now.Before(back) || d.n != nil && !s.ended(d) {
			continue
		}
		delete(s.away, d)
		if s.rng.IntN(3) == 0 { // for good, and somebody else comes
			s.joined++
			s.join()
			s.all[len(s.all)-1].ends = now.Add(s.draw(meanLife))
			continue
		}
		s.came++
		s.open(d)
		d.ends = now.Add(s.draw(meanLife))
	}
}

// times are when the heights reached since then came, in order.
func (s *swarm) times(since time.Time) (at []time.Time) {
	for _, h := range slices.Sorted(maps.Keys(s.heights)) {
		if s.heights[h].After(since) {
			at = append(at, s.heights[h])
		}
	}
	return at
}

func (s *swarm) meanRound(since time.Time) time.Duration {
	at := s.times(since)
	if len(at) < 2 {
		return 0
	}
	return at[len(at)-1].Sub(at[0]) / time.Duration(len(at)-1)
}

// worstGap is the longest time without a commit, and the height that ended it.
func (s *swarm) worstGap(since time.Time) (worst time.Duration, at uint64) {
	last := since
	for _, h := range slices.Sorted(maps.Keys(s.heights)) {
		if t := s.heights[h]; t.After(since) {
			if t.Sub(last) > worst {
				worst, at = t.Sub(last), h
			}
			last = t
		}
	}
	if d := time.Since(last); d > worst {
		worst, at = d, s.highest+1
	}
	return worst, at
}

func (s *swarm) draw(mean time.Duration) time.Duration {
	return time.Duration(s.rng.ExpFloat64() * float64(mean))
}

// judgeStarts checks that whoever starts trains within two rounds.
func (s *swarm) judgeStarts(healthy time.Duration) {
	var worst, sum time.Duration
	for _, b := range s.starts {
		worst, sum = max(worst, b.took), sum+b.took
		if b.heights > 2 {
			s.t.Errorf("a node made its first step %v after its start, %d rounds later", b.took, b.heights)
		}
	}
	s.t.Logf("%d starts: first step after %v on average, %v at worst", len(s.starts), sum/time.Duration(max(1, len(s.starts))), worst)
	for _, d := range s.up() {
		if age := time.Since(d.began); !d.trained && age > 2*healthy {
			s.t.Errorf("node %d has not made a step %v after its start", d.i, age)
		}
	}
}

// level waits for equal heads.
func (s *swarm) level() {
	var heads map[proto.ID]int
	for began := time.Now(); time.Since(began) < patience; s.run(look) {
		heads = make(map[proto.ID]int)
		for _, d := range s.up() {
			heads[d.n.State().Head.ID]++
		}
		if len(heads) == 1 {
			break
		}
	}
	if len(heads) != 1 {
		for _, d := range s.up() {
			h := d.n.State().Head
			s.t.Logf("node %d, up for %v: height %d, head %s, %s", d.i, time.Since(d.began), h.Height, h.ID.Short(), d.n.State().Why)
		}
		s.t.Errorf("%d different heads after %v", len(heads), patience)
	}
}

// agree waits for equal heads and compares the state of every round.
func (s *swarm) agree() {
	s.level()
	roots := make(map[uint64]proto.ID)
	compared := 0
	for _, d := range s.up() {
		last := make(map[uint64]api.Outcome) // of a height that was entered twice the later one counts
		for _, o := range d.n.Rounds(0) {
			last[o.Height] = o
		}
		for h, o := range last {
			if have, ok := roots[h]; ok && have != o.Root {
				s.t.Errorf("two states at height %d", h)
			} else if ok {
				compared++
			}
			roots[h] = o.Root
		}
	}
	s.t.Logf("%d nodes stand on one head at height %d; %d state roots compared", len(s.up()), s.highest, compared)
}
