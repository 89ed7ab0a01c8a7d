package trial

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// Params are what all trials have in common.
type Params struct {
	Engine worker.Engine
	// Spec is what a peer's trainer is told: backend, model, the optimizer's settings. A cell decides on the optimizer's
	// kind, the batch and the schedule, of which only the floor counts here.
	Spec worker.Spec
	Data *data.Dataset
}

// Validate says what is missing.
func (p Params) Validate() error {
	if p.Data == nil {
		return errors.New("a trial needs data")
	}
	if p.Data.SeqLen != p.Spec.Model.SeqLen {
		return fmt.Errorf("samples of %d tokens for a model that reads %d", p.Data.SeqLen, p.Spec.Model.SeqLen)
	}
	return errors.Join(p.Engine.Validate(), p.Spec.Model.Validate())
}

// Bench holds the device and the trainers that were compiled for it. One goroutine uses it at a time.
type Bench struct {
	p        Params
	device   worker.Device
	params   int
	learners map[kind]worker.Learner
	judge    worker.Judge
}

// kind is what one compiled trainer is for.
type kind struct {
	optimizer string
	batch     int
	short     bool
}

// New opens the device.
func New(p Params) (*Bench, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	d, err := p.Engine.Open(p.Spec.Backend)
	if err == nil && p.Spec.Model.Adapter != nil {
		d.Frozen, err = p.Engine.Freeze(d, p.Spec)
	}
	if err != nil {
		return nil, err
	}
	return &Bench{p: p, device: d, params: p.Spec.Model.Layout().Params(), learners: map[kind]worker.Learner{}}, nil
}

// Device is what trials run on.
func (b *Bench) Device() worker.Device { return b.device }

// Parameters of the model.
func (b *Bench) Parameters() int { return b.params }

// Close frees what the trials made.
func (b *Bench) Close() {
	for _, l := range b.learners {
		l.Close()
	}
	if b.judge != nil {
		b.judge.Close()
	}
	if b.device.Frozen != nil {
		_ = b.device.Frozen.Close() // nothing can be done about a buffer that does not free
	}
	if b.device.Backend != nil {
		b.device.Backend.Finalize()
	}
}

// Untrained is the loss of initial weights on so many held-out tokens.
func (b *Bench) Untrained(heldout int) (float64, error) {
	j, err := b.opened()
	if err != nil {
		return 0, err
	}
	return j.Loss(model.Init(b.p.Spec.Model, [32]byte{}), b.p.Data.Heldout[:heldout])
}

func (b *Bench) learner(k kind) (worker.Learner, error) {
	if l, ok := b.learners[k]; ok {
		return l, nil
	}
	s := b.p.Spec
	s.Optimizer.Kind, s.Batch = k.optimizer, k.batch
	if k.short {
		s.Optimizer.Precision = optimizer.BF16
	}
	l, err := b.p.Engine.Learner(b.device, s)
	if err != nil {
		return nil, err
	}
	b.learners[k] = l
	return l, nil
}

func (b *Bench) opened() (worker.Judge, error) {
	if b.judge == nil {
		j, err := b.p.Engine.Judge(b.device, b.p.Spec)
		if err != nil {
			return nil, err
		}
		b.judge = j
	}
	return b.judge, nil
}

// Run does one trial. A trial whose model diverges has a result, which says so.
func (b *Bench) Run(ctx context.Context, c Cell) (Result, error) {
	r, _, err := b.Learn(ctx, c)
	return r, err
}

// Learn does one trial, and gives what was learned too.
func (b *Bench) Learn(ctx context.Context, c Cell) (Result, []float32, error) {
	r := Result{Cell: c, Backend: b.device.Config}
	if err := c.Validate(); err != nil {
		return r, nil, err
	}
	if c.Heldout > len(b.p.Data.Heldout) {
		return r, nil, fmt.Errorf("a held-out part of %d tokens: the data have %d", c.Heldout, len(b.p.Data.Heldout))
	}
	began := time.Now()
	s, err := b.prepare(c)
	if err != nil {
		return r, nil, err
	}
	for s.done < c.Steps && err == nil {
		if err = ctx.Err(); err == nil {
			err = s.round()
		}
		if err == nil && (s.done/c.every() > s.measured || s.done == c.Steps) {
			s.measured = s.done / c.every()
			err = s.measure(b)
		}
	}
	if errors.Is(err, codec.ErrDiverged) {
		r.Diverged, err = true, nil
	}
	r.Points, r.Sent, r.Seconds = s.points, sentAt(s.sent, c.Peers), time.Since(began).Seconds()
	return r, s.head[:b.params], err
}

// rates are the schedule of a cell, by tokens of all its peers.
func (b *Bench) rates(c Cell) schedule.Schedule {
	step := uint64(c.Peers * c.Batch * b.p.Data.SeqLen)
	return schedule.Schedule{
		Kind: schedule.Cosine, LR: c.Rate, LRFloor: b.p.Spec.Schedule.LRFloor,
		WarmupTokens: uint64(c.Total/warmupOf) * step, TotalTokens: uint64(c.Total) * step,
	}
}

// method of some settings for this model.
func (b *Bench) method(s outer.Settings, rates schedule.Schedule) (outer.Method, error) {
	var ts []outer.Tensor
	for _, t := range b.p.Spec.Model.Layout() {
		ts = append(ts, outer.Tensor{Shape: t.Shape, Layer: t.Block})
	}
	return outer.New(outer.Params{Tensors: ts, Settings: s, Optimizer: b.p.Spec.Optimizer.AdamW, Schedule: rates})
}

func (b *Bench) prepare(c Cell) (*swarm, error) {
	s := &swarm{cell: c, set: b.p.Data, rates: b.rates(c)}
	binary.LittleEndian.PutUint64(s.id[:], c.Seed)
	theta := model.Init(b.p.Spec.Model, s.id)
	nodes, k := c.Peers, kind{c.Optimizer, c.Batch, c.Short}
	if c.Method == nil {
		nodes, k.batch = 1, c.Peers*c.Batch
		s.head = theta
		a, err := b.method(outer.Settings{Name: outer.AllReduce, Mean: outer.MeanPlain}, s.rates)
		if err != nil {
			return nil, err
		}
		s.dense = uint64(a.MaxPayload())
	} else {
		m, err := b.method(*c.Method, s.rates)
		if err != nil {
			return nil, err
		}
		s.method, s.learning = m, m.Learning()
		if s.learning.Gradients {
			k.optimizer = optimizer.None
		}
		if s.learning.Waits && c.Late > 0 {
			return nil, fmt.Errorf("%s waits for each commit, which cannot be late", c.Method.Name)
		}
		s.head, s.before = make([]float32, m.State()), make([]float32, m.State())
		copy(s.head, theta)
		s.delta = make([]float32, b.params)
		for _, t := range b.p.Spec.Model.Layout() {
			if len(t.Shape) == 1 {
				s.gains = [2]int{t.Offset, t.Offset + t.Size}
			}
		}
	}
	if k.optimizer == optimizer.None && !s.learning.Gradients {
		return nil, fmt.Errorf("%s needs an inner optimizer", c.Line)
	}
	l, err := b.learner(k)
	if err != nil {
		return nil, err
	}
	s.learner, s.batch = l, make([]int32, k.batch*(s.set.SeqLen+1))
	for i := range nodes {
		p := &peer{theta: append([]float32(nil), theta...), lane: s.lane(i, nodes)}
		if !s.learning.Gradients {
			p.m, p.v = make([]float32, b.params), make([]float32, b.params)
		}
		if s.method != nil {
			p.private = outer.NewFeedback(s.method, b.params, nil)
		}
		s.peers = append(s.peers, p)
	}
	return s, nil
}

// measure takes the held-out loss of the shared model.
func (s *swarm) measure(b *Bench) error {
	j, err := b.opened()
	if err != nil {
		return err
	}
	loss, err := j.Loss(s.head[:b.params], s.set.Heldout[:s.cell.Heldout])
	if err != nil {
		return err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return codec.ErrDiverged
	}
	s.points = append(s.points, Point{
		Steps: s.done, Tokens: uint64(s.done) * uint64(s.cell.Batch) * uint64(s.set.SeqLen), Sent: sentAt(s.sent, s.cell.Peers), Loss: loss,
	})
	return nil
}
