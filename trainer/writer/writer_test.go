package writer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/token"
)

// parrot draws the same tokens whatever it is asked.
type parrot struct {
	says   []int32
	prompt []int32
}

func (p *parrot) Generate(_ context.Context, _ []float32, prompt []int32, n int, _ eval.Sampling, emit func(int32) bool) error {
	p.prompt = prompt
	for _, t := range p.says[:min(n, len(p.says))] {
		if !emit(t) {
			return nil
		}
	}
	return errors.New("that was all")
}

func TestWrite(t *testing.T) {
	says := func(s string) (ts []int32) {
		for _, b := range []byte(s) {
			ts = append(ts, int32(b))
		}
		return ts
	}
	for _, test := range []struct {
		name, says, want string
		r                Request
		most             int // pieces that are listened to
		err              string
	}{
		{name: "whole characters", says: "ä–b", r: Request{Prompt: "x", N: 9}, want: "ä|–|b", err: "that was all"},
		{name: "half a character at the end", says: "ab\xc3", r: Request{Prompt: "x", N: 9}, want: "a|b|\uFFFD", err: "that was all"},
		{name: "as many tokens", says: "abcdef", r: Request{Prompt: "x", N: 3}, want: "a|b|c", err: "that was all"},
		{name: "a stop", says: "ab\n\ncd", r: Request{Prompt: "x", N: 9, Stop: []string{"\n\n"}}, want: "a|b"},
		{name: "half a stop", says: "ab\n", r: Request{Prompt: "x", N: 9, Stop: []string{"\n\n"}}, want: "a|b|\n", err: "that was all"},
		{name: "nobody listens", says: "abc", r: Request{Prompt: "x", N: 9}, most: 1, want: "a|b"},
		{name: "no prompt", says: "a", r: Request{N: 1}, err: "prompt"},
		{name: "no tokens", says: "a", r: Request{Prompt: "x"}, err: "0 tokens"},
		{name: "too many", says: "a", r: Request{Prompt: "x", N: MaxTokens + 1}, err: "4097 tokens"},
		{name: "an empty stop", says: "a", r: Request{Prompt: "x", N: 1, Stop: []string{""}}, err: "0 bytes"},
		{name: "top-p", says: "a", r: Request{Prompt: "x", N: 1, Sampling: eval.Sampling{TopP: 2}}, err: "top-p"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			err := Write(t.Context(), &parrot{says: says(test.says)}, token.Bytes(), nil, test.r, func(piece string) bool {
				got = append(got, piece)
				return test.most == 0 || len(got) <= test.most
			})
			if (test.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if all := strings.Join(got, "|"); all != test.want {
				t.Errorf("%q, want %q", all, test.want)
			}
		})
	}
}
