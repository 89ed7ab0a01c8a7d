// Package inner is the inner optimizer: one compiled training step (forward, backward, clipping, update) whose
// parameters and moments stay on the device from step to step.
//
// A step costs what a bare GoMLX loop costs: only tokens go in and one loss comes out. Parameters cross to the host
// only in Load, Read and Add; Gradient's gradients do in each step, for methods whose optimizer is shared state. The
// package must not know of rounds, peers, data sets or files.
package inner

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
)

// Trainer holds one replica on one device: parameters, moments and the compiled step. One goroutine uses it at a time.
// With Muon, m holds hidden matrices' momentum, and they have no v.
type Trainer struct {
	*replica
}

// New compiles the step of AdamW or Muon: seconds on XLA, well under one in pure Go. Load comes next.
func New(p Params) (*Trainer, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Optimizer.Kind == optimizer.None {
		return nil, fmt.Errorf("inner: a trainer needs the optimizer %s or %s; %s is for NewGradient", optimizer.AdamW, optimizer.Muon, optimizer.None)
	}
	r, err := newReplica(p)
	if err != nil {
		return nil, err
	}
	t := &Trainer{r}
	if err := t.programs(t.inputs, t.updateGraph, func(g *group, exec *graph.Exec) { g.update = exec }); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// inputs are those of a group's update: parameters, moments, gradients, what these are multiplied by, the scalars, and keys where values are rounded.
func (t *Trainer) inputs(part model.Layout) (in []shapes.Shape) {
	for k := range t.state {
		var held model.Layout
		for _, tensor := range part {
			if t.holds(k, tensor) {
				held = append(held, tensor)
			}
		}
		in = append(in, t.shapes(held)...)
	}
	in = append(append(in, t.shapes(part)...), shapes.Make(dtypes.Float32), shapes.Make(dtypes.Float32, scalars))
	return append(in, t.keyShapes(part)...)
}

// The scalars of an update, in the order of a vector.
const (
	rateAt       = iota // the learning rate
	adamRateAt          // the others are adam.Factors'
	decayAt             //
	correctionAt        //
	scalars             // how many there are
)

// updateGraph returns new parameters and moments.
func (t *Trainer) updateGraph(part model.Layout) graphFunc {
	return func(in []*graph.Node) []*graph.Node {
		o, n := t.params.Optimizer, len(part)
		var keys *graph.Node
		if t.short() {
			keys, in = in[len(in)-1], in[:len(in)-1]
		}
		in = slices.Clone(in)
		for i, x := range in {
			in[i] = wide(x)
		}
		params, m, last := in[:n], in[n:2*n], len(in)-1
		v, grads, factor := in[2*n:last-1-n], slices.Clone(in[last-1-n:last-1]), in[last-1]
		scalar := func(at int) *graph.Node { return graph.Squeeze(graph.Slice(in[last], graph.AxisRange(at, at+1))) }
		rate, adamRate, decay, correction := scalar(rateAt), scalar(adamRateAt), scalar(decayAt), scalar(correctionAt)

		out := make([]*graph.Node, 2*n+len(v))
		var matrices, seconds []int // seconds have a second moment
		for i, tensor := range part {
			grads[i] = graph.Mul(grads[i], factor)
			if t.muon(tensor) {
				matrices = append(matrices, i)
				continue
			}
			d := decay
			if !o.DecayAll && !tensor.Decays() {
				d = nil
			}
			k := len(seconds)
			seconds = append(seconds, i)
			out[i], out[n+i], out[2*n+k] = adamw(o.AdamW, params[i], grads[i], m[i], v[k], adamRate, d, correction)
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
		if keys != nil {
			for i := range n {
				noise := draws(out[i], keyOf(keys, i))
				out[i], out[n+i] = rounded(out[i], noise[0]), rounded(out[n+i], noise[1])
				if k := slices.Index(seconds, i); k >= 0 {
					out[2*n+k] = rounded(out[2*n+k], noise[2])
				}
			}
		}
		return out
	}
}

// Step trains on one batch: tokens are Batch samples of SeqLen+1, each predicting its next; rate is the learning
// rate. It returns the mean cross-entropy in nats before the update; a loss that is not finite is the caller's to
// notice. An error that wraps ErrLost has cost the parameters.
func (t *Trainer) Step(tokens []int32, rate float64) (loss float32, err error) {
	if t.state[0] == nil {
		return 0, ErrLost
	}
	if err := t.check(tokens); err != nil {
		return 0, err
	}
	l, err := t.learn(tokens)
	defer l.free()
	if err != nil {
		return 0, fmt.Errorf("inner: step %d: %w", t.steps+1, err)
	}
	f := t.params.Optimizer.Factors(rate, t.steps+1)
	with := tensors.FromValue([]float32{rateAt: float32(rate), adamRateAt: f.Rate, decayAt: f.Decay, correctionAt: f.Correction})
	defer func() { err = errors.Join(err, with.FinalizeAll()) }()
	vectors := append(slices.Clone(t.state[:]), l.grads)
	for i := range t.groups {
		if err == nil {
			g := &t.groups[i]
			keys := t.keys(g, forUpdate, t.steps)
			err = errors.Join(t.run(g, g.update, vectors, append([]any{l.factor, with}, anys(keys)...)...), model.Free(keys))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("inner: step %d: %w: %w", t.steps+1, t.lost(), err)
	}
	t.steps, t.sums = t.steps+1, 0
	return l.loss, nil
}
