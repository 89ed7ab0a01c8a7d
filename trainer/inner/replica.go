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

	"github.com/murmurnet/murmur/trainer/model"
)

// MaxBatch bounds the samples of one step.
const MaxBatch = 1 << 16

// ErrLost says that a step failed after it had given its parameters to the device: the trainer holds none until Load.
var ErrLost = errors.New("inner: parameters were lost by a failed step; load them again")

// Params sets up a Trainer or a Gradient.
type Params struct {
	Backend   compute.Backend // owned by the caller, who closes it after the trainer
	Model     model.Config
	Optimizer Optimizer
	Batch     int // samples a step
}

// Validate reports the first parameter out of its range.
func (p Params) Validate() error {
	if p.Backend == nil {
		return errors.New("inner: no backend")
	}
	if p.Batch < 1 || p.Batch > MaxBatch {
		return fmt.Errorf("inner: batch is %d, want 1 to %d", p.Batch, MaxBatch)
	}
	if err := p.Model.Validate(); err != nil {
		return err
	}
	return p.Optimizer.Validate()
}

// replica is a model on a device and a compiled step: what Trainer and Gradient share.
type replica struct {
	params Params
	layout model.Layout
	// regions are the tensors that are kept of θ, m and v. The others' m and v are zero and nowhere.
	regions [3]model.Layout
	step    *graph.Exec
	add     *graph.Exec
	state   []*tensors.Tensor // on the device, region after region; nil when lost or not loaded
	steps   int64
}

// compile makes the step, whose inputs are the state, tokens, and then the scalars; and the graph of Add.
func (r *replica) compile(step func(in []*graph.Node) []*graph.Node, scalars int) error {
	theta := r.layout.Shapes()
	inputs := []shapes.Shape{}
	for _, region := range r.regions {
		inputs = append(inputs, region.Shapes()...)
	}
	inputs = append(inputs, shapes.Make(dtypes.Int32, r.params.Batch, r.params.Model.SeqLen+1))
	for range scalars {
		inputs = append(inputs, shapes.Make(dtypes.Float32))
	}
	var err error
	if r.step, err = graph.NewExec(r.params.Backend, step); err != nil {
		return fmt.Errorf("inner: %w", err)
	}
	if r.add, err = graph.NewExec(r.params.Backend, r.addGraph); err != nil {
		return fmt.Errorf("inner: %w", err)
	}
	_, stepErr := r.step.Compile(inputs...)
	_, addErr := r.add.Compile(slices.Concat(theta, theta)...)
	if err := errors.Join(stepErr, addErr); err != nil {
		r.Close()
		return fmt.Errorf("inner: compiling the training step: %w", err)
	}
	return nil
}

// lossGraph builds the mean loss of tokens [Batch, SeqLen+1] and its gradients, clipped.
func (r *replica) lossGraph(theta []*graph.Node, tokens *graph.Node) (loss *graph.Node, grads []*graph.Node) {
	seq := r.params.Model.SeqLen
	inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, seq))
	targets := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, seq+1))
	loss = model.Loss(model.Logits(r.params.Model, theta, inputs), targets)
	return loss, clip(graph.Gradient(loss, theta...), r.params.Optimizer.ClipNorm)
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

// upload brings a batch to the device.
func (r *replica) upload(tokens []int32) (any, error) {
	rows, cols := r.params.Batch, r.params.Model.SeqLen+1
	if len(tokens) != rows*cols {
		return nil, fmt.Errorf("inner: %d tokens, want %d samples of %d", len(tokens), rows, cols)
	}
	for i, token := range tokens {
		if token < 0 || int(token) >= r.params.Model.Vocab {
			return nil, fmt.Errorf("inner: token %d at %d is outside the vocabulary of %d", token, i, r.params.Model.Vocab)
		}
	}
	batch, err := graph.DonateTensorBuffer(tensors.FromFlatDataAndDimensions(tokens, rows, cols), r.params.Backend, model.Device)
	if err != nil {
		return nil, fmt.Errorf("inner: tokens to the device: %w", err)
	}
	return batch, nil
}

// run executes with the tensors of donated given away, followed by rest. On an error nothing of the state is left.
func (r *replica) run(exec *graph.Exec, donated []*tensors.Tensor, rest ...any) (out []*tensors.Tensor, err error) {
	defer func() {
		if err != nil {
			r.drop()
			err = errors.Join(ErrLost, err)
		}
	}()
	args := make([]any, 0, len(donated)+len(rest))
	for _, s := range donated {
		d, err := graph.DonateTensorBuffer(s, r.params.Backend, model.Device)
		if err != nil {
			return nil, err
		}
		args = append(args, d)
	}
	return exec.Call(append(args, rest...)...)
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
	r.step.Finalize()
	r.add.Finalize()
}
