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
	Optimizer optimizer.Optimizer
	Batch     int // samples of a step
	// Micro is how many samples go through the model at once; their gradients are summed on the device. It divides Batch; 0 is Batch.
	Micro   int
	Compute model.Compute
	Tight   bool // whether the process has Allocator's environment for little memory
}

// Validate reports the first parameter out of its range.
func (p Params) Validate() error {
	if p.Backend == nil {
		return errors.New("inner: no backend")
	}
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

// replica is a model on a device with the programs of a step. Trainer and Gradient are made of one.
//
// One program makes the gradients, one their clip factor, and one after the other the groups are updated, each freeing what it was
// given. So old and new state exist together for one group at a time: XLA's plugin is not told which output may take an input's memory.
type replica struct {
	params   Params
	layout   model.Layout
	groups   []group
	gradient *graph.Exec   // gradients of the samples that go through at once, then the loss
	factor   *graph.Exec   // what gradients are multiplied by; nil where it does not depend on them
	made     []*graph.Exec // all programs
	// state is θ, m and v on the device, each in the layout's order; a tensor is nil that is zero for good, a vector while nothing is loaded.
	state [3][]*tensors.Tensor
	steps int64
}

// graphFunc builds a program.
type graphFunc = func(in []*graph.Node) []*graph.Node

func newReplica(p Params) (*replica, error) {
	layout := p.Model.Layout()
	r := &replica{params: p, layout: layout, groups: grouped(layout)}
	theta := layout.Shapes()
	tokens := shapes.Make(dtypes.Int32, p.atOnce(), p.Model.SeqLen+1)
	var err error
	if r.gradient, err = r.program(r.gradientGraph, append(slices.Clone(theta), tokens)); err == nil && p.Optimizer.ClipNorm > 0 {
		r.factor, err = r.program(r.factorGraph, theta)
	}
	if err == nil {
		twice := func(part model.Layout) []shapes.Shape { return append(part.Shapes(), part.Shapes()...) }
		err = r.programs(twice, func(model.Layout) graphFunc { return addGraph }, func(g *group, exec *graph.Exec) { g.add = exec })
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
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

// addGraph returns the first half of its inputs plus the second, one float32 addition each.
func addGraph(in []*graph.Node) []*graph.Node {
	n := len(in) / 2
	out := make([]*graph.Node, n)
	for i := range out {
		out[i] = graph.Add(in[i], in[n+i])
	}
	return out
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
		batch, err := r.upload(tokens[at : at+micro*width])
		if err != nil {
			return l, err
		}
		out, err := r.gradient.Call(append(anys(r.state[0]), batch)...)
		if err != nil {
			return l, err
		}
		n := len(r.layout)
		loss, err := scalar(out[n])
		sum += float64(loss)
		if l.grads == nil {
			l.grads = out[:n:n]
		} else {
			for i := range r.groups {
				if err == nil {
					err = r.run(&r.groups[i], r.groups[i].add, [][]*tensors.Tensor{l.grads, out[:n]})
				}
			}
			err = errors.Join(err, model.Free(out[:n]))
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

// upload copies samples of a checked batch to the device.
func (r *replica) upload(tokens []int32) (any, error) {
	cols := r.params.Model.SeqLen + 1
	batch, err := graph.DonateTensorBuffer(tensors.FromFlatDataAndDimensions(tokens, len(tokens)/cols, cols), r.params.Backend, model.Device)
	if err != nil {
		return nil, fmt.Errorf("inner: tokens to the device: %w", err)
	}
	return batch, nil
}

// scalar reads and frees a loss.
func scalar(t *tensors.Tensor) (x float32, err error) {
	err = tensors.ConstFlatData(t, func(flat []float32) { x = flat[0] })
	return x, errors.Join(err, t.FinalizeAll())
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
