package node_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/toy"
)

var (
	churnNodes = flag.Int("churn.nodes", 12, "nodes in the churn test")
	churnTime  = flag.Duration("churn.time", 20*time.Minute, "virtual time of the churn test")
	churnSeed  = flag.Uint64("churn.seed", 1, "what happens to whom in the churn test")
)

const (
	meanLife  = 10 * time.Minute
	meanAway  = time.Minute
	calm      = 3 * time.Minute // before churn begins: the healthy round time is measured in its second half
	look      = 100 * time.Millisecond
	stepTime  = "toy:500ms"
	patience  = 2 * time.Minute // for a clean end, and for heads to be equal at the end
	linked    = 3               // nodes whose addresses a join link names
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon is the place of one node: a directory, an address, and now and then a
// process.
type daemon struct {
	i       int
	dir     node.Dir
	n       *node.Node // nil while it is away
	stop    context.CancelFunc
	done    chan error // its end
	began   time.Time
	from    uint64 // the swarm's height when it began
	trained bool   // it has made a step
	ends    time.Time
}

// swarm is whole daemons on simulated home links.
type swarm struct {
	t      *testing.T
	net    *simtest.Swarm
	rng    *rand.Rand
	id     proto.ID
	raw    []byte
	root   string
	copies int
	all    []*daemon
	away   map[*daemon]time.Time // when it comes back

	heights map[uint64]time.Time // when a height was first reached
	highest uint64
	starts  []start
	left    int
	crashed int
	came    int
	joined  int
}

// start is how long a daemon took to its first step.
type start struct {
	took    time.Duration
	heights uint64 // that the swarm made meanwhile
	fresh   bool   // it had never been there
}

// TestChurn runs a swarm whose nodes leave, crash, come back and join. The swarm
// must go on committing, and agree at the end. Two hours of 30 nodes take flags:
//
//	go test ./node -run Churn -timeout 0 -churn.nodes 30 -churn.time 2h
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two minutes")
	}
	if racing {
		*churnNodes, *churnTime = 4, 3*time.Minute
	}
	root := t.TempDir()
	wall := time.Now()
	simtest.Run(t, simtest.Params{Seed: *churnSeed}, func(t *testing.T, net *simtest.Swarm) {
		s := &swarm{
			t: t, net: net, rng: rand.New(rand.NewPCG(*churnSeed, 4)), root: root,
			away: make(map[*daemon]time.Time), heights: make(map[uint64]time.Time),
		}
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

// found makes the swarm and its first node.
func (s *swarm) found() {
	m := manifest.Default()
	m.Name, m.Seed = "churn", "churn"
	m.Model = manifest.Model{
		Vocab: 256, Dim: 64, Layers: 1, Heads: 4, KVHeads: 4, HeadDim: 16, FFN: 128, SeqLen: 16, RopeTheta: 10000, NormEps: 1e-5, Tied: true,
	}
	m.Inner.Schedule, m.Inner.WarmupTokens, m.Inner.TotalTokens, m.Inner.Batch = "constant", 0, 1<<40, 1
	m.Rounds.H, m.Rounds.HMin, m.Rounds.HMax = 20, 20, 40
	raw, id, err := m.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.id, s.raw = id, raw
	d := s.place()
	if _, err := d.dir.Found(raw); err != nil {
		s.t.Fatal(err)
	}
	s.open(d)
}

// join starts a node that knows the swarm from a link.
func (s *swarm) join() {
	d := s.place()
	var addrs []string
	for _, up := range s.up() {
		if len(addrs) < linked {
			addrs = append(addrs, s.net.Addr(up.i))
		}
	}
	if err := d.dir.Join(s.id, addrs); err != nil {
		s.t.Fatal(err)
	}
	s.open(d)
}

func (s *swarm) place() *daemon {
	d := &daemon{i: len(s.all), dir: node.Dir(filepath.Join(s.root, fmt.Sprint(len(s.all))))}
	s.all = append(s.all, d)
	return d
}

// up is the daemons that run, and are not about to end.
func (s *swarm) up() (up []*daemon) {
	for _, d := range s.all {
		if d.n != nil && d.done != nil && s.away[d].IsZero() {
			up = append(up, d)
		}
	}
	return up
}

// open starts a daemon's process.
func (s *swarm) open(d *daemon) {
	bootstrap, err := d.dir.Bootstrap()
	if err != nil {
		s.t.Fatal(err)
	}
	engine := toy.Engine()
	var ctx context.Context
	ctx, d.stop = context.WithCancel(s.t.Context())
	d.n, err = node.Open(ctx, node.Params{
		Dir: d.dir, Version: "0.1.0", Bootstrap: bootstrap, Backend: stepTime, Engine: &engine,
		Net: s.net.Tune(d.i), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatalf("node %d: %v", d.i, err)
	}
	d.began, d.from, d.trained = time.Now(), s.highest, false
	done := make(chan error, 1)
	d.done = done
	go func() { done <- d.n.Work(ctx) }()
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

// ended takes the end of a daemon in.
func (s *swarm) ended(d *daemon) bool {
	select {
	case err := <-d.done:
		if err != nil {
			s.t.Errorf("node %d: %v", d.i, err)
		}
		d.stop()
		if err := d.n.Close(); err != nil {
			s.t.Errorf("closing node %d: %v", d.i, err)
		}
		d.n, d.done = nil, nil
		return true
	default:
		return false
	}
}

// crash ends a daemon so that nobody hears of it: what is on its disk stays as
// it lies, between two of its actions.
func (s *swarm) crash(d *daemon) {
	s.crashed++
	s.net.Unplug(d.i)
	synctest.Wait() // nobody writes now, and no time passes
	s.copies++
	dir := node.Dir(filepath.Join(s.root, fmt.Sprintf("%d-%d", d.i, s.copies)))
	if err := os.CopyFS(string(dir), os.DirFS(string(d.dir))); err != nil {
		s.t.Fatal(err)
	}
	d.stop()
	for !s.ended(d) {
		time.Sleep(look)
	}
	if err := os.RemoveAll(string(d.dir)); err != nil {
		s.t.Fatal(err)
	}
	d.dir = dir
	s.net.Plug(d.i)
}

// run lets time pass and notes what happens.
func (s *swarm) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(look)
		for _, d := range s.up() {
			for _, o := range d.n.Rounds(s.highest) {
				if _, ok := s.heights[o.Height]; !ok {
					s.heights[o.Height] = o.Stages.Adopted
				}
				s.highest = max(s.highest, o.Height)
			}
			if !d.trained && d.n.State().Trainer.Steps > 0 {
				d.trained = true
				s.starts = append(s.starts, start{took: time.Since(d.began), heights: s.highest - d.from, fresh: d.from > 0})
			}
			select {
			case err := <-d.done:
				s.t.Fatalf("node %d ended by itself: %v", d.i, err)
			default:
			}
		}
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

// agree waits for equal heads and compares the state of every round.
func (s *swarm) agree() {
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
		s.t.Errorf("%d different heads %v after the churn", len(heads), patience)
	}
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

// end stops all daemons.
func (s *swarm) end() {
	for _, d := range s.all {
		if d.n != nil {
			d.stop()
		}
	}
	for _, d := range s.all {
		for began := time.Now(); d.n != nil && !s.ended(d); time.Sleep(look) {
			if time.Since(began) > patience {
				s.t.Errorf("node %d does not end", d.i)
				return
			}
		}
	}
}
