package choice

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/token"
)

// golden is what lm-evaluation-harness says of a task; testdata/record.py wrote it.
type golden struct {
	Prompts       [][][2]string // of each item's choices, context and continuation
	Bytes, Pieces struct {
		LogLikelihoods [][]float64 `json:"log_likelihoods"`
		Acc            float64
		AccStderr      float64  `json:"acc_stderr"`
		AccNorm        *float64 `json:"acc_norm"`
		AccNormStderr  *float64 `json:"acc_norm_stderr"`
	}
}

func loadGolden(t *testing.T) map[Task]golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[Task]golden
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

func readTask(t *testing.T, task Task) []Item {
	t.Helper()
	name := "testdata/" + string(task) + ".jsonl"
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	items, err := Read(file, name, task)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func TestPrompts(t *testing.T) {
	for task, want := range loadGolden(t) {
		items := readTask(t, task)
		if len(items) != len(want.Prompts) {
			t.Fatalf("%s: %d items, want %d", task, len(items), len(want.Prompts))
		}
		for i, item := range items {
			var got [][2]string
			for _, choice := range item.Choices {
				got = append(got, [2]string{choice.Context, choice.Continuation})
			}
			if !slices.Equal(got, want.Prompts[i]) {
				t.Errorf("%s, line %d:\n got %q\nwant %q", task, item.Line, got, want.Prompts[i])
			}
		}
	}
}

func TestGoldenScores(t *testing.T) {
	checkpoint, err := checkpoint.Open("../checkpoint/testdata")
	if err != nil {
		t.Fatal(err)
	}
	theta, err := checkpoint.Theta()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := token.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := loadGolden(t)
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		evaluator, err := eval.New(backend, checkpoint.Config, nil, 6)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(evaluator.Close)
		var worst float64
		for _, task := range Tasks() {
			items := readTask(t, task)
			for _, run := range []struct {
				name      string
				tokenizer Tokenizer
			}{{"bytes", byteTokenizer{token.Bytes()}}, {"pieces", pieces}} {
				expected := want[task].Bytes
				if run.name == "pieces" {
					expected = want[task].Pieces
				}
				var got []float64
				report, err := Run(t.Context(), Params{
					Tokenizer: run.tokenizer,
					SeqLen:    checkpoint.Config.SeqLen,
					Score: func(ctx context.Context, tokens [][]int32, scored []int, emit func(float64)) error {
						return evaluator.LogLikelihoods(ctx, theta, tokens, scored, func(l float64) {
							got = append(got, l)
							emit(l)
						})
					},
				}, task, items)
				if err != nil {
					t.Fatal(err)
				}
				flat := slices.Concat(expected.LogLikelihoods...)
				if len(got) != len(flat) {
					t.Fatalf("%s, %s: %d log-likelihoods, want %d", task, run.name, len(got), len(flat))
				}
				for i := range flat {
					if off := math.Abs(got[i] - flat[i]); !(off <= 1e-3) {
						t.Errorf("%s, %s, choice %d of all: log-likelihood %.6f, want %.6f", task, run.name, i, got[i], flat[i])
					} else {
						worst = max(worst, off)
					}
				}
				if report.Task != task || report.Items != len(items) {
					t.Errorf("%s, %s: %d items reported for %s", task, run.name, report.Items, report.Task)
				}
				same(t, task, run.name, "acc", &report.Acc, &expected.Acc)
				same(t, task, run.name, "acc_stderr", report.AccStderr, &expected.AccStderr)
				same(t, task, run.name, "acc_norm", report.AccNorm, expected.AccNorm)
				same(t, task, run.name, "acc_norm_stderr", report.AccNormStderr, expected.AccNormStderr)
			}
		}
		t.Logf("largest difference of a log-likelihood: %.2g", worst)
	})
}

// same compares measures, which both sides round but do not sum in the same order.
func same(t *testing.T, task Task, tokenizer, measure string, got, want *float64) {
	t.Helper()
	if (got == nil) != (want == nil) || got != nil && math.Abs(*got-*want) > 1e-12 {
		t.Errorf("%s, %s: %s %v, want %v", task, tokenizer, measure, value(got), value(want))
	}
}

func value(p *float64) any {
	if p == nil {
		return "none"
	}
	return *p
}

// byteTokenizer is record.py's byte_tokenizer.
type byteTokenizer struct{ *token.Tokenizer }

func (byteTokenizer) End() (int32, bool) { return 2, true }
