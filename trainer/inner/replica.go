package inner

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
)

// ErrLost says that a program failed that parameters were given to: the trainer holds none until Load.
var ErrLost = errors.New("inner: parameters were lost by a failed step; load them again")

// Params sets up a Trainer or a Gradient.
type Params struct {
	Backend   compute.Backend // backend of the caller, who closes it after the trainer
	Model     model.Config
	Frozen    *model.Frozen // what the model's adapter leaves as it is, which the caller closes after the trainer; nil without one
	Optimizer optimizer.Optimizer
	Batch     int // samples of a step
	// Micro is how many samples go through the model at once; their gradients are summed on the device. It divides Batch; 0 is Batch.
	Micro   int
	Compute model.Compute
	Remat   bool   // whether gradients are computed block by block, each block's forward pass twice
	Tight   bool   // whether the process has Allocator's environment for little memory
	Seed    uint64 // the peer's, from which noise follows where values are rounded
}

// Validate reports the first parameter out of its range.
func (p Params) Validate() error {
	if p.Backend == nil {
		return errors.New("inner: no backend")
	}
	if (p.Model.Adapter != nil) != (p.Frozen != nil) {
		return errors.New("inner: a model with an adapter needs its base, and no other does")
	}
	return p.shape()
}

// shape validates all but the backend.
func (p Params) shape() error {
	if p.Batch < 1 || p.Batch > optimizer.MaxBatch {
		return fmt.Errorf("inner: batch is %d, want 1 to %d", p.Batch, optimizer.MaxBatch)
	}
	if p.Micro < 0 || p.Micro > p.Batch || p.Micro > 0 && p.Batch%p.Micro != 0 {
		return fmt.Errorf("inner: %d samples at once, want a divisor of the batch of %d, or 0 for all", p.Micro, p.Batch)
	}
	if err := p.Model.Validate(); err != nil {
		return err
	}
	return p.Optimizer.Validate()
}

// atOnce is how many samples go through the model at once.
func (p Params) atOnce() int {
	if p.Micro == 0 {
		return p.Batch
	}
	return p.Micro
}

// byBlocks tells whether gradients are computed block by block: of a packed base one block at a time is unpacked so.
func (p Params) byBlocks() bool { return p.Remat || p.Model.Adapter != nil }

// replica is a model on a device with the programs of a step. Trainer and Gradient are made of one.
//
// One program makes the gradients, one their clip factor, and one after the other the groups are updated, each freeing what it was
// given. So old and new state exist together for one group at a time: XLA's plugin is not told which output may take an input's memory.
type replica struct {
	params   Params
	layout   model.Layout
	groups   []group
	gradient *graph.Exec   // gradients of the samples that go through at once, then the loss
	blocks   *blocks       // in place of gradient, where the step goes by blocks
	factor   *graph.Exec   // what gradients are multiplied by; nil where it does not depend on them
	made     []*graph.Exec // all programs
	// state is θ, m and v on the device, each in the layout's order; a tensor is nil that is zero for good, a vector while nothing is loaded.
	state [3][]*tensors.Tensor
	steps int64
	sums  int64 // additions of vectors since the last step
}

// graphFunc builds a program.
type graphFunc = func(in []*graph.Node) []*graph.Node

func newReplica(p Params) (*replica, error) {
	layout := p.Model.Layout()
	r := &replica{params: p, layout: layout, groups: grouped(layout)}
	theta := r.shapes(layout)
	var err error
	if p.byBlocks() {
		r.blocks, err = r.newBlocks()
	} else {
		tokens := shapes.Make(dtypes.Int32, p.atOnce(), p.Model.SeqLen+1)
		r.gradient, err = r.program(r.gradientGraph, append(slices.Clone(theta), tokens))
	}
	if err == nil && p.Optimizer.ClipNorm > 0 {
		r.factor, err = r.program(r.factorGraph, theta)
	}
	if err == nil {
		twice := func(part model.Layout) []shapes.Shape {
			return append(append(r.shapes(part), r.shapes(part)...), r.keyShapes(part)...)
		}
		err = r.programs(twice, func(part model.Layout) graphFunc { return r.addGraph(len(part)) }, func(g *group, exec *graph.Exec) { g.add = exec })
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// short tells whether state and gradients are bfloat16 on the device.
func (r *replica) short() bool { return r.params.Optimizer.Precision == optimizer.BF16 }

// shapes are those of tensors on the device.
func (r *replica) shapes(part model.Layout) []shapes.Shape {
	all := make([]shapes.Shape, len(part))
	for i, t := range part {
		all[i] = shapes.Make(dtypes.Float32, t.Shape...)
		if r.short() {
			all[i].DType = dtypes.BFloat16
		}
	}
	return all
}

// keyShapes is the shape of a group's keys, where there is anything to round.
func (r *replica) keyShapes(part model.Layout) []shapes.Shape {
	if !r.short() {
		return nil
	}
	return []shapes.Shape{shapes.Make(dtypes.Uint32, len(part), 2)}
}

// keys are the noise of a group's tensors in one use, for a program that rounds; the caller frees them.
func (r *replica) keys(g *group, use int, count int64) []*tensors.Tensor {
	if !r.short() {
		return nil
	}
	flat := make([]uint32, 0, 2*len(g.tensors))
	for _, i := range g.tensors {
		k := r.key(use, count, i)
		flat = append(flat, k[0], k[1])
	}
	return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(flat, len(g.tensors), 2)}
}

// program compiles a graph.
func (r *replica) program(build graphFunc, inputs []shapes.Shape) (*graph.Exec, error) {
	exec, err := graph.NewExec(r.params.Backend, build)
	if err == nil {
		r.made = append(r.made, exec)
		_, err = exec.Compile(inputs...)
	}
	if err != nil {
		return nil, fmt.Errorf("inner: compiling the training step: %w", err)
	}
	return exec, nil
}

// gradientGraph takes parameters and tokens.
func (r *replica) gradientGraph(in []*graph.Node) []*graph.Node {
	n := len(r.layout)
	loss, grads := model.Gradients(r.params.Model, r.params.Compute, in[:n], in[n])
	return append(grads, loss)
}

// share is what a sum of gradients is multiplied by to be the batch's mean.
func (r *replica) share() float64 { return float64(r.params.atOnce()) / float64(r.params.Batch) }

// factorGraph takes sums of gradients.
func (r *replica) factorGraph(sums []*graph.Node) []*graph.Node {
	return []*graph.Node{graph.MulScalar(clip(sums, r.share(), r.params.Optimizer.ClipNorm), r.share())}
}

// addGraph returns the first n of its inputs plus the second n, one float32 addition each, which the rest rounds.
func (r *replica) addGraph(n int) graphFunc {
	return func(in []*graph.Node) []*graph.Node {
		out := make([]*graph.Node, n)
		for i := range out {
			out[i] = graph.Add(wide(in[i]), wide(in[n+i]))
			if r.short() {
				out[i] = rounded(out[i], draws(out[i], keyOf(in[2*n], i))[0])
			}
		}
		return out
	}
}

func wide(x *graph.Node) *graph.Node { return graph.ConvertDType(x, dtypes.Float32) }

// sum adds a group's tensors of a vector to another's, and frees them.
func (r *replica) sum(g *group, to, more []*tensors.Tensor) error {
	keys := r.keys(g, forSum, r.steps<<20+r.sums)
	return errors.Join(r.run(g, g.add, [][]*tensors.Tensor{to, more}, anys(keys)...), model.Free(keys))
}

// gradientSum is what a batch teaches.
type gradientSum struct {
	grads  []*tensors.Tensor // sums over the parts of the batch
	factor *tensors.Tensor   // what they are to be multiplied by
	loss   float32           // mean cross-entropy in nats
}

func (l *gradientSum) free() {
	// Nothing can be done about a buffer that does not free.
	_ = model.Free(append(l.grads, l.factor))
}

// learn sums the gradients of a checked batch, some samples at a time. The caller frees what it returns, after an error too.
func (r *replica) learn(tokens []int32) (l gradientSum, err error) {
	micro, width := r.params.atOnce(), r.params.Model.SeqLen+1
	var sum float64
	for at := 0; at < len(tokens); at += micro * width {
		grads, loss, err := r.gradients(tokens[at : at+micro*width])
		sum += float64(loss)
		if l.grads == nil {
			l.grads = grads
		} else {
			r.sums++
			for k := range r.groups {
				if err == nil {
					err = r.sum(&r.groups[k], l.grads, grads)
				}
			}
			err = errors.Join(err, model.Free(grads))
		}
		if err != nil {
			return l, err
		}
	}
	l.loss = float32(sum * r.share())
	if r.factor == nil {
		l.factor = tensors.FromScalar(float32(r.share()))
		return l, nil
	}
	out, err := r.factor.Call(anys(l.grads)...)
	if err == nil {
		l.factor = out[0]
	}
	return l, err
}

// gradients computes those of samples that go through at once, and their loss. The caller frees them, after an error too.
func (r *replica) gradients(tokens []int32) (grads []*tensors.Tensor, loss float32, err error) {
	cols := r.params.Model.SeqLen + 1
	batch := tensors.FromFlatDataAndDimensions(tokens, len(tokens)/cols, cols)
	var mean *tensors.Tensor
	if r.blocks != nil {
		grads, mean, err = r.byBlocks(batch)
	} else {
		var out []*tensors.Tensor
		if out, err = r.gradient.Call(append(anys(r.state[0]), batch)...); err == nil {
			n := len(r.layout)
			grads, mean = out[:n:n], out[n]
		}
	}
	if err == nil {
		err = tensors.ConstFlatData(mean, func(flat []float32) { loss = flat[0] })
	}
	return grads, loss, errors.Join(err, model.Free([]*tensors.Tensor{batch, mean}))
}

func anys(ts []*tensors.Tensor) []any {
	args := make([]any, len(ts))
	for i, t := range ts {
		args[i] = t
	}
	return args
}

// check refuses what is not a batch.
func (r *replica) check(tokens []int32) error {
	rows, cols := r.params.Batch, r.params.Model.SeqLen+1
	if len(tokens) != rows*cols {
		return fmt.Errorf("inner: %d tokens, want %d samples of %d", len(tokens), rows, cols)
	}
	for i, token := range tokens {
		if token < 0 || int(token) >= r.params.Model.Vocab {
			return fmt.Errorf("inner: token %d at %d is outside the vocabulary of %d", token, i, r.params.Model.Vocab)
		}
	}
	return nil
}

// drop frees the state.
func (r *replica) drop() {
	for k, v := range r.state {
		_ = model.Free(v) // nothing can be done about a buffer that does not free
		r.state[k] = nil
	}
}

// Close frees the device memory. The backend stays open.
func (r *replica) Close() {
	r.drop()
	for _, exec := range r.made {
		exec.Finalize()
	}
}
