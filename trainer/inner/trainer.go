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

// Params sets up a Trainer.
type Params struct {
	Backend   compute.Backend // owned by the caller, who closes it after the trainer
	Model     model.Config
	Optimizer AdamW
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

// Trainer holds one replica on one device: parameters, moments and the compiled step. One goroutine uses it at a time.
type Trainer struct {
	params Params
	layout model.Layout
	shapes []shapes.Shape
	step   *graph.Exec
	add    *graph.Exec
	state  []*tensors.Tensor // on the device: parameters, first moments, second moments; nil when lost or not loaded
	steps  int64
}

// New compiles the step: seconds on XLA, well under one in pure Go. Load comes next.
func New(p Params) (*Trainer, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	t := &Trainer{params: p, layout: p.Model.Layout()}
	t.shapes = t.layout.Shapes()
	var err error
	if t.step, err = graph.NewExec(p.Backend, t.stepGraph); err != nil {
		return nil, fmt.Errorf("inner: %w", err)
	}
	if t.add, err = graph.NewExec(p.Backend, t.addGraph); err != nil {
		return nil, fmt.Errorf("inner: %w", err)
	}
	_, stepErr := t.step.Compile(t.stepInputs()...)
	_, addErr := t.add.Compile(slices.Concat(t.shapes, t.shapes)...)
	if err := errors.Join(stepErr, addErr); err != nil {
		t.Close()
		return nil, fmt.Errorf("inner: compiling the training step: %w", err)
	}
	return t, nil
}

// stepInputs lists the step's inputs: parameters, first and second moments, tokens, then the scalars of factors.
func (t *Trainer) stepInputs() []shapes.Shape {
	tokens := shapes.Make(dtypes.Int32, t.params.Batch, t.params.Model.SeqLen+1)
	scalar := shapes.Make(dtypes.Float32)
	return append(slices.Concat(t.shapes, t.shapes, t.shapes), tokens, scalar, scalar, scalar)
}

// stepGraph returns new parameters, first and second moments, and the loss.
func (t *Trainer) stepGraph(in []*graph.Node) []*graph.Node {
	n := len(t.layout)
	params, m, v := in[:n], in[n:2*n], in[2*n:3*n]
	tokens, rate, decay, correction := in[3*n], in[3*n+1], in[3*n+2], in[3*n+3]
	seq := t.params.Model.SeqLen
	inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, seq))
	targets := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, seq+1))

	loss := model.Loss(model.Logits(t.params.Model, params, inputs), targets)
	grads := t.params.Optimizer.clip(graph.Gradient(loss, params...))
	out := make([]*graph.Node, 3*n+1)
	for i, tensor := range t.layout {
		d := decay
		if !t.params.Optimizer.DecayAll && !tensor.Decays() {
			d = nil
		}
		out[i], out[n+i], out[2*n+i] = t.params.Optimizer.update(params[i], grads[i], m[i], v[i], rate, d, correction)
	}
	out[3*n] = loss
	return out
}

// addGraph returns parameters plus deltas, one float32 addition each.
func (t *Trainer) addGraph(in []*graph.Node) []*graph.Node {
	n := len(t.layout)
	out := make([]*graph.Node, n)
	for i := range out {
		out[i] = graph.Add(in[i], in[n+i])
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
	rows, cols := t.params.Batch, t.params.Model.SeqLen+1
	if len(tokens) != rows*cols {
		return 0, fmt.Errorf("inner: %d tokens, want %d samples of %d", len(tokens), rows, cols)
	}
	for i, token := range tokens {
		if token < 0 || int(token) >= t.params.Model.Vocab {
			return 0, fmt.Errorf("inner: token %d at %d is outside the vocabulary of %d", token, i, t.params.Model.Vocab)
		}
	}
	f := t.params.Optimizer.factors(rate, t.steps+1)
	batch, err := graph.DonateTensorBuffer(tensors.FromFlatDataAndDimensions(tokens, rows, cols), t.params.Backend, model.Device)
	if err != nil {
		return 0, fmt.Errorf("inner: tokens to the device: %w", err)
	}
	out, err := t.run(t.step, t.state, batch, f.rate, f.decay, f.correction)
	if err != nil {
		return 0, fmt.Errorf("inner: step %d: %w", t.steps+1, err)
	}
	last := len(out) - 1
	t.state = out[:last]
	t.steps++
	err = tensors.ConstFlatData(out[last], func(flat []float32) { loss = flat[0] })
	if err != nil {
		return 0, fmt.Errorf("inner: reading the loss of step %d: %w", t.steps, err)
	}
	return loss, out[last].FinalizeAll()
}

// run executes with the tensors of donated given away, followed by rest. On an error nothing of the state is left.
func (t *Trainer) run(exec *graph.Exec, donated []*tensors.Tensor, rest ...any) (out []*tensors.Tensor, err error) {
	defer func() {
		if err != nil {
			t.drop()
			err = errors.Join(ErrLost, err)
		}
	}()
	args := make([]any, 0, len(donated)+len(rest))
	for _, s := range donated {
		d, err := graph.DonateTensorBuffer(s, t.params.Backend, model.Device)
		if err != nil {
			return nil, err
		}
		args = append(args, d)
	}
	return exec.Call(append(args, rest...)...)
}

// Close frees the device memory. The backend stays open.
func (t *Trainer) Close() {
	t.drop()
	t.step.Finalize()
	t.add.Finalize()
}
