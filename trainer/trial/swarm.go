package trial

import (
	"fmt"
	"math"

	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// swarm is a trial in progress.
type swarm struct {
	cell     Cell
	id       [32]byte // stands for the manifest's
	set      *data.Dataset
	rates    schedule.Schedule
	method   outer.Method // nil: one node, whose model is the shared one
	learning outer.Learning
	learner  worker.Learner
	peers    []*peer

	head, before []float32 // the shared state, and the one that the peers have adopted when a round begins
	height       uint64
	committed    uint64 // tokens
	cursor       uint64 // of the data, as the head has it
	done         int    // steps of a peer
	sent         uint64 // payload bytes of all peers

	gains    [2]int // from where to where the last norm's parameters go
	dense    uint64 // bytes of a dense gradient, where one node stands for all
	batch    []int32
	delta    []float32
	measured int
	points   []Point
}

// peer is one virtual node.
type peer struct {
	theta, m, v []float32 // the trainer's state
	step        int64
	private     *outer.Feedback
	own         []outer.Own // the update that the next commit to adopt includes
	payload     []byte
	lane        data.Lane
	committed   uint64 // tokens at the commit that it has adopted
	since       uint64 // tokens it trained on from there
}

func (s *swarm) lane(rank, roster int) data.Lane {
	return data.NewLane(data.Assignment{Manifest: s.id, Cursor: s.cursor, Rank: rank, Roster: roster})
}

// round has every peer learn and commits what they learned.
func (s *swarm) round() error {
	if s.method == nil {
		return s.alone()
	}
	n := s.cell.H
	if _, h := s.cell.Method.At(s.committed); h > 0 {
		n = int(h)
	}
	n = min(n, s.cell.Steps-s.done)
	at := outer.Round{Height: s.height + 1, Tokens: s.committed}
	tokens := uint64(n) * uint64(s.cell.Batch) * uint64(s.set.SeqLen)
	var updates []outer.Update
	var claims []uint64
	next := s.cursor
	for i, p := range s.peers {
		if err := s.learn(i, n); err != nil {
			return err
		}
		err, claim := s.publish(p, at), tokens
		if s.hostile(i) && err == nil {
			err, claim = s.forge(i, at), tokens*max(s.cell.Attack.Claim, 1)
		}
		if err != nil {
			return fmt.Errorf("peer %d, round %d: %w", i, at.Height, err)
		}
		updates, claims = append(updates, outer.Update{Payload: p.payload, Tokens: claim}), append(claims, claim)
		s.sent += uint64(len(p.payload))
		// What the peer takes in its lane until it adopts the commit is reserved, as a node does.
		next = max(next, p.lane.High()+uint64(s.cell.Late*s.cell.Batch*len(s.peers)))
	}
	if err := s.method.Apply(s.before, s.head, at, updates); err != nil {
		return fmt.Errorf("round %d: %w", at.Height, err)
	}
	s.before, s.head = s.head, s.before
	s.height, s.cursor = at.Height, next
	for _, counted := range outer.Counted(claims) {
		s.committed += counted
	}
	s.done += n
	return nil
}

// alone trains up to the next measurement.
func (s *swarm) alone() error {
	n, p := min(s.cell.every(), s.cell.Steps-s.done), s.peers[0]
	if s.done == 0 {
		if err := s.learner.Load(p.theta, p.m, p.v, 0); err != nil {
			return err
		}
	}
	for range n {
		if err := s.train(p); err != nil {
			return err
		}
	}
	s.done += n
	if s.cell.Peers > 1 { // all-reduce: a dense gradient every step
		s.sent += uint64(n) * uint64(s.cell.Peers) * s.dense
	}
	_, err := s.learner.Read(s.head, nil, nil)
	return err
}

// learn has a peer do n steps, and adopt the commit before when it comes.
func (s *swarm) learn(i, n int) error {
	p := s.peers[i]
	if s.cell.Fresh {
		clear(p.m)
		clear(p.v)
	}
	if err := s.learner.Load(p.theta, p.m, p.v, p.step); err != nil {
		return err
	}
	for k := 0; ; k++ {
		if k == min(s.cell.Late, n) && s.height > 0 {
			if err := s.adopt(i); err != nil {
				return fmt.Errorf("peer %d adopts round %d: %w", i, s.height, err)
			}
		}
		if k == n {
			break
		}
		if err := s.train(p); err != nil {
			return fmt.Errorf("peer %d: %w", i, err)
		}
	}
	step, err := s.learner.Read(p.theta, p.m, p.v)
	p.step = step
	return err
}

// train does one step, at the rate of worker's stepper.
func (s *swarm) train(p *peer) error {
	width := s.set.SeqLen + 1
	for i := range len(s.batch) / width {
		if err := s.set.Fill(s.batch[i*width:], s.id, p.lane.Next()); err != nil {
			return err
		}
	}
	loss, err := s.learner.Step(s.batch, s.rates.Rate(int64(p.committed+p.since*uint64(len(s.peers)))))
	if err != nil {
		return err
	}
	if x := float64(loss); math.IsNaN(x) || math.IsInf(x, 0) {
		return codec.ErrDiverged
	}
	p.since += uint64(len(s.batch)/width) * uint64(s.set.SeqLen)
	return nil
}

// adopt moves the peer in the trainer to the head.
func (s *swarm) adopt(i int) error {
	p, n := s.peers[i], len(s.delta)
	clear(s.delta)
	if err := p.private.Move(s.delta, s.before[:n], s.head[:n], nil, p.own); err != nil {
		return err
	}
	p.lane, p.committed, p.since = s.lane(i, len(s.peers)), s.committed, 0
	if g, ok := s.learner.(worker.Gatherer); ok {
		return g.Set(s.delta)
	}
	return s.learner.Add(s.delta)
}

// publish encodes what the peer in the trainer learned.
func (s *swarm) publish(p *peer, at outer.Round) error {
	taken := s.delta
	if s.learning.Gradients {
		g, ok := s.learner.(worker.Gatherer)
		if !ok {
			return fmt.Errorf("the trainer gathers no gradients")
		}
		if _, err := g.Take(taken); err != nil {
			return err
		}
	} else {
		copy(taken, p.theta)
	}
	payload, moved, err := p.private.Encode(p.payload, at, s.head[:len(taken)], taken)
	if err != nil {
		return err
	}
	if moved {
		for i, d := range taken {
			p.theta[i] += d
		}
	}
	p.payload, p.own = payload, []outer.Own{{Height: at.Height, Payload: payload}}
	return s.method.Check(at.Height, payload)
}
