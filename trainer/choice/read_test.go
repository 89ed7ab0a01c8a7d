package choice

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/murmurnet/murmur/trainer/token"
)

const goodPIQA = `{"goal":"g","sol1":"a","sol2":"b","label":1}` + "\n"

func TestReadForms(t *testing.T) {
	for name, test := range map[string]struct {
		task   Task
		text   string
		answer int
		line   int
	}{
		"empty lines and carriage returns": {PIQA, "\n\r\n" + strings.ReplaceAll(goodPIQA, "\n", "\r\n"), 1, 3},
		"no newline at the end":            {PIQA, strings.TrimSpace(goodPIQA), 1, 1},
		"a label in a string":              {PIQA, `{"goal":"g","sol1":"a","sol2":"b","label":"1"}`, 1, 1},
		"a label as a number":              {HellaSwag, `{"activity_label":"","ctx_a":"","ctx_b":"","endings":["a","b","c"],"label":2}`, 2, 1},
		"the longest line":                 {PIQA, strings.Repeat(" ", MaxLine+1-len(goodPIQA)) + goodPIQA, 1, 1},
		"the first of two equal labels":    {ARCEasy, `{"question":"","choices":{"text":["a","b","c"],"label":["A","B","B"]},"answerKey":"B"}`, 1, 1},
	} {
		items, err := Read(strings.NewReader(test.text), "f", test.task)
		if err != nil || len(items) != 1 || items[0].Answer != test.answer || items[0].Line != test.line {
			t.Errorf("%s: %+v, %v", name, items, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	arcLine := func(choices, key string) string {
		return `{"question":"q","choices":` + choices + `,"answerKey":` + key + `}`
	}
	swagLine := func(endings, label string) string {
		return `{"activity_label":"a","ctx_a":"b","ctx_b":"c","endings":` + endings + `,"label":` + label + `}`
	}
	two := `{"text":["a","b"],"label":["A","B"]}`
	for _, test := range []struct {
		task Task
		text string
		want string
	}{
		{"sudoku", goodPIQA, `task "sudoku" is not known, want one of [arc_easy`},
		{PIQA, "", "f has no items"},
		{PIQA, "\n\n", "f has no items"},
		{PIQA, goodPIQA + "\n{", "f:3: the line is not JSON: unexpected end"},
		{PIQA, goodPIQA + "{} {}", "f:2: the line is not JSON: invalid character '{'"},
		{PIQA, "null", "f:1: the line is not a JSON object"},
		{PIQA, "[" + strings.TrimSpace(goodPIQA) + "]", "f:1: the line is not a JSON object"},
		{PIQA, goodPIQA + `{"goal":"` + "\xff" + `"}`, "f:2: the line is not UTF-8"},
		{PIQA, goodPIQA + strings.Repeat(" ", MaxLine+1), "f:2: the line is longer than 65536 bytes"},
		{PIQA, strings.Repeat(goodPIQA, MaxItems+1), "f has more than 65536 items"},
		{PIQA, arcLine(two, `"A"`), `f:1: field "goal" is missing (reading it as piqa)`},
		{PIQA, `{"goal":null,"sol1":"a","sol2":"b","label":1}`, `field "goal" is not a string`},
		{PIQA, `{"goal":"g","sol1":["a"],"sol2":"b","label":1}`, `field "sol1" is not a string`},
		{PIQA, `{"goal":"g","sol1":"a","sol2":"b","label":2}`, `field "label" is not an integer from 0 to 1 (test splits`},
		{PIQA, `{"goal":"g","sol1":"a","sol2":"b","label":-1}`, `field "label" is not an integer from 0 to 1`},
		{PIQA, `{"goal":"g","sol1":"a","sol2":"b","label":0.5}`, `field "label" is not an integer from 0 to 1`},
		{HellaSwag, swagLine(`["a","b"]`, `""`), `field "label" is not an integer from 0 to 1`},
		{HellaSwag, swagLine(`["a","b"]`, `"9999999999999999999"`), `field "label" is not an integer from 0 to 1`},
		{HellaSwag, swagLine(`["a",null]`, `"0"`), `field "endings" is not a list of strings`},
		{HellaSwag, swagLine(`"a"`, `"0"`), `field "endings" is not a list of strings`},
		{HellaSwag, swagLine(`["a"`+strings.Repeat(`,"a"`, MaxChoices)+`]`, `"0"`), `field "endings" has 17 entries, want 1 to 16`},
		{ARCEasy, arcLine(`{"text":[],"label":[]}`, `"A"`), `field "choices" holds an object whose field "text" has 0 entries`},
		{ARCChallenge, arcLine(two, `"C"`), `field "answerKey" is "C", want one of ["A" "B"]`},
		{ARCChallenge, arcLine(`["a"]`, `"A"`), `field "choices" is not an object`},
		{ARCChallenge, arcLine(`{"text":["a"]}`, `"A"`), `field "choices" holds an object whose field "label" is missing`},
		{ARCChallenge, arcLine(`{"text":["a"],"label":["A","B"]}`, `"A"`), `field "choices" has 1 texts and 2 labels`},
		{OpenBookQA, arcLine(two, `"A"`), `field "question_stem" is missing`},
		{WinoGrande, `{"sentence":"a b","option1":"a","option2":"b","answer":"1"}`, `field "sentence" has no blank`},
		{WinoGrande, `{"sentence":"a _","option1":"a","option2":"b","answer":""}`, `field "answer" is not an integer from 1 to 2`},
		{WinoGrande, `{"sentence":"a _","option1":"a","answer":"1"}`, `field "option2" is missing`},
	} {
		items, err := Read(strings.NewReader(test.text), "f", test.task)
		if err == nil || items != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %d items and %v, want an error with %q", test.task, len(items), err, test.want)
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := Read(iotest.ErrReader(broken), "f", PIQA); !errors.Is(err, broken) {
		t.Errorf("%v, want the reader's error", err)
	}
}

// Whatever a file holds, it is refused or read within the bounds, and every choice can be asked to encode itself.
func FuzzRead(f *testing.F) {
	for i, task := range Tasks() {
		text, err := os.ReadFile("testdata/" + string(task) + ".jsonl")
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f.Add(uint8(i), line)
		}
	}
	f.Add(uint8(2), `{"activity_label":"[","ctx_a":"]","ctx_b":"[a][]  [","endings":["[title]"," [title]","]["],"label":1}`)
	f.Add(uint8(5), `{"sentence":"_","option1":"","option2":" ","answer":"2"}`)
	f.Add(uint8(4), "{\"goal\":\"\\u0000\\ud800\",\"sol1\":\"\",\"sol2\":\"\\u001c\",\"label\":0}\n\n")
	bytes := byteTokenizer{token.Bytes()}
	f.Fuzz(func(t *testing.T, task uint8, text string) {
		items, err := Read(strings.NewReader(text), "f", Tasks()[int(task)%len(Tasks())])
		if (err == nil) != (len(items) > 0) {
			t.Fatalf("%d items and %v", len(items), err)
		}
		for _, item := range items {
			if n := len(item.Choices); n < 1 || n > MaxChoices || item.Answer < 0 || item.Answer >= n {
				t.Fatalf("line %d: answer %d of %d", item.Line, item.Answer, n)
			}
			for _, choice := range item.Choices {
				tokens, scored, err := choice.encode(bytes, 64)
				if err == nil && (scored < 1 || scored >= len(tokens) || len(tokens) > 65) {
					t.Fatalf("line %d: %d of %d tokens scored", item.Line, scored, len(tokens))
				}
			}
		}
	})
}
