package round

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// A swarm of machines in virtual time, with a network that delays, loses and
// doubles messages, nodes that crash and come back from what was durable, and a
// learner that is one number: enough to check the invariants that property_test.go names.

const (
	stepTokens  = 128
	payloadSize = 16
	seqLen      = 32
	nodeRate    = 128 * 10 // tokens a second

	maxHappenings = 400_000 // five nodes for three minutes make about 50,000

	testCommunity = Key("the community")
)

func testConfig(self proto.PeerID) Config {
	return Config{
		Self: self, Swarm: proto.Sum([]byte("test swarm")), StepTokens: stepTokens, SeqLen: seqLen, MaxPayload: 16, StateSize: 16 * 12,
		HMin: 20, HMax: 20, Min: 200 * time.Millisecond, Max: 30 * time.Second,
		Grace: 1500 * time.Millisecond, ViewTimeout: 700 * time.Millisecond, Snapshot: 6, MaxUpdates: 64,
	}
}

func testGenesis() Commit {
	return Genesis(proto.Sum([]byte("test swarm")), proto.Sum([]byte("genesis")), 20, stepTokens)
}

// happening is something at a time; seq keeps equal times in order.
type happening struct {
	at  time.Duration
	seq int
	do  func()
}

type agenda []happening

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(happening)) }
func (a *agenda) Pop() any     { o := *a; x := o[len(o)-1]; *a = o[:len(o)-1]; return x }

type swarm struct {
	now      time.Duration
	seq      int
	done     int
	steps    int // of all machines
	agenda   agenda
	rng      *rand.Rand
	nodes    []*simNode
	lag      time.Duration // of every message, beside its jitter
	loss     float64
	double   float64
	snapshot uint64              // heights between snapshots
	short    bool                // a step a round
	closed   bool                // a swarm for members
	change   func(*Config)       // nil: nothing
	mob      *mob                // whoever attacks it
	cut      func(a, b int) bool // links that carry nothing now
	trickles map[proto.ID]bool   // payloads that come so slowly that they are given up
	only     map[proto.ID]uint64 // payloads that decode at one height, which is its parameters'
	nowhere  map[proto.ID]bool   // commits that nobody has, as nobody says for ten seconds

	updates map[proto.ID]Update       // all ever made
	commits map[proto.ID]Commit       // all ever made
	roots   map[proto.ID]string       // commit → root, as some node computed it
	values  map[proto.ID]float64      // payload → z
	made    map[proto.ID]proto.PeerID // payload → author
	signed  map[string]proto.ID       // author and parent → update
	answer  time.Duration             // how long a branch takes to come that was asked for
	states  time.Duration             // how much longer than usual a state takes to come
	bridged bool                      // gossip passes cut links, by way of others
	faults  []string
	log     strings.Builder
	told    bool // write the story
}

type simNode struct {
	s    *swarm
	i    int
	id   proto.PeerID
	name string
	up   bool
	m    *Machine
	life int // counts restarts: messages to an earlier life are dropped

	// Durable.
	payloads map[proto.ID]bool
	saved    map[proto.ID]bool // commits found valid
	head     proto.ID
	base     Commit
	known    []proto.PeerID
	own      map[proto.ID]uint64 // covers
	savedD   float64
	savedAt  proto.ID // the head that savedD is measured against
	savedSeq uint64
	savedLak uint64

	// Volatile.
	d                     float64 // the residual
	learned               float64 // all that went into d in this life, and what d was at its start
	onChain               float64 // Σ own z of the branch since the start of this life
	total                 uint64
	updated               time.Duration
	seen                  map[proto.ID]bool // updates heard of
	rate                  float64
	paused                bool
	deliver               uint64
	stalled               bool
	exchange, publishedAt time.Duration // as node measures them
	deepest               int           // commits of most of the swarm undone at once, at most
	included              int           // own updates taken in
	turns                 int           // times it left a branch
	damaged               bool          // its chain was damaged when it started
	toldFirst             *Update       // what its question for its own newest update is answered with before the truth
	tricks
}

func newSwarm(n int, seed uint64) *swarm {
	s := &swarm{
		lag: 5 * time.Millisecond, snapshot: testConfig("").Snapshot, rng: rand.New(rand.NewPCG(seed, 7)), cut: func(int, int) bool { return false },
		updates: map[proto.ID]Update{}, commits: map[proto.ID]Commit{}, roots: map[proto.ID]string{},
		values: map[proto.ID]float64{}, made: map[proto.ID]proto.PeerID{}, signed: map[string]proto.ID{},
	}
	g := testGenesis()
	s.commits[g.ID] = g
	for i := range n {
		s.nodes = append(s.nodes, &simNode{
			s: s, i: i, id: proto.PeerID(fmt.Sprintf("peer-%c", 'A'+i)), name: string(rune('A' + i)), rate: nodeRate,
			payloads: map[proto.ID]bool{}, saved: map[proto.ID]bool{}, head: g.ID, base: g, own: map[proto.ID]uint64{},
		})
	}
	return s
}

// config is a node's.
func (s *swarm) config(self proto.PeerID) Config {
	cfg := testConfig(self)
	cfg.Snapshot, cfg.Contract = s.snapshot, &Contract{}
	if s.short {
		cfg.HMin, cfg.HMax, cfg.Min = 1, 1, 0
	}
	if s.closed {
		cfg.Membership.Keys = []Key{testCommunity}
	}
	if s.change != nil {
		s.change(&cfg)
	}
	return cfg
}

func (s *swarm) at(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.agenda, happening{s.now + d, s.seq, do})
}

// run lets virtual time pass.
func (s *swarm) run(d time.Duration) {
	end := s.now + d
	for len(s.agenda) > 0 && s.agenda[0].at <= end {
		h := heap.Pop(&s.agenda).(happening)
		s.now = h.at
		if s.done++; s.done > maxHappenings {
			s.fault("the swarm does not come to rest: more than %d happenings", maxHappenings)
			break
		}
		h.do()
	}
	s.now = end
}

func (s *swarm) tell(format string, args ...any) {
	if s.told {
		fmt.Fprintf(&s.log, "%7.2fs  %s\n", s.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

func (s *swarm) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf("%.2fs: ", s.now.Seconds())+fmt.Sprintf(format, args...))
}

// delay is a link's, for small messages.
func (s *swarm) delay() time.Duration {
	return s.lag + time.Duration(s.rng.IntN(60))*time.Millisecond
}

// send carries an event to another node, if the network likes.
func (s *swarm) send(from, to *simNode, what func(*simNode)) {
	if from == to || !to.up || from.hush || s.cut(from.i, to.i) && !s.bridged || s.rng.Float64() < s.loss {
		return
	}
	times := 1
	if s.rng.Float64() < s.double {
		times = 2
	}
	life := to.life
	for range times {
		s.at(s.delay(), func() {
			if to.up && to.life == life && !to.stalled {
				what(to)
			}
		})
	}
}

func (s *swarm) gossip(from *simNode, what func(*simNode)) {
	for _, to := range s.nodes {
		s.send(from, to, what)
	}
}

// usualTimes are those that manifests have by default.
func usualTimes(c *Config) {
	c.Grace, c.ViewTimeout, c.Max = 10*time.Second, 5*time.Second, 10*time.Minute
}

// usualSwarm starts nodes whose steps take 100 ms, 128 tokens at nodeRate, with the usual times and a snapshot every 20 heights.
func usualSwarm(n int, seed uint64, closed bool) *swarm {
	s := newSwarm(n, seed)
	s.closed, s.snapshot = closed, 20
	s.change = usualTimes
	for _, x := range s.nodes {
		x.stepTime = 100 * time.Millisecond
		x.start()
	}
	return s
}

// listedSince counts the rounds above a height, and in how many each author is listed.
func (s *swarm) listedSince(from uint64) (rounds int, in map[proto.PeerID]int) {
	in = map[proto.PeerID]int{}
	for c := s.nodes[0].m.head.Commit; c.Height > from; c = s.commits[c.Parent] {
		rounds++
		for _, id := range c.Updates {
			in[s.updates[id].Author]++
		}
	}
	return rounds, in
}

// start brings a node up, from what is durable.
func (n *simNode) start() {
	s := n.s
	n.up, n.life = true, n.life+1
	n.updated = s.now
	st := State{Known: n.known, Base: n.base, Head: n.head, Covers: n.own, Alone: len(n.own) == 0}
	ids := make([]proto.ID, 0, len(n.saved))
	for id := range n.saved {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b proto.ID) int {
		if d := int(s.commits[a].Height) - int(s.commits[b].Height); d != 0 {
			return d
		}
		return slices.Compare(a[:], b[:])
	})
	st.Damaged = n.damaged
	for c, ok := s.commits[n.base.Skip]; ok && len(st.Past) < KnownPast; c, ok = s.commits[c.Skip] {
		st.Past = append(st.Past, c)
	}
	known := map[proto.ID]bool{}
	for _, id := range ids {
		c := s.commits[id]
		if c.Height > n.base.Height {
			st.Commits = append(st.Commits, c)
		}
		for _, u := range c.Updates {
			known[u] = true
		}
	}
	for u := range n.own {
		known[u] = true
		st.Seq = max(st.Seq, s.updates[u].Seq)
		st.Signed = append(st.Signed, s.updates[u].Parent)
	}
	for _, id := range sortedIDs(known) {
		st.Updates = append(st.Updates, s.updates[id])
	}
	st.Held = map[proto.ID]uint64{}
	for id := range n.payloads {
		st.Held[id] = payloadSize
	}
	n.d, st.Lacking = n.recall()
	n.total, n.deliver = st.Lacking, 0
	n.learned, n.onChain = n.d, 0
	n.seen = known
	cfg := s.config(n.id)
	m, err := New(cfg, st)
	if err != nil {
		s.fault("%s cannot start: %v", n.name, err)
		return
	}
	m.now, m.started, m.round.since = s.now, s.now, s.now
	n.m = m
	n.step(Training{On: !n.paused})
	n.step(Progress{Total: n.total, Rate: n.rate})
	life := n.life
	var tick, beat func()
	tick = func() {
		if n.up && n.life == life {
			if !n.stalled {
				n.train()
				n.step(Tick{})
			}
			s.at(TickEvery, tick)
		}
	}
	beat = func() {
		if n.up && n.life == life {
			if !n.stalled {
				n.beat()
			}
			s.at(500*time.Millisecond, beat)
		}
	}
	s.at(0, tick)
	s.at(0, beat)
	// Ask one peer for the own newest update, as the node does.
	for _, p := range s.nodes {
		if p.up && p != n && !s.cut(n.i, p.i) {
			var mine *Update
			for _, us := range p.m.authors[n.id] {
				mine = us
			}
			s.send(p, n, func(n *simNode) {
				if n.toldFirst != nil {
					n.hear(*n.toldFirst)
				}
				if mine != nil {
					n.hear(*mine)
				}
				n.step(Settled{})
			})
			break
		}
	}
}

// recall carries the saved residual to the head, as node does.
func (n *simNode) recall() (float64, uint64) {
	if n.savedAt.IsZero() {
		return 0, 0
	}
	d, lacking := n.savedD, n.savedLak
	a, okA := n.s.commits[n.savedAt], true
	b := n.s.commits[n.head]
	for a.ID != b.ID {
		if a.Height >= b.Height {
			for _, u := range n.ownIn(a) {
				d += n.s.values[u.Payload]
				lacking += n.own[u.ID]
			}
			a, okA = n.s.commits[a.Parent]
		} else {
			for _, u := range n.ownIn(b) {
				if u.Seq > n.savedSeq {
					return 0, 0
				}
				d -= n.s.values[u.Payload]
				lacking -= min(lacking, n.own[u.ID])
			}
			b = n.s.commits[b.Parent]
		}
		if !okA {
			return 0, 0
		}
	}
	return d, lacking
}

func (n *simNode) ownIn(c Commit) []Update {
	var us []Update
	for _, id := range c.Updates {
		if u := n.s.updates[id]; u.Author == n.id {
			us = append(us, u)
		}
	}
	return us
}

func (n *simNode) crash() {
	n.up, n.m = false, nil
	n.s.tell("%s crashes", n.name)
}

// train lets the learner work since it was asked last.
func (n *simNode) train() {
	dt := n.s.now - n.updated
	if dt < n.stepTime {
		return
	}
	n.updated = n.s.now
	if n.paused || n.rate == 0 {
		return
	}
	tokens := uint64(n.rate * dt.Seconds())
	n.total += tokens
	n.d += float64(tokens)
	n.learned += float64(tokens)
	n.m.own.total = n.total // as frequent Progress events would say
	n.m.own.rate = n.rate
}

func (n *simNode) beat() {
	st := n.m.Status()
	h := Heartbeat{
		From: n.id, Head: st.Head.ID, Height: st.Head.Height, Tokens: st.Lacking, Rate: n.rate, Paused: n.paused,
		Interval: 500 * time.Millisecond, Leaving: n.leaving,
	}
	if n.boast {
		h.Rate, h.Tokens = 1e12, 1e18
	}
	n.s.gossip(n, func(to *simNode) { to.step(h) })
}

func (n *simNode) hear(u Update) {
	if n.seen[u.ID] = true; n.m == nil {
		return
	}
	n.step(Seen{Update: u})
}

func (n *simNode) step(e Event) {
	if n.m == nil {
		return
	}
	n.s.steps++
	for _, effect := range n.m.Step(n.s.now, e) {
		n.carryOut(effect)
	}
	if n.m != nil && n.s.mob == nil && n.m.cfg.Contract != nil { // who is hostile holds to nothing
		if err := n.m.cfg.Contract.Err(); err != nil {
			n.s.fault("%s: %v", n.name, err)
		}
	}
	n.s.check(n)
}

// later reports back to this life of the node after some time.
func (n *simNode) later(d time.Duration, f func()) {
	life := n.life
	n.s.at(d, func() {
		switch {
		case !n.up || n.life != life:
		case n.stalled: // what a stopped process waits for reaches it when it goes on
			n.later(100*time.Millisecond, f)
		default:
			f()
		}
	})
}

func (n *simNode) carryOut(effect Effect) {
	s := n.s
	if f, ok := effect.(Fetch); ok && s.made[f.Update.Payload] != "" && s.made[f.Update.Payload] != f.Update.Author {
		n.later(120*time.Millisecond, func() { n.step(Unfit{Use: f.Update.Use()}) }) // the payload says whose it is
		return
	}
	if s.mob != nil && s.mob.answers(n, effect) {
		return
	}
	if f, ok := effect.(Fetch); ok && s.trickles[f.Update.Payload] {
		n.later(30*time.Second+2*n.m.cfg.Grace, func() { n.step(Missed{Payload: f.Update.Payload}) })
		return
	}
	if f, ok := effect.(Fetch); ok && s.only[f.Update.Payload] > 0 {
		n.later(100*time.Millisecond, func() {
			if u := f.Update; s.only[u.Payload] != u.Height {
				n.step(Unfit{Use: u.Use()})
			} else {
				n.payloads[u.Payload] = true
				n.step(Held{Use: u.Use()})
			}
		})
		return
	}
	switch e := effect.(type) {
	case Publish:
		n.later(10*time.Millisecond, func() { n.publish(e) })
	case AnnounceUpdate:
		u := s.updates[e.Update]
		s.gossip(n, func(to *simNode) { to.hear(u) })
	case Fetch:
		n.ask(e.Sources, func(p *simNode) bool { return p.payloads[e.Update.Payload] && !p.withhold[n] }, 120*time.Millisecond,
			func(*simNode) {
				n.payloads[e.Update.Payload] = true
				n.step(Held{Use: e.Update.Use()})
			},
			func() { n.step(Missed{Payload: e.Update.Payload}) })
	case Pull:
		n.ask(e.Sources, func(p *simNode) bool { return p.m.blocks[e.Commit] != nil }, 20*time.Millisecond,
			func(p *simNode) { n.pulled(p, e.Commit) }, func() { n.step(PullFailed{Commit: e.Commit}) })
	case CatchUp:
		if s.nowhere[e.Target] {
			n.later(9900*time.Millisecond, func() { n.step(CaughtUp{Target: e.Target}) })
			return
		}
		n.ask(e.Sources, func(*simNode) bool { return true }, 40*time.Millisecond,
			func(p *simNode) { n.catchUp(p, e) }, func() { n.step(CaughtUp{Target: e.Target}) })
	case Enter:
		n.ask(e.Sources, func(p *simNode) bool { b := p.m.blocks[e.Commit.ID]; return b != nil && b.state == valid }, 300*time.Millisecond+s.states,
			func(*simNode) { n.land(e.Commit) }, func() { n.step(NotLanded{Commit: e.Commit.ID}) })
	case AskUpdates:
		n.ask(e.Sources, func(*simNode) bool { return true }, 20*time.Millisecond, func(p *simNode) {
			for _, id := range sortedIDs(p.seen) {
				if u := s.updates[id]; u.Parent == e.Parent {
					n.hear(u)
				}
			}
		}, func() {})
	case Build:
		n.later(20*time.Millisecond, func() {
			c := e.Draft
			c.Root = rootOf(s.commits[c.Parent], e.Updates)
			c.ID = idOf(c)
			if _, ok := s.commits[c.ID]; !ok {
				s.commits[c.ID] = c
			}
			n.saved[c.ID] = true
			n.step(Built{Commit: c})
		})
	case Verify:
		n.later(20*time.Millisecond, func() {
			ok := rootOf(s.commits[e.Commit.Parent], e.Updates) == e.Commit.Root
			if ok {
				n.saved[e.Commit.ID] = true
			}
			n.step(Verified{Commit: e.Commit.ID, OK: ok})
		})
	case Announce:
		c := e.Commit
		s.gossip(n, func(to *simNode) {
			to.step(Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, View: c.View, Closer: c.Closer})
		})
	case Adopt:
		n.adopt(e)
	case Rebase:
		n.base, n.known = e.Commit, e.Known
		for id := range n.saved {
			if s.commits[id].Height < e.Commit.Height {
				delete(n.saved, id)
			}
		}
	case Drop:
		for _, id := range e.Payloads {
			delete(n.payloads, id)
		}
	case Beat:
		n.beat()
	case Finished:
		n.leaving, n.paused = true, true
		n.s.tell("%s leaves, its work in: %v", n.name, e.In)
		n.later(0, func() { n.beat(); n.up, n.m = false, nil })
	default:
		s.fault("no such effect: %T", effect)
	}
}

// land keeps the commits up to a snapshot, whose state is here.
func (n *simNode) land(c Commit) {
	for b := n.m.blocks[c.ID]; b != nil; b = b.parent {
		n.saved[b.ID] = true
	}
	n.step(Landed{Commit: c})
}

func (n *simNode) publish(e Publish) {
	s := n.s
	if n.m.head.ID != e.Parent || n.total <= e.Delivered {
		n.step(Unpublished{Parent: e.Parent})
		return
	}
	n.train()
	covers := n.total - e.Delivered
	z := math.Round(n.d * 0.75) // a lossy payload
	u := n.sign(e.Parent, e.Height, e.Seq, min(covers, e.Max), z, n.m.head.Highest(n.id, min(covers, e.Max), seqLen))
	key := string(n.id) + string(u.Parent[:])
	if old, ok := s.signed[key]; ok {
		s.fault("%s signs %s and %s for one parent", n.name, old.Short(), u.ID.Short())
	}
	s.signed[key] = u.ID
	n.own[u.ID] = covers
	n.savedD, n.savedAt, n.savedSeq, n.savedLak = n.d, e.Parent, e.Seq, covers
	n.publishedAt = s.now
	n.step(Published{Update: u, Covers: covers})
}

func (n *simNode) adopt(e Adopt) {
	n.train()
	if from, to := n.m.blocks[e.From.ID], n.m.blocks[e.To.ID]; from != nil && to != nil {
		if fork := common(from, to); fork != nil {
			depth := 0
			for b := from; b != fork; b = b.parent {
				if 2*n.s.honest(b) > len(n.s.nodes) {
					depth++
				}
			}
			n.deepest = max(n.deepest, depth)
		}
	}
	if n.publishedAt > 0 {
		n.exchange, n.publishedAt = n.s.now-n.publishedAt, 0
	}
	if n.hasty && e.To.Closer != n.id {
		n.later(10*time.Millisecond, func() {
			if n.m.head.ID == e.To.ID {
				n.rush(e.To)
			}
		})
	}
	if e.To.Parent != e.From.ID && (n.m.blocks[e.From.ID] == nil || !n.m.blocks[e.To.ID].under(n.m.blocks[e.From.ID])) {
		n.turns++
	}
	n.head = e.To.ID
	for _, u := range e.Joined {
		if u.Covers > 0 {
			n.included++
			n.d -= n.s.values[u.Payload]
			n.onChain += n.s.values[u.Payload]
		}
	}
	for _, u := range e.Left {
		if u.Covers > 0 {
			n.d += n.s.values[u.Payload]
			n.onChain -= n.s.values[u.Payload]
		}
	}
	if e.Jump {
		n.saved, n.base = map[proto.ID]bool{e.To.ID: true}, e.To
		n.learned -= n.onChain // what lay below the base stays behind
		n.onChain = 0
		n.savedD, n.savedAt, n.savedSeq, n.savedLak = n.d, e.To.ID, n.m.own.seq, n.total-min(n.total, e.Delivered)
	}
	var in []string
	for _, u := range e.Included {
		in = append(in, tail(u.Author))
	}
	switch {
	case e.Jump:
		n.s.tell("%s jumps to the snapshot of height %d", n.name, e.To.Height)
	case e.To.Parent != e.From.ID:
		n.s.tell("%s moves from height %d to height %d", n.name, e.From.Height, e.To.Height)
	default:
		n.s.tell("%s adopts height %d of %s, view %d: %s", n.name, e.To.Height, tail(e.To.Closer), e.To.View, strings.Join(in, " "))
	}
}

// honest counts the updates in a commit of the swarm's own nodes.
func (s *swarm) honest(b *block) (n int) {
	for _, id := range b.Updates {
		if slices.ContainsFunc(s.nodes, func(x *simNode) bool { return x.id == s.updates[id].Author }) {
			n++
		}
	}
	return n
}

// ask finds the first reachable source that has something, and reports.
func (n *simNode) ask(sources []proto.PeerID, has func(*simNode) bool, took time.Duration, yes func(*simNode), no func()) {
	s := n.s
	for _, id := range sources {
		for _, p := range s.nodes {
			if p.id == id && p.serves(n) && has(p) && s.rng.Float64() >= s.loss {
				n.later(took+2*s.delay(), func() {
					if p.up && p.m != nil {
						yes(p)
					} else {
						no()
					}
				})
				return
			}
		}
	}
	n.later(200*time.Millisecond, no)
}

// pulled brings commits as another node announces them.
func (n *simNode) pulled(p *simNode, ids ...proto.ID) {
	var e Pulled
	for _, id := range ids {
		c := n.s.commits[id]
		if b := p.m.blocks[id]; b != nil {
			c.View, c.Closer = b.View, b.Closer
		}
		e.Commits = append(e.Commits, c)
		for _, u := range c.mentions() {
			e.Updates = append(e.Updates, n.s.updates[u])
		}
	}
	n.step(e)
}

func (n *simNode) catchUp(p *simNode, e CatchUp) {
	var path []proto.ID
	for b := p.m.head; b != nil; b = b.parent {
		if slices.Contains(e.Have, b.ID) {
			slices.Reverse(path)
			n.pulled(p, path...)
			n.step(CaughtUp{Target: e.Target})
			return
		}
		path = append(path, b.ID)
	}
	var f Foreign
	for b := p.m.head; b != nil; b = b.parent {
		f.Branch = append(f.Branch, b.Commit)
		for _, u := range b.Updates {
			f.Updates = append(f.Updates, n.s.updates[u])
		}
		if b.Height%n.s.snapshot == 0 {
			break
		}
	}
	slices.Reverse(f.Branch)
	answer := func() {
		n.step(f)
		n.step(CaughtUp{Target: e.Target})
	}
	if n.s.answer == 0 {
		answer()
		return
	}
	n.later(n.s.answer, answer)
}

// check holds a node to the invariants that hold at every instant.
func (s *swarm) check(n *simNode) {
	if n.m == nil {
		return
	}
	head := n.m.head
	if root, ok := s.roots[head.ID]; ok && root != head.Root.String() {
		s.fault("%s has another state at %s", n.name, head.ID.Short())
	}
	s.roots[head.ID] = head.Root.String()
	if n.head == head.ID && math.Abs(n.onChain+n.d-n.learned) > 1e-6*(1+math.Abs(n.learned)) {
		s.fault("%s: %g on its branch and %g in its residual are not the %g that it learned", n.name, n.onChain, n.d, n.learned)
	}
}

// heads counts the distinct heads of the nodes that are up.
func (s *swarm) heads() map[proto.ID]int {
	h := map[proto.ID]int{}
	for _, n := range s.nodes {
		if n.up {
			h[n.m.head.ID]++
		}
	}
	return h
}

func payloadOf(author proto.PeerID, seq uint64, z float64) proto.ID {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], math.Float64bits(z))
	binary.LittleEndian.PutUint64(b[8:], seq)
	return proto.Sum(append(b[:], author...))
}

func idOfUpdate(u Update) proto.ID {
	u.ID = proto.ID{}
	return proto.Sum(fmt.Appendf(nil, "%v", u))
}

func rootOf(parent Commit, us []Update) proto.ID {
	b := append([]byte(nil), parent.Root[:]...)
	for _, u := range us {
		b = append(b, u.Payload[:]...)
	}
	return proto.Sum(b)
}

func idOf(c Commit) proto.ID {
	c.View, c.Closer, c.ID = 0, "", proto.ID{}
	return proto.Sum(fmt.Appendf(nil, "%v", c))
}

// tail is a test peer's letter.
func tail(p proto.PeerID) string { return string(p[len(p)-1:]) }
