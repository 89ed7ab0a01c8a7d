package inner

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"

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
	if p.Optimizer.Kind == KindGradient {
		return nil, fmt.Errorf("inner: a trainer needs the optimizer %s or %s; %s is for NewGradient", KindAdamW, KindMuon, KindGradient)
	}
	layout := p.Model.Layout()
	t := &Trainer{replica{params: p, layout: layout, regions: [3]model.Layout{layout, layout, nil}}}
	for _, tensor := range layout {
		if !t.hidden(tensor) {
			t.regions[2] = append(t.regions[2], tensor) // the last tensor is among them, so Upload sees the whole length
		}
	}
	if err := t.compile(t.stepGraph, 4); err != nil {
		return nil, err
	}
	return t, nil
}

// hidden tells whether Muon trains a tensor.
func (t *Trainer) hidden(tensor model.Tensor) bool {
	return t.params.Optimizer.Kind == KindMuon && hidden(tensor)
}

// stepGraph takes parameters, first and second moments, tokens, the learning rate, and the scalars of adam.Factors. It
// returns new parameters, first and second moments, and the loss.
func (t *Trainer) stepGraph(in []*graph.Node) []*graph.Node {
	o, n, state := t.params.Optimizer, len(t.layout), 2*len(t.layout)+len(t.regions[2])
	params, m, v := in[:n], in[n:2*n], in[2*n:state]
	rate, adamRate, decay, correction := in[state+1], in[state+2], in[state+3], in[state+4]
	loss, grads := t.lossGraph(params, in[state])

	out := make([]*graph.Node, state+1)
	out[state] = loss
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
	batch, err := t.upload(tokens)
	if err != nil {
		return 0, err
	}
	f := t.params.Optimizer.Factors(rate, t.steps+1)
	out, err := t.run(t.step, t.state, batch, float32(rate), f.Rate, f.Decay, f.Correction)
	if err != nil {
		return 0, fmt.Errorf("inner: step %d: %w", t.steps+1, err)
	}
	last := len(out) - 1
	t.state = out[:last]
	t.steps++
	if loss, err = scalar(out[last]); err != nil {
		return 0, fmt.Errorf("inner: the loss of step %d: %w", t.steps, err)
	}
	return loss, nil
}
