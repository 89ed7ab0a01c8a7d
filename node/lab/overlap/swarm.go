package overlap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

const (
	// wireOverhead is what goes over a link for each byte of a blob: headers of
	// QUIC, UDP and IP (64 of 1,480 bytes), and acknowledgements, which share the
	// uplink with what their sender sends itself.
	wireOverhead = 1.08
	// queueing is the most that a small message waits in a router behind blobs.
	queueing = 100 * time.Millisecond
	// mesh is how many peers a gossip message is sent on to.
	mesh          = 6
	snapshotEvery = 20
)

// swarm is all nodes and what lies between them.
type swarm struct {
	p       Params
	size    uint64 // of a payload
	clock   *clock
	links   *links
	rng     *rand.Rand
	nodes   []*node
	genesis round.Commit

	commits map[proto.ID]round.Commit // all that were made
	updates map[proto.ID]round.Update
	rounds  []Round
	err     error
}

// Run simulates a swarm.
func Run(ctx context.Context, p Params) (Result, error) {
	if err := p.Validate(); err != nil {
		return Result{}, err
	}
	size, err := payload(p.Model)
	if err != nil {
		return Result{}, err
	}
	s := &swarm{
		p: p, size: size, clock: &clock{}, rng: rand.New(rand.NewPCG(p.Seed, 0)),
		commits: map[proto.ID]round.Commit{}, updates: map[proto.ID]round.Update{},
	}
	s.links = &links{clock: s.clock, up: p.Up / 8, down: p.Down / 8, sent: make([]float64, p.Nodes)}
	id := proto.Sum([]byte("overlap"))
	s.genesis = round.Genesis(id, id, p.H, s.stepTokens())
	s.commits[id] = s.genesis
	for i := range p.Nodes {
		if err := s.add(i); err != nil {
			return Result{}, err
		}
	}
	s.clock.run(p.Time, func() bool {
		if s.err == nil {
			s.err = ctx.Err()
		}
		return s.err != nil
	})
	for _, n := range s.nodes {
		s.err = errors.Join(s.err, n.owes.Err())
	}
	return s.result(), s.err
}

// add starts a node.
func (s *swarm) add(i int) error {
	n := &node{
		s: s, i: i, id: proto.PeerID(fmt.Sprintf("node-%02d", i+1)),
		held: map[proto.ID]bool{}, commits: map[proto.ID]bool{}, updates: map[proto.ID][]round.Update{},
		transfers: bound{room: maxTransfers}, fetches: bound{room: maxFetches}, served: bound{room: maxServed},
	}
	n.executor = &executor{n: n, head: s.genesis}
	n.device = &device{n: n, stepTime: s.p.Step, servedFor: map[string]time.Duration{}}
	if s.p.Nodes > 1 && i == s.p.Nodes-1 {
		n.device.stepTime *= time.Duration(s.p.Slow)
	}
	m, err := round.New(round.Config{
		Contract: &n.owes,
		Self:     n.id, Swarm: s.genesis.ID, StepTokens: s.stepTokens(), SeqLen: uint64(s.p.Model.SeqLen), MaxPayload: s.size,
		StateSize: 4 * uint64(s.p.Model.Layout().Params()),
		HMin:      s.p.HMin, HMax: s.p.HMax, Min: time.Second, Max: 10 * time.Minute,
		Grace: s.p.Grace, ViewTimeout: 5 * time.Second, Snapshot: snapshotEvery, MaxUpdates: proto.MaxUpdates,
	}, round.State{Base: s.genesis, Head: s.genesis.ID, Alone: true})
	if err != nil {
		return err
	}
	n.m = m
	s.nodes = append(s.nodes, n)
	s.clock.after(time.Duration(s.rng.Int64N(int64(round.TickEvery))), func() {
		n.step(round.Training{On: true})
		n.device.ask("run", 0, func() { n.executor.assign(n.m.Status()) })
		n.tick()
	})
	return nil
}

func (s *swarm) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *swarm) stepTokens() uint64 { return uint64(s.p.Batch) * uint64(s.p.Model.SeqLen) }

func (s *swarm) index(id proto.PeerID) int {
	return slices.IndexFunc(s.nodes, func(n *node) bool { return n.id == id })
}

// small is how long a small message takes to a neighbour.
func (s *swarm) small(from *node) time.Duration {
	d := s.oneWay() + time.Millisecond
	if s.links.busy(from.i) {
		d += time.Duration(s.rng.Int64N(int64(queueing)))
	}
	return d
}

// gossip carries a message to all others: most hear it of its author, some of
// a neighbour of theirs. Everyone passes it on to the mesh.
func (s *swarm) gossip(from *node, what func(to *node)) {
	for _, to := range s.nodes {
		s.links.sent[to.i] += envelope * float64(min(mesh, s.p.Nodes-1))
		if to == from {
			continue
		}
		d := s.small(from)
		if s.rng.IntN(max(s.p.Nodes-1, 1)) >= mesh {
			d += s.small(s.nodes[s.rng.IntN(len(s.nodes))])
		}
		s.clock.after(d, func() { what(to) })
	}
}

// root stands for the state that updates make of a commit's.
func (s *swarm) root(parent proto.ID, us []round.Update) proto.ID {
	b := append([]byte(nil), parent[:]...)
	for _, u := range us {
		b = append(b, u.Payload[:]...)
	}
	return proto.Sum(b)
}

// identity is the id of a commit's content.
func identity(c round.Commit) proto.ID {
	c.View, c.Closer, c.ID = 0, "", proto.ID{}
	return proto.Sum(fmt.Appendf(nil, "%v", c))
}
