package choice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Tokenizer is what encoding needs of a tokenizer.
type Tokenizer interface {
	Append(dst []int32, text string) []int32
	Begin() (id int32, ok bool) // put before every text
	End() (id int32, ok bool)   // ends a document; stands before a continuation without a context
}

// encode gives a choice's last tokens, at most seqLen+1, and how many of them are the continuation's. As the harness
// does, white space moves from the context's end to the continuation's begin; and where a token joins the two, the
// context keeps the tokens that it has alone, and the continuation gets as many of the whole text's as are left.
func (c Choice) encode(t Tokenizer, seqLen int) (tokens []int32, scored int, err error) {
	context := strings.TrimRightFunc(c.Context, isSpace)
	whole := t.Append(nil, c.Context+c.Continuation)
	tokens = t.Append(nil, context)

	prefix, ok := t.Begin()
	if !ok && context == "" {
		if prefix, ok = t.End(); !ok {
			return nil, 0, errors.New("the context is empty, and the tokenizer has no token to begin with")
		}
	}
	if ok && (len(whole) == 0 || whole[0] != prefix) {
		whole = slices.Insert(whole, 0, prefix)
		tokens = slices.Insert(tokens, 0, prefix)
	} else if context == "" {
		tokens = whole[:1]
	}
	scored = len(whole) - len(tokens)
	if scored < 1 || scored > seqLen {
		return nil, 0, fmt.Errorf("the continuation has %d tokens, want 1 to the %d that the model reads", max(scored, 0), seqLen)
	}
	tokens = slices.Concat(tokens, whole[len(tokens):])
	return slices.Clone(tokens[max(0, len(tokens)-seqLen-1):]), scored, nil // the clone frees what is cut off
}
