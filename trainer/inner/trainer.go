// Package inner is the inner optimizer: one compiled training step (forward, backward, clipping, update) whose
// parameters and moments stay on the device from step to step.
//
// A step costs what a bare GoMLX loop costs: only tokens go in and one loss comes out. Parameters cross to the host
// only in Load, Read and Add; Gradient's gradients do in each step, for methods whose optimizer is shared state. The
// package must not know of rounds, peers, data sets or files.
package inner

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
)

// Trainer holds one replica on one device: parameters, moments and the compiled step. One goroutine uses it at a time.
// With Muon, m holds hidden matrices' momentum, and they have no v.
type Trainer struct {
	replica
}

// New compiles the step of AdamW or Muon: seconds on XLA, well under one in pure Go. Load comes next.
func New(p Params) (*Trainer, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Optimizer.Kind == optimizer.None {
		return nil, fmt.Errorf("inner: a trainer needs the optimizer %s or %s; %s is for NewGradient", optimizer.AdamW, optimizer.Muon, optimizer.None)
	}
	layout := p.Model.Layout()
	t := &Trainer{replica{params: p, layout: layout, regions: [3]model.Layout{layout, layout, nil}}}
	for _, tensor := range layout {
		if !t.hidden(tensor) {
			t.regions[2] = append(t.regions[2], tensor) // the last tensor is among them, so Upload sees the whole length
		}
	}
	if err := t.compile(t.update, 4); err != nil {
		return nil, err
	}
	return t, nil
}

// hidden tells whether Muon trains a tensor.
func (t *Trainer) hidden(tensor model.Tensor) bool {
	return t.params.Optimizer.Kind == optimizer.Muon && hidden(tensor)
}

// update takes parameters, first and second moments, clipped gradients, and as scalars the learning rate and those of
// adam.Factors. It returns new parameters, first and second moments.
func (t *Trainer) update(state, grads, scalars []*graph.Node) []*graph.Node {
	o, n := t.params.Optimizer, len(t.layout)
	params, m, v := state[:n], state[n:2*n], state[2*n:]
	rate, adamRate, decay, correction := scalars[0], scalars[1], scalars[2], scalars[3]

	out := make([]*graph.Node, len(state))
	var matrices []int
	second := 0
	for i, tensor := range t.layout {
		if t.hidden(tensor) {
			matrices = append(matrices, i)
			continue
		}
		d := decay
		if !o.DecayAll && !tensor.Decays() {
			d = nil
		}
		out[i], out[n+i], out[2*n+second] = adamw(o.AdamW, params[i], grads[i], m[i], v[second], adamRate, d, correction)
		second++
	}
	pick := func(all []*graph.Node) (some []*graph.Node) {
		for _, i := range matrices {
			some = append(some, all[i])
		}
		return some
	}
	newParams, newMs := muon(o.Momentum, pick(params), pick(grads), pick(m), rate, decay)
	for k, i := range matrices {
		out[i], out[n+i] = newParams[k], newMs[k]
	}
	return out
}

// Step trains on one batch: tokens are Batch samples of SeqLen+1, each predicting its next; rate is the learning
// rate. It returns the mean cross-entropy in nats before the update; a loss that is not finite is the caller's to
// notice. After an error the parameters are lost (ErrLost) unless the error is about the arguments.
func (t *Trainer) Step(tokens []int32, rate float64) (loss float32, err error) {
	if t.state == nil {
		return 0, ErrLost
	}
	if err := t.check(tokens); err != nil {
		return 0, err
	}
	f := t.params.Optimizer.Factors(rate, t.steps+1)
	out, loss, err := t.learn(tokens, true, float32(rate), f.Rate, f.Decay, f.Correction)
	if len(out) > 0 {
		t.state = out
		t.steps++
	}
	if err != nil {
		return 0, fmt.Errorf("inner: step %d: %w", t.steps+1, err)
	}
	return loss, nil
}
