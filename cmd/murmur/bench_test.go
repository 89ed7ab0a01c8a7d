package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/lab"
)

// bench runs a bench of real processes and decodes its report.
func bench(t *testing.T, report any, args ...string) string {
	t.Helper()
	cmd := murmur(t.Context(), t.TempDir(), append([]string{"bench"}, args...)...)
	cmd.Env = append(cmd.Env, "TMPDIR="+t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("murmur bench %s: %v\n%s%s", strings.Join(args, " "), err, errs.String(), out.String())
	}
	if err := json.Unmarshal(out.Bytes(), report); err != nil {
		t.Fatalf("%v in:\n%s", err, out.String())
	}
	return errs.String()
}

func TestBenchKill(t *testing.T) {
	t.Parallel()
	var r lab.KillReport
	told := bench(t, &r, "kill", "--model", "tiny", "--runs", "1", "--kind", "kill closer", "--kind", "stop", "--json")
	if r.Nodes != 4 || len(r.Kinds) != 2 || !r.Holds() || strings.Count(told, "identical") != len(r.Runs) {
		t.Errorf("report %+v\n%s", r, told)
	}
	for _, run := range r.Runs {
		if run.Next <= 0 || run.Level <= 0 || run.Back < run.Level || run.Gap <= 0 || len(run.Victims) != 1 || run.Height < 2 {
			t.Errorf("run %+v", run)
		}
	}
	if r.Kinds[0].Kind != "kill closer" || r.Kinds[0].Runs < 1 || r.Kinds[1].Runs < 1 || r.Exchange.Median <= 0 {
		t.Errorf("kinds %+v, a healthy exchange of %+v", r.Kinds, r.Exchange)
	}
}

func TestBenchRound(t *testing.T) {
	t.Parallel()
	var r lab.RoundReport
	bench(t, &r, "round", "--model", "tiny", "--nodes", "4", "--method", "bitloco", "--rounds", "3", "--json")
	if len(r.Cases) != 1 {
		t.Fatalf("%d cases", len(r.Cases))
	}
	c, s := r.Cases[0], r.Cases[0].Stages
	if c.Nodes != 4 || c.Rounds < 1 || c.Applied.Median <= 0 || c.Applied.Worst < c.Applied.Median || c.Ratio < 1 || c.Heap == 0 || c.Goroutines == 0 {
		t.Errorf("case %+v", c)
	}
	if s.Built <= 0 || s.Pulled < s.Built || s.Adopted < s.Pulled || s.Applied < s.Adopted || s.Applied != c.Applied.Median || s.Published < 0 {
		t.Errorf("stages %+v", s)
	}
}

func TestBenchRefusals(t *testing.T) {
	home := t.TempDir()
	for _, args := range [][]string{
		{"kill", "--kind", "kiss"},
		{"kill", "--runs", "0"},
		{"kill", "--model", "1B"},
		{"round", "--nodes", "1", "--model", "tiny"},
		{"round", "--nodes", "4"},
		{"round", "--method", "smoke signals"},
		{"round", "--rounds", "0"},
	} {
		_, stderr, code := output(t, home, append([]string{"bench"}, args...)...)
		if code != exitUsage || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit status %d, %q", args, code, stderr)
		}
	}
}
