package speed

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	ml "github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

// prepared is how many batches the bare loop goes round in.
const prepared = 16

// bare is a training loop of GoMLX and nothing else.
type bare struct {
	store  *ml.Store
	step   *ml.Exec
	inputs []*tensors.Tensor // int32 [Batch, SeqLen+1]
	tokens int               // predicted in a step
	next   int
}

func newBare(backend compute.Backend, s worker.Spec, theta []float32) (*bare, error) {
	b := &bare{store: ml.NewStore(), tokens: s.Batch * s.Model.SeqLen}
	layout := s.Model.Layout()
	weights := make([]*ml.Variable, len(layout))
	for i, t := range layout {
		weights[i] = b.store.RootScope().VariableWithValue(fmt.Sprintf("weight%d", i),
			tensors.FromFlatDataAndDimensions(theta[t.Offset:][:t.Size], t.Shape...))
	}
	set, err := data.New(data.Params{Tokens: data.Bytes(data.Opticks()), SeqLen: s.Model.SeqLen})
	if err != nil {
		return nil, err
	}
	width := s.Model.SeqLen + 1
	for i := range prepared {
		batch := make([]int32, s.Batch*width)
		for row := range s.Batch {
			set.Sample((i*s.Batch+row)%set.Samples(), batch[row*width:])
		}
		b.inputs = append(b.inputs, tensors.FromFlatDataAndDimensions(batch, s.Batch, width))
	}
	o := s.Optimizer
	adam := optimizer.Adam().LearningRate(s.Schedule.LR).Betas(o.Beta1, o.Beta2).Epsilon(o.Eps).WeightDecay(o.WeightDecay).Done()
	b.step, err = ml.NewExec(backend, b.store, func(scope *ml.Scope, tokens *graph.Node) *graph.Node {
		g := tokens.Graph()
		b.store.SetTraining(g, true)
		params := make([]*graph.Node, len(weights))
		for i, w := range weights {
			params[i] = w.NodeValue(g)
		}
		inputs := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(0, s.Model.SeqLen))
		targets := graph.Slice(tokens, graph.AxisRange(), graph.AxisRange(1, width))
		loss := model.Loss(model.Logits(s.Model, model.Compute{}, params, inputs), targets)
		adam.UpdateGraph(scope, g, loss)
		return loss
	})
	if err != nil {
		return nil, fmt.Errorf("the bare loop: %w", err)
	}
	return b, nil
}

// run does one step that does not count, then n that do, and returns their tokens/s.
func (b *bare) run(ctx context.Context, n int) (float64, error) {
	var began time.Time
	for i := range n + 1 {
		if i == 1 {
			began = time.Now()
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if _, err := b.once(); err != nil {
			return 0, fmt.Errorf("the bare loop's step: %w", err)
		}
	}
	return float64(n*b.tokens) / time.Since(began).Seconds(), nil
}

// once does a step on the next batch and returns its loss.
func (b *bare) once() (loss float32, err error) {
	out, err := b.step.Exec(b.inputs[b.next%prepared])
	if err != nil {
		return 0, err
	}
	b.next++
	return tensors.ToScalar[float32](out[0]), out[0].FinalizeAll()
}

func (b *bare) close() {
	b.step.Finalize()
	b.store.Finalize()
	for _, t := range b.inputs {
		_ = t.FinalizeAll() // nothing can be done about one that does not free
	}
}
