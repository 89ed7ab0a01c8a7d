package eval

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/murmurnet/murmur/trainer/model"
)

// widthStep is what LogLikelihoods rounds the width of its windows up to.
const widthStep = 64

// LogLikelihoods gives to emit, one by one in their order, the log-likelihood under theta, in nats, of the last
// scored[i] tokens of tokens[i] after those before them; a sequence has at most SeqLen+1 tokens, of which the first
// is never scored. It ends early when ctx does. Sums are float64 in text order.
func (e *Evaluator) LogLikelihoods(ctx context.Context, theta []float32, tokens [][]int32, scored []int, emit func(logLikelihood float64)) (err error) {
	if err := e.scorable(tokens, scored); err != nil {
		return err
	}
	params, err := e.layout.Upload(e.backend, theta)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Free(params)) }()

	// Questions are short: in windows of 2048 predictions an item of 100 tokens would cost twenty times its share.
	longest := 0
	for _, sequence := range tokens {
		longest = max(longest, len(sequence)-1)
	}
	c := e.model
	c.SeqLen = c.Positions(longest)
	if longest+widthStep <= c.SeqLen {
		c.SeqLen = (longest + widthStep - 1) / widthStep * widthStep
	}
	if c.SeqLen != e.model.SeqLen {
		if e, err = New(e.backend, c, e.frozen, e.batch); err != nil {
			return err
		}
		defer e.Close()
	}

	seq := e.model.SeqLen
	for len(tokens) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(e.batch, len(tokens))
		window := make([]int32, e.batch*(seq+1)) // what stands behind a sequence's end has no effect, by causality
		for row, sequence := range tokens[:count] {
			copy(window[row*(seq+1):], sequence)
		}
		sums := make([]float64, count)
		err := e.read(params, window, func(flat []float32) {
			for row, sequence := range tokens[:count] {
				end := row*seq + len(sequence) - 1 // losses[i] is that of token i+1
				for _, l := range flat[end-scored[row] : end] {
					sums[row] -= float64(l)
				}
			}
		})
		if err != nil {
			return err
		}
		for _, sum := range sums {
			if math.IsNaN(sum) || math.IsInf(sum, 0) {
				return fmt.Errorf("eval: a log-likelihood is %g: the parameters have diverged", sum)
			}
			emit(sum)
		}
		tokens, scored = tokens[count:], scored[count:]
	}
	return nil
}

func (e *Evaluator) scorable(tokens [][]int32, scored []int) error {
	if len(tokens) != len(scored) {
		return fmt.Errorf("eval: %d sequences and %d counts of tokens to score", len(tokens), len(scored))
	}
	for i, sequence := range tokens {
		if len(sequence) > e.model.SeqLen+1 {
			return fmt.Errorf("eval: sequence %d has %d tokens, want at most %d", i, len(sequence), e.model.SeqLen+1)
		}
		if scored[i] < 1 || scored[i] >= len(sequence) {
			return fmt.Errorf("eval: %d of sequence %d's %d tokens are to be scored, want at least one scored and one before it", scored[i], i, len(sequence))
		}
		if err := e.inVocabulary(sequence); err != nil {
			return err
		}
	}
	return nil
}
