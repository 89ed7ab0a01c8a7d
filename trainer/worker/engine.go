package worker

import (
	"context"
	"errors"
	"strings"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
)

// Learner trains one replica. One goroutine uses it, so it need not be safe for more.
type Learner interface {
	// Load replaces the state. m and v nil stand for zeros.
	Load(theta, m, v []float32, step int64) error
	// Step trains on tokens, [Batch, SeqLen+1], and returns the mean loss in nats. After an error the child gives up.
	Step(tokens []int32, rate float64) (loss float32, err error)
	// Read copies the state after the last step; any of the three may be nil.
	Read(theta, m, v []float32) (step int64, err error)
	// Add adds delta to θ.
	Add(delta []float32) error
	Close()
}

// Gatherer is a Learner whose θ stands still while it gathers gradients.
type Gatherer interface {
	Learner
	// Set replaces θ; what was gathered stays.
	Set(theta []float32) error
	// Take copies the mean of the gradients since it was last called, or loaded, and begins anew. Without any it is zero.
	Take(dst []float32) (steps int64, err error)
}

// Judge measures and speaks with a θ that is given to it.
type Judge interface {
	Loss(theta []float32, tokens []int32) (float64, error)
	Generate(ctx context.Context, theta []float32, prompt []int32, n int, s eval.Sampling, emit func(token int32) bool) error
	Close()
}

// Device is an opened device.
type Device struct {
	Backend  compute.Backend
	Config   string   // the configuration that opened
	Name     string   // in words
	Refusals []string // why better ones were not taken, a sentence each

	Frozen *model.Frozen // what the model's adapter leaves as it is; nil without one, and in engines that learn no model
}

// Engine makes the parts that compute. Each is made once, when it is first needed: making one may compile for seconds.
type Engine struct {
	Open    func(want string) (Device, error) // want is the backend that the spec names, empty for the best one
	Learner func(Device, Spec) (Learner, error)
	Judge   func(Device, Spec) (Judge, error)
	// Freeze uploads what the model's adapter leaves as it is, before the first learner or judge; nil: the engine needs none of it.
	Freeze func(Device, Spec) (*model.Frozen, error)
}

// GoMLX is the engine for real devices, which open opens.
func GoMLX(open func(want string) (Device, error)) Engine {
	return Engine{
		Open: open,
		Learner: func(d Device, s Spec) (Learner, error) {
			p := s.step()
			p.Backend, p.Compute.Half, p.Frozen = d.Backend, d.graphics(), d.Frozen
			p.Remat = p.Remat && !d.graphics()
			if s.Optimizer.Kind == optimizer.None {
				return learner(d, p, s.Less, inner.NewGradient)
			}
			return learner(d, p, s.Less, inner.New)
		},
		Judge: func(d Device, s Spec) (Judge, error) { return eval.New(d.Backend, s.Model, d.Frozen, s.Batch) },
		Freeze: func(d Device, s Spec) (*model.Frozen, error) {
			base, err := checkpoint.OpenBase(s.Model, s.Base)
			if err != nil {
				return nil, err
			}
			return s.Model.Freeze(d.Backend, s.Draws, base.Read)
		},
	}
}

// graphics tells whether a device is a graphics card, which multiplies bfloat16 matrices many times faster, and whose memory
// is its own.
func (d Device) graphics() bool {
	return strings.Contains(d.Config, "cuda") || strings.Contains(d.Config, "rocm")
}

// learner lays out the step for the memory there is, and smaller where that was too much, and compiles it.
func learner[L interface {
	comparable
	Learner
}](d Device, p inner.Params, less int, build func(inner.Params) (L, error)) (Learner, error) {
	var l L
	var err error
	if !d.graphics() {
		if p, err = inner.Fit(p, available()); err != nil {
			return nil, err
		}
	}
	for range less {
		p, _ = p.Less()
	}
	if d.graphics() {
		l, err = inner.NewFitting(p, build)
	} else {
		l, err = build(p)
	}
	if err != nil {
		return nil, err // not l, which is nil of its own type
	}
	return l, nil
}

// Validate says what an engine lacks.
func (e Engine) Validate() error {
	if e.Open == nil || e.Learner == nil || e.Judge == nil {
		return errors.New("a trainer's engine needs a way to open its device, a learner and a judge")
	}
	return nil
}
