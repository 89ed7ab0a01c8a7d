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
	frozen  *model.Frozen
	losses  *pass
	next    *pass
}

// New prepares an evaluator that reads batch windows at a time; graphs are compiled at first use. frozen is what a model's adapter leaves as it
// is, nil without one. The caller owns it and the backend, and closes both after the evaluator.
func New(backend compute.Backend, c model.Config, frozen *model.Frozen, batch int) (*Evaluator, error) {
	if backend == nil {
		return nil, errors.New("eval: no backend")
	}
	if batch < 1 || batch > MaxBatch {
		return nil, fmt.Errorf("eval: batch is %d, want 1 to %d", batch, MaxBatch)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if (c.Adapter != nil) != (frozen != nil) {
		return nil, errors.New("eval: a model with an adapter needs its base, and no other does")
	}
	e := &Evaluator{backend: backend, model: c, layout: c.Layout(), frozen: frozen, batch: batch}
	var err error
	if e.losses, err = e.newPass(batch, e.lossGraph); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	if e.next, err = e.newPass(1, e.nextGraph); err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	return e, nil
}

// Close frees the compiled graphs. The backend stays open.
func (e *Evaluator) Close() {
	e.losses.close()
	e.next.close()
}

// lossGraph makes losses float32 [batch·seq] of targets int32 [batch, seq].
func (e *Evaluator) lossGraph(norm, head, hidden, targets *graph.Node) *graph.Node {
	return model.TokenLosses(model.Head(e.model, model.Compute{}, norm, head, hidden), graph.Reshape(targets, -1))
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
		err := e.read(params, window, func(flat []float32) {
			for _, l := range flat[:count] {
				sum += float64(l)
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return sum / float64(len(tokens)-1), nil
}

// read hands over the losses of windows [batch, seq+1], each of whose tokens but the first is predicted.
func (e *Evaluator) read(params []*tensors.Tensor, windows []int32, use func(losses []float32)) error {
	seq := len(windows)/e.batch - 1
	inputs, targets := make([]int32, 0, e.batch*seq), make([]int32, 0, e.batch*seq)
	for row := range e.batch {
		window := windows[row*(seq+1):][:seq+1]
		inputs, targets = append(inputs, window[:seq]...), append(targets, window[1:]...)
	}
	side := func(flat []int32) *tensors.Tensor { return tensors.FromFlatDataAndDimensions(flat, e.batch, seq) }
	if err := e.losses.run(params, side(inputs), side(targets), use); err != nil {
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
