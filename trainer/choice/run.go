package choice

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Score gives to emit, one by one in their order, the log-likelihood in nats of the last scored[i] of tokens[i] after
// those before them. It ends early when ctx does.
type Score func(ctx context.Context, tokens [][]int32, scored []int, emit func(logLikelihood float64)) error

// Params are what Run needs.
type Params struct {
	Tokenizer Tokenizer
	SeqLen    int // tokens that the model reads; Score gets at most one more
	Score     Score
	Progress  func(done, total int) // counts choices; may be nil
}

func (p Params) validate() error {
	switch {
	case p.Tokenizer == nil:
		return errors.New("choice: no tokenizer")
	case p.SeqLen < 1:
		return fmt.Errorf("choice: the model reads %d tokens, want at least 1", p.SeqLen)
	case p.Score == nil:
		return errors.New("choice: nothing to score with")
	}
	return nil
}

// Report is a task's result. A measure that is not defined is nil: WinoGrande has no acc_norm, one item no standard
// error.
type Report struct {
	Task          Task     `json:"task"`
	Items         int      `json:"items"`
	Acc           float64  `json:"acc"` // share of items whose likeliest choice is the answer
	AccStderr     *float64 `json:"acc_stderr,omitempty"`
	AccNorm       *float64 `json:"acc_norm,omitempty"` // the same by log-likelihood a character
	AccNormStderr *float64 `json:"acc_norm_stderr,omitempty"`
}

// Run scores all choices of a task's items. All are encoded before the first is scored, so that one that cannot be
// ends the run at once.
func Run(ctx context.Context, p Params, task Task, items []Item) (Report, error) {
	if err := p.validate(); err != nil {
		return Report{}, err
	}
	if len(items) == 0 {
		return Report{}, errors.New("choice: no items")
	}
	var sequences [][]int32
	var scored []int
	for _, item := range items {
		for i, choice := range item.Choices {
			tokens, n, err := choice.encode(p.Tokenizer, p.SeqLen)
			if err != nil {
				return Report{}, fmt.Errorf("choice: %s, line %d, choice %d: %w", task, item.Line, i+1, err)
			}
			sequences, scored = append(sequences, tokens), append(scored, n)
		}
	}

	var likelihoods []float64
	err := p.Score(ctx, sequences, scored, func(l float64) {
		likelihoods = append(likelihoods, l)
		if p.Progress != nil {
			p.Progress(len(likelihoods), len(sequences))
		}
	})
	if err != nil {
		return Report{}, fmt.Errorf("choice: %s: %w", task, err)
	}
	if len(likelihoods) != len(sequences) {
		return Report{}, fmt.Errorf("choice: %s: %d log-likelihoods for %d choices", task, len(likelihoods), len(sequences))
	}
	return report(task, items, likelihoods), nil
}

// report judges the items by their choices' log-likelihoods, which it changes.
func report(task Task, items []Item, likelihoods []float64) Report {
	var right, rightNorm int
	for _, item := range items {
		own := likelihoods[:len(item.Choices)]
		likelihoods = likelihoods[len(own):]
		if likeliest(own) == item.Answer {
			right++
		}
		for i, choice := range item.Choices {
			own[i] /= float64(choice.Length)
		}
		if likeliest(own) == item.Answer {
			rightNorm++
		}
	}
	r := Report{Task: task, Items: len(items)}
	r.Acc, r.AccStderr = share(right, len(items))
	if task.normalised() {
		norm, stderr := share(rightNorm, len(items))
		r.AccNorm, r.AccNormStderr = &norm, stderr
	}
	return r
}

// likeliest is the first of the largest values.
func likeliest(values []float64) (best int) {
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

// share is the mean of ones and zeros, and its standard error: the sample's standard deviation over √n, which is
// √(mean·(1-mean)/(n-1)).
func share(ones, n int) (mean float64, stderr *float64) {
	mean = float64(ones) / float64(n)
	if n > 1 {
		s := math.Sqrt(mean * (1 - mean) / float64(n-1))
		stderr = &s
	}
	return mean, stderr
}
