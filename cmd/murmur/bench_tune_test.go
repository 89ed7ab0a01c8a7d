package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/trial"
)

func TestBenchTune(t *testing.T) {
	cells := filepath.Join(t.TempDir(), "cells")
	args := []string{"tune", "--choices", "b-4,ab-4", "--lines", "tune-bitloco-adamw", "--before", "1", "--steps", "1", "--quick", "--backend", "go", "--cells", cells, "--json"}
	var r trial.Tuning
	told := bench(t, &r, args...)
	const linears = 4 * (4*(128+128) + 3*(128+352)) // of the base: in and out of seven layers in four blocks
	if len(r.Choices) != 2 || r.Choices[1].Params != 4*linears || r.Choices[0].Params >= r.Choices[1].Params || r.Untuned < 1 {
		t.Errorf("report %+v", r)
	}
	if strings.Count(told, "held-out") != 3 {
		t.Errorf("it tells of other trials than the base's and two:\n%s", told)
	}
	for _, c := range r.Choices {
		if loss, _, ok := c.Rows[0].Loss(); !ok || loss == r.Untuned || c.Rows[0].Results[0].Sent == 0 {
			t.Errorf("%s: loss %g, %d bytes sent", c.Train, loss, c.Rows[0].Results[0].Sent)
		}
	}
	if told := bench(t, &r, args...); strings.Contains(told, "held-out") {
		t.Errorf("it ran again:\n%s", told)
	}
}

func TestBenchTuneRefusals(t *testing.T) {
	home := t.TempDir()
	for want, args := range map[string][]string{
		`the choice "16" is not b or ab and a rank`: {"--choices", "16"},
		"is not one of tune-alone":                  {"--lines", "smoke-signals"},
		"unknown backend":                           {"--backend", "abacus"},
		"0 steps: 1 to":                             {"--steps", "0"},
		"adapter.rank = 999 is more than":           {"--choices", "b-999", "--before", "1", "--backend", "go"},
		"adapter.train = a is out of range":         {"--choices", "a-4", "--before", "1", "--backend", "go"},
	} {
		_, stderr, code := output(t, home, append([]string{"bench", "tune"}, args...)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit status %d, %q; want %s", args, code, stderr, want)
		}
	}
}
