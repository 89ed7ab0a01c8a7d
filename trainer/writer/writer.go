// Package writer continues texts: what a model draws as tokens comes out as text, whole characters at a time, up to an end
// that the model or the reader sets. It knows nothing of devices or processes.
package writer

import (
	"context"
	"fmt"
	"slices"

	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/token"
)

// MaxTokens bounds one text.
const MaxTokens = 4096

// Sampler draws tokens after a prompt, as eval.Evaluator does.
type Sampler interface {
	Generate(ctx context.Context, theta []float32, prompt []int32, n int, s eval.Sampling, emit func(token int32) bool) error
}

// Request is what to write.
type Request struct {
	Prompt   string        `json:"prompt"`
	N        int           `json:"n"`              // tokens at most, up to MaxTokens
	Stop     []string      `json:"stop,omitempty"` // the text ends before the first of these
	Sampling eval.Sampling `json:"sampling"`
}

// Validate says what cannot be written.
func (r Request) Validate() error {
	if r.N < 1 || r.N > MaxTokens {
		return fmt.Errorf("a text of %d tokens was asked for: 1 to %d can be generated", r.N, MaxTokens)
	}
	if _, err := newStopper(r.Stop); err != nil {
		return err
	}
	return r.Sampling.Validate()
}

// Write continues a prompt by theta, telling each piece as it comes, until say returns false, ctx ends, or the model
// writes a token that ends a text. A prompt that is empty begins where documents do.
func Write(ctx context.Context, m Sampler, t *token.Tokenizer, theta []float32, r Request, say func(piece string) bool) error {
	if err := r.Validate(); err != nil {
		return err
	}
	stop, err := newStopper(r.Stop)
	if err != nil {
		return err
	}
	ends := t.Ends()
	prompt := begin(t)
	if prompt = t.Append(prompt, r.Prompt); len(prompt) == 0 {
		return fmt.Errorf("a text needs a prompt of at least one letter")
	}
	text, going := t.Stream(), true
	tell := func(piece string) {
		if !going {
			return
		}
		told, stopped := stop.push(piece)
		going = (told == "" || say(told)) && !stopped
	}
	err = m.Generate(ctx, theta, prompt, r.N, r.Sampling, func(token int32) bool {
		if slices.Contains(ends, token) {
			return false
		}
		tell(text.Push(token))
		return going
	})
	if tell(text.Flush()); going && stop.held != "" {
		say(stop.held)
	}
	return err
}

// begin is what stands before a document's first token.
func begin(t *token.Tokenizer) []int32 {
	if id, ok := t.Begin(); ok {
		return []int32{id}
	}
	return nil
}
