package choice

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// words is a tokenizer of one token a letter, but for "t h", which is one; with begin and end tokens if they are set.
type words struct{ begin, end int32 }

func (words) Append(dst []int32, text string) []int32 {
	for len(text) > 0 {
		if rest, ok := strings.CutPrefix(text, "t h"); ok {
			dst, text = append(dst, 'H'), rest
			continue
		}
		dst, text = append(dst, int32(text[0])), text[1:]
	}
	return dst
}
func (w words) Begin() (int32, bool) { return w.begin, w.begin != 0 }
func (w words) End() (int32, bool)   { return w.end, w.end != 0 }

func TestEncode(t *testing.T) {
	for name, test := range map[string]struct {
		tokenizer             Tokenizer
		context, continuation string
		want                  string // the tokens, | before the scored; empty = an error
	}{
		"plain":                           {words{end: '$'}, "cat", " mat", "cat| mat"},
		"space moves over":                {words{}, "cat \t", "mat", "cat| \tmat"},
		"begin":                           {words{begin: '^', end: '$'}, "cat", " sat", "^cat| sat"},
		"begin that is there":             {words{begin: '^'}, "^cat", " sat", "^cat| sat"},
		"joined token":                    {words{}, "cat", " hats", "cat|ats"},
		"no context":                      {words{end: '$'}, "", " on", "$| on"},
		"blank context":                   {words{end: '$'}, "  ", "on", "$|  on"},
		"no context, begin":               {words{begin: '^', end: '$'}, "", " on", "^| on"},
		"no context, begin that is there": {words{begin: '^'}, "", "^on", "^|on"},
		"cut from the left":               {words{begin: '^'}, "cat sat", " mat", "t sat| mat"},
		"nothing before it":               {words{}, "", " on", ""},
		"nothing to score":                {words{}, "cat", "", ""},
		"joined to nothing":               {words{}, "cat", " h", ""},
		"all is read":                     {words{end: '$'}, "", "12345678", "$|12345678"},
		"too long":                        {words{}, "a", "123456789", ""},
	} {
		tokens, scored, err := Choice{Context: test.context, Continuation: test.continuation}.encode(test.tokenizer, 8)
		var got string
		if err == nil {
			got = string(tokens[:len(tokens)-scored]) + "|" + string(tokens[len(tokens)-scored:])
		}
		if got != test.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, test.want)
		}
	}
}

// fixed scores with given numbers.
func fixed(likelihoods ...float64) Score {
	return func(_ context.Context, _ [][]int32, _ []int, emit func(float64)) error {
		for _, l := range likelihoods {
			emit(l)
		}
		return nil
	}
}

func twoItems() []Item {
	return []Item{
		{Line: 1, Choices: ask("x", []string{"ab", "abcd"}).Choices, Answer: 0},
		{Line: 2, Choices: ask("x", []string{"éé", "y", "z"}).Choices, Answer: 1},
	}
}

func TestRun(t *testing.T) {
	var progress []int
	params := Params{
		Tokenizer: words{}, SeqLen: 8, Score: fixed(-3, -4, -2, -2, -2),
		Progress: func(done, total int) { progress = append(progress, done, total) },
	}
	got, err := Run(t.Context(), params, PIQA, twoItems())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	// Item 1: -3 beats -4, but -4/4 beats -3/2. Item 2: of equals the first; "éé" has two characters, so -2/2.
	if want := `{"task":"piqa","items":2,"acc":0.5,"acc_stderr":0.5,"acc_norm":0,"acc_norm_stderr":0}`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if !slices.Equal(progress, []int{1, 5, 2, 5, 3, 5, 4, 5, 5, 5}) {
		t.Errorf("progress %v", progress)
	}
	got, err = Run(t.Context(), params, WinoGrande, twoItems()[:1])
	if err == nil {
		t.Errorf("more log-likelihoods than choices: no error, %v", got)
	}
	params.Score = fixed(-3, -4)
	got, err = Run(t.Context(), params, WinoGrande, twoItems()[:1])
	if text, _ = json.Marshal(got); err != nil || string(text) != `{"task":"winogrande","items":1,"acc":1}` {
		t.Errorf("one item: %s, %v", text, err)
	}
}

func TestRunRefuses(t *testing.T) {
	ended := func(ctx context.Context, _ [][]int32, _ []int, _ func(float64)) error { return ctx.Err() }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	params := Params{Tokenizer: words{}, SeqLen: 8, Score: ended}
	if _, err := Run(ctx, params, PIQA, twoItems()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after a cancel, want context.Canceled", err)
	}
	for want, change := range map[string]func(*Params){
		"no tokenizer":                    func(p *Params) { p.Tokenizer = nil },
		"reads 0 tokens":                  func(p *Params) { p.SeqLen = 0 },
		"nothing to score with":           func(p *Params) { p.Score = nil },
		"2 log-likelihoods for 5 choices": func(p *Params) { p.Score = fixed(-1, -2) },
		"line 1, choice 2: the continuation has 5 tokens, want 1 to the 4": func(p *Params) { p.SeqLen = 4 },
	} {
		p := params
		change(&p)
		if _, err := Run(t.Context(), p, PIQA, twoItems()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	if _, err := Run(t.Context(), params, PIQA, nil); err == nil {
		t.Error("no items: no error")
	}
}
