package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/trial"
)

func TestBenchMethods(t *testing.T) {
	out := filepath.Join(t.TempDir(), "docs")
	args := []string{"methods", "--quick", "--lines", "alone-adamw", "--steps", "1", "--backend", "go", "--out", out, "--json"}
	var r, again trial.Report
	told := bench(t, &r, args...)
	if len(r.Rows) != 1 || r.Steps != 1 || r.Params != 869_504 || strings.Count(told, "held-out") != 1 {
		t.Errorf("report %+v\n%s", r, told)
	}
	for _, name := range []string{trial.MarkdownFile, trial.TokensPlotFile, trial.BytesPlotFile, trial.CellsFile} {
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || !strings.Contains(string(b), "alone-adamw") {
			t.Errorf("%s: %v, %d bytes", name, err, len(b))
		}
	}
	if told := bench(t, &again, args...); strings.Contains(told, "held-out") || again.Rows[0].Results[0].Points[0] != r.Rows[0].Results[0].Points[0] {
		t.Errorf("it ran again:\n%s", told)
	}
}

func TestBenchMethodsRefusals(t *testing.T) {
	home := t.TempDir()
	for _, args := range [][]string{
		{"--lines", "smoke-signals"},
		{"--steps", "-1"},
		{"--seeds", "0"},
		{"--tune", "-1"},
		{"--backend", "abacus"},
	} {
		_, stderr, code := output(t, home, append([]string{"bench", "methods"}, args...)...)
		if code != exitUsage || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit status %d, %q", args, code, stderr)
		}
		if args[0] == "--lines" && !strings.Contains(stderr, "bitloco-h32") {
			t.Errorf("it does not name the lines: %q", stderr)
		}
	}
}
