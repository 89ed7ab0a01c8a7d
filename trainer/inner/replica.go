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

// ErrLost says that a step failed after it had given its parameters to the device: the trainer holds none until Load.
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

// replica is a model on a device with a compiled step. Trainer and Gradient are made of one.
type replica struct {
	params Params
	layout model.Layout
	// regions list the tensors of θ, m and v that the device holds. The m and v of all other tensors are zero and take no memory.
	regions [3]model.Layout
	step    *graph.Exec // a step whose whole batch goes through at once; nil: gather and finish make a step
	gather  *graph.Exec
	finish  *graph.Exec
	add     *graph.Exec
	state   []*tensors.Tensor // tensors on the device, region after region; nil when lost or not loaded
	sums    []*tensors.Tensor // sums of gather: gradients, then the loss; zero between steps, nil before the first
	steps   int64
}

// update is what an optimizer makes of the state and of clipped gradients, with the scalars of a step.
type update func(state, grads, scalars []*graph.Node) []*graph.Node

// compile makes the graphs.
func (r *replica) compile(u update, scalars int) error {
	theta, one := r.layout.Shapes(), shapes.Make(dtypes.Float32)
	var state []shapes.Shape
	for _, region := range r.regions {
		state = append(state, region.Shapes()...)
	}
	tokens := shapes.Make(dtypes.Int32, r.params.atOnce(), r.params.Model.SeqLen+1)
	sums := append(slices.Clone(theta), one)
	more := slices.Repeat([]shapes.Shape{one}, scalars)

	var errs []error
	built := func(build func(in []*graph.Node) []*graph.Node, inputs ...[]shapes.Shape) *graph.Exec {
		exec, err := graph.NewExec(r.params.Backend, build)
		if err == nil {
			_, err = exec.Compile(slices.Concat(inputs...)...)
		}
		errs = append(errs, err)
		return exec
	}
	if r.params.atOnce() == r.params.Batch {
		r.step = built(r.stepGraph(u, len(state)), state, []shapes.Shape{tokens}, more)
	} else {
		r.gather = built(r.gatherGraph, sums, theta, []shapes.Shape{tokens})
		r.finish = built(r.finishGraph(u, len(state)), state, sums, more)
	}
	r.add = built(r.addGraph, theta, theta)
	if err := errors.Join(errs...); err != nil {
		r.Close()
		return fmt.Errorf("inner: compiling the training step: %w", err)
	}
	return nil
}

// lossGraph builds the mean loss of tokens [samples, SeqLen+1] and its gradients.
func (r *replica) lossGraph(theta []*graph.Node, tokens *graph.Node) (loss *graph.Node, grads []*graph.Node) {
	seq := r.params.Model.SeqLen
	inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, seq))
	targets := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, seq+1))
	loss = model.Loss(model.Logits(r.params.Model, r.params.Compute, theta, inputs), targets)
	return loss, graph.Gradient(loss, theta...)
}

// stepGraph takes the state, tokens and scalars; it returns what the update does, and the loss.
func (r *replica) stepGraph(u update, state int) func(in []*graph.Node) []*graph.Node {
	return func(in []*graph.Node) []*graph.Node {
		loss, grads := r.lossGraph(in[:len(r.layout)], in[state])
		return append(u(in[:state], clip(grads, r.params.Optimizer.ClipNorm), in[state+1:]), loss)
	}
}

// gatherGraph takes sums of gradients and loss, parameters and tokens; it returns the sums with those of the tokens.
func (r *replica) gatherGraph(in []*graph.Node) []*graph.Node {
	n := len(r.layout)
	loss, grads := r.lossGraph(in[n+1:2*n+1], in[2*n+1])
	out := make([]*graph.Node, n+1)
	for i, g := range append(grads, loss) {
		out[i] = graph.Add(in[i], g)
	}
	return out
}

// finishGraph takes the state, sums and scalars; it returns what the update does, the loss, and sums of zero.
func (r *replica) finishGraph(u update, state int) func(in []*graph.Node) []*graph.Node {
	share := 1 / float64(r.params.Batch/r.params.atOnce())
	return func(in []*graph.Node) []*graph.Node {
		n := len(r.layout)
		sums, scalars := in[state:state+n+1], in[state+n+1:]
		means, zeros := make([]*graph.Node, n+1), make([]*graph.Node, n+1)
		for i, sum := range sums {
			means[i], zeros[i] = graph.MulScalar(sum, share), graph.ZerosLike(sum)
		}
		out := u(in[:state], clip(means[:n], r.params.Optimizer.ClipNorm), scalars)
		return append(append(out, means[n]), zeros...)
	}
}

// learn takes the gradients of a checked batch and has the update done: its outputs, and the loss. With give the state is given
// to the update, and lost where that fails.
func (r *replica) learn(tokens []int32, give bool, scalars ...any) (out []*tensors.Tensor, loss float32, err error) {
	exec, state := r.step, r.state
	var rest []any
	if exec != nil {
		batch, err := r.upload(tokens)
		if err != nil {
			return nil, 0, err
		}
		rest = append(rest, batch)
	} else {
		if err := r.collect(tokens); err != nil {
			return nil, 0, err
		}
		exec = r.finish
		if rest, err = r.given(r.sums); err != nil {
			return nil, 0, err
		}
	}
	rest = append(rest, scalars...)
	sums := r.sums
	r.sums = nil
	if give {
		out, err = r.run(exec, state, rest...)
	} else {
		out, err = exec.Call(append(anys(state), rest...)...)
	}
	if err != nil {
		return nil, 0, err
	}
	if exec == r.finish {
		at := len(out) - len(sums)
		r.sums, out = out[at:], out[:at]
	}
	last := len(out) - 1
	loss, err = scalar(out[last])
	return out[:last], loss, err
}

// collect sums the gradients of a batch, some samples at a time.
func (r *replica) collect(tokens []int32) error {
	micro, width := r.params.atOnce(), r.params.Model.SeqLen+1
	if r.sums == nil {
		zeros := make([]float32, r.layout.Params())
		sums, err := r.layout.Upload(r.params.Backend, zeros)
		if err != nil {
			return err
		}
		r.sums = append(sums, tensors.FromScalar(float32(0)))
	}
	for at := 0; at < len(tokens); at += micro * width {
		batch, err := r.upload(tokens[at : at+micro*width])
		if err != nil {
			r.forget()
			return err
		}
		sums := r.sums
		r.sums = nil
		args, err := r.given(sums)
		if err == nil {
			r.sums, err = r.gather.Call(append(append(args, anys(r.state[:len(r.layout)])...), batch)...)
		}
		if err != nil {
			r.forget()
			return fmt.Errorf("inner: gathering gradients: %w", err)
		}
	}
	return nil
}

// forget drops sums that are not those of a whole batch.
func (r *replica) forget() {
	_ = model.Free(r.sums) // nothing can be done about a buffer that does not free
	r.sums = nil
}

func anys(ts []*tensors.Tensor) []any {
	args := make([]any, len(ts))
	for i, t := range ts {
		args[i] = t
	}
	return args
}

// addGraph returns parameters plus deltas, one float32 addition each.
func (r *replica) addGraph(in []*graph.Node) []*graph.Node {
	n := len(r.layout)
	out := make([]*graph.Node, n)
	for i := range out {
		out[i] = graph.Add(in[i], in[n+i])
	}
	return out
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

// run executes a graph on the tensors of donated, whose memory the graph may overwrite, followed by rest. An error drops
// the whole state.
func (r *replica) run(exec *graph.Exec, donated []*tensors.Tensor, rest ...any) (out []*tensors.Tensor, err error) {
	defer func() {
		if err != nil {
			r.drop()
			err = errors.Join(ErrLost, err)
		}
	}()
	args, err := r.given(donated)
	if err != nil {
		return nil, err
	}
	return exec.Call(append(args, rest...)...)
}

// given turns tensors into arguments whose memory a graph may overwrite.
func (r *replica) given(ts []*tensors.Tensor) ([]any, error) {
	args := make([]any, 0, len(ts))
	for _, t := range ts {
		d, err := graph.DonateTensorBuffer(t, r.params.Backend, model.Device)
		if err != nil {
			return nil, err
		}
		args = append(args, d)
	}
	return args, nil
}

// scalar reads and frees a loss.
func scalar(t *tensors.Tensor) (x float32, err error) {
	err = tensors.ConstFlatData(t, func(flat []float32) { x = flat[0] })
	return x, errors.Join(err, t.FinalizeAll())
}

func (r *replica) drop() {
	// Nothing can be done about a buffer that does not free.
	_ = model.Free(r.state)
	r.state = nil
}

// Close frees the device memory. The backend stays open.
func (r *replica) Close() {
	r.drop()
	r.forget()
	for _, exec := range []*graph.Exec{r.step, r.gather, r.finish, r.add} {
		if exec != nil {
			exec.Finalize()
		}
	}
}
