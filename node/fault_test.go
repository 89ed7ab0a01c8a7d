package node_test

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/murmurnet/murmur/trainer/toy"
	"github.com/murmurnet/murmur/trainer/worker"
)

// fault is what is wrong with a daemon's trainer.
type fault struct {
	worse  atomic.Int64 // nats that its losses are too high
	broken atomic.Bool
	thrown atomic.Int64 // what the next step adds to every parameter
}

type faulty struct {
	worker.Learner
	*fault
	params int
}

func (l faulty) Step(tokens []int32, rate float64) (float32, error) {
	loss, err := l.Learner.Step(tokens, rate)
	if l.broken.Load() {
		err = errors.New("the device has lost its memory")
	}
	if v := l.thrown.Swap(0); v != 0 && err == nil {
		err = l.Add(slices.Repeat([]float32{float32(v)}, l.params))
	}
	return loss + float32(l.worse.Load()), err
}

func (m *fault) engine() *worker.Engine {
	e := toy.Engine()
	learner := e.Learner
	e.Learner = func(d worker.Device, s worker.Spec) (worker.Learner, error) {
		l, err := learner(d, s)
		return faulty{l, m, s.Model.Layout().Params()}, err
	}
	return &e
}
