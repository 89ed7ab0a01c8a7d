// Package eval measures and samples a model: the held-out loss of a parameter vector, and text generation.
//
// Both run forward passes of one fixed shape, so each compiles once, on any backend. The package holds no parameters
// between calls and knows nothing of training, rounds or tokenizers.
package eval

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// MaxBatch bounds the windows of one forward pass.
const MaxBatch = 1 << 16

// Evaluator holds the compiled graphs. One goroutine uses it at a time.
type Evaluator struct {
	backend compute.Backend
	model   model.Config
	layout  model.Layout
	batch   int
	losses  *graph.Exec
	next    *graph.Exec
}

// New prepares an evaluator that reads batch windows at a time; graphs are compiled at first use. The caller owns
// the backend and closes it after the evaluator.
func New(backend compute.Backend, c model.Config, batch int) (*Evaluator, error) {
	if backend == nil {
		return nil, errors.New("eval: no backend")
	}
	if batch < 1 || batch > MaxBatch {
		return nil, fmt.Errorf("eval: batch is %d, want 1 to %d", batch, MaxBatch)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &Evaluator{backend: backend, model: c, layout: c.Layout(), batch: batch}
	var err error
	if e.losses, err = graph.NewExec(backend, e.lossGraph); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	if e.next, err = graph.NewExec(backend, e.nextGraph); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	return e, nil
}

// Close frees the compiled graphs. The backend stays open.
func (e *Evaluator) Close() {
	e.losses.Finalize()
	e.next.Finalize()
}

// lossGraph takes the parameters and tokens int32 [batch, SeqLen+1]; it returns losses float32 [batch, SeqLen].
func (e *Evaluator) lossGraph(in []*graph.Node) []*graph.Node {
	n, seq := len(e.layout), e.model.SeqLen
	inputs := graph.Slice(in[n], graph.AxisRange(), graph.AxisRange(0, seq))
	targets := graph.Slice(in[n], graph.AxisRange(), graph.AxisRange(1, seq+1))
	return []*graph.Node{model.TokenLosses(model.Logits(e.model, model.Compute{}, in[:n], inputs), targets)}
}

// Loss is the mean cross-entropy, in nats for each predicted token, of the text under theta. The text is read in
// consecutive windows of SeqLen predictions, each without sight of those before it; every token but the first is
// predicted once. The last window is padded and its padding not counted. Sums are float64 in text order.
func (e *Evaluator) Loss(theta []float32, tokens []int32) (loss float64, err error) {
	if len(tokens) < 2 {
		return 0, fmt.Errorf("eval: %d tokens, want at least 2", len(tokens))
	}
	if err := e.inVocabulary(tokens); err != nil {
		return 0, err
	}
	params, err := e.layout.Upload(e.backend, theta)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, model.Free(params)) }()

	seq := e.model.SeqLen
	window := make([]int32, e.batch*(seq+1))
	var sum float64
	for at := 0; at < len(tokens)-1; at += e.batch * seq {
		clear(window)
		for row := range e.batch {
			if from := at + row*seq; from < len(tokens) {
				copy(window[row*(seq+1):][:seq+1], tokens[from:])
			}
		}
		count := min(e.batch*seq, len(tokens)-1-at)
		err := e.call(e.losses, params, func(flat []float32) {
			for _, l := range flat[:count] {
				sum += float64(l)
			}
		}, tensors.FromFlatDataAndDimensions(window, e.batch, seq+1))
		if err != nil {
			return 0, err
		}
	}
	return sum / float64(len(tokens)-1), nil
}

// call runs a graph of one output on params and one more input, hands over the output's values, and frees both.
func (e *Evaluator) call(exec *graph.Exec, params []*tensors.Tensor, use func(flat []float32), inputs ...*tensors.Tensor) error {
	args := make([]any, 0, len(params)+len(inputs))
	for _, t := range append(params[:len(params):len(params)], inputs...) {
		args = append(args, t)
	}
	out, err := exec.Call(args...)
	if err == nil {
		err = tensors.ConstFlatData(out[0], use)
	}
	if err = errors.Join(err, model.Free(out), model.Free(inputs)); err != nil {
		return fmt.Errorf("eval: forward pass: %w", err)
	}
	return nil
}

func (e *Evaluator) inVocabulary(tokens []int32) error {
	for i, token := range tokens {
		if token < 0 || int(token) >= e.model.Vocab {
			return fmt.Errorf("eval: token %d at %d is outside the vocabulary of %d", token, i, e.model.Vocab)
		}
	}
	return nil
}
