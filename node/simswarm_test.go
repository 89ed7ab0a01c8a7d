package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/toy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon is the place of one node: a directory, an address, and now and then a
// process.
type daemon struct {
	i       int
	machine readings // its machine
	dir     home.Dir
	n       *node.Node // nil while it is away
	stop    context.CancelFunc
	done    chan error // its end
	began   time.Time
	from    uint64 // the swarm's height when it began
	trained bool   // it has made a step
	invite  membership.Invite
	ends    time.Time
	owes    *round.Contract // what it owes its round machine
}

// swarm is whole daemons on simulated home links.
type swarm struct {
	t          *testing.T
	method     string
	change     func(*manifest.Manifest)    // nil: nothing
	params     func(*daemon, *node.Params) // nil: nothing
	inviteOnly bool
	prepare    func(*daemon) // nil: nothing; who joined, before it starts
	net        *simtest.Swarm
	rng        *rand.Rand
	id         proto.ID
	raw        []byte
	root       string
	copies     int
	all        []*daemon
	away       map[*daemon]time.Time // when it comes back

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

// newSwarm is without a daemon yet; seed is what its chances are drawn from.
func newSwarm(t *testing.T, net *simtest.Swarm, method, root string, seed uint64) *swarm {
	return &swarm{
		t: t, method: method, net: net, rng: rand.New(rand.NewPCG(seed, 4)), root: root,
		away: make(map[*daemon]time.Time), heights: make(map[uint64]time.Time),
	}
}

// found makes the swarm and its first node.
func (s *swarm) found() {
	m, err := manifest.For(s.method)
	if err != nil {
		s.t.Fatal(err)
	}
	m.Name, m.Seed = "churn", "churn"
	m.Model = manifest.Model{Config: model.Config{
		Vocab: 256, Dim: 64, Layers: 1, Heads: 4, KVHeads: 4, HeadDim: 16, FFN: 128, SeqLen: 16, RopeTheta: 10000, NormEps: 1e-5, Tied: true,
	}}
	m.Inner.Schedule.Kind, m.Inner.WarmupTokens, m.Inner.TotalTokens, m.Inner.Batch = schedule.Constant, 0, 1<<40, 1
	if m.Rounds.H > 1 {
		m.Rounds.H, m.Rounds.HMin, m.Rounds.HMax = 20, 20, 40
	}
	if m.Method.Name == outer.SparseLoCo {
		m.Method.Keep = m.Method.Chunk / 2 // 64 of 4096 take hundreds of rounds
	}
	if m.Method.Fragments > 0 {
		m.Model.Layers, m.Method.Fragments = 2, 2
	}
	if s.change != nil {
		s.change(&m)
	}
	f := founding.Founding{Manifest: m, InviteOnly: s.inviteOnly}
	id, err := f.Seal()
	if err != nil {
		s.t.Fatal(err)
	}
	d := s.place()
	if _, err := f.Found(d.dir); err != nil {
		s.t.Fatal(err)
	}
	s.id = id
	if s.raw, err = d.dir.Manifest(); err != nil {
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
	if s.prepare != nil {
		s.prepare(d)
	}
	if s.inviteOnly {
		var err error
		if d.invite, err = founding.Invite(s.all[0].dir, time.Now().Add(24*time.Hour), 1); err != nil {
			s.t.Fatal(err)
		}
		if err := founding.Enter(d.dir, d.invite); err != nil {
			s.t.Fatal(err)
		}
	}
	s.open(d)
}

func (s *swarm) place() *daemon {
	d := &daemon{i: len(s.all), dir: home.Dir(filepath.Join(s.root, fmt.Sprint(len(s.all))))}
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
	d.owes = &round.Contract{}
	p := node.Params{
		Contract: d.owes,
		Dir:      d.dir, Version: "0.1.0", Bootstrap: bootstrap, Backend: "toy:" + churnStep.String(), Engine: &engine,
		Net: s.net.Tune(d.i), Senses: &d.machine, Log: slog.New(slog.DiscardHandler),
	}
	if s.params != nil {
		s.params(d, &p)
	}
	d.n, err = node.Open(ctx, p)
	if err != nil {
		s.t.Fatalf("node %d: %v", d.i, err)
	}
	d.began, d.from, d.trained = time.Now(), s.highest, false
	done := make(chan error, 1)
	d.done = done
	go func() { done <- d.n.Work(ctx) }()
}

// ended takes the end of a daemon in.
func (s *swarm) ended(d *daemon) bool {
	select {
	case err := <-d.done:
		if err != nil {
			s.t.Errorf("node %d: %v", d.i, err)
		}
		d.stop()
		if err := errors.Join(d.n.Close(), d.owes.Err()); err != nil {
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
	dir := home.Dir(filepath.Join(s.root, fmt.Sprintf("%d-%d", d.i, s.copies)))
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
