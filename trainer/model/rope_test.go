package model

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestScaledRope compares with inv_freq of transformers 5.23's LlamaRotaryEmbedding, which computes in float32.
func TestScaledRope(t *testing.T) {
	raw, err := os.ReadFile("testdata/llama3_rope.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		HeadDim int `json:"head_dim"`
		Theta   float64
		Scaling RopeScaling
		InvFreq []float32 `json:"inv_freq"`
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		c.Scaling.Type = RopeLlama3
		got, _ := Config{HeadDim: c.HeadDim, RopeTheta: c.Theta, RopeScaling: c.Scaling}.frequencies(false, 1)
		if len(got) != len(c.InvFreq) || len(got) == 0 {
			t.Fatalf("%d frequencies, want %d", len(got), len(c.InvFreq))
		}
		stretched := 0
		for i, want := range c.InvFreq {
			if off := math.Abs(float64(got[i]-want)) / float64(want); !(off < 1e-6) {
				t.Errorf("factor %g: frequency %d is %g, want %g", c.Scaling.Factor, i, got[i], want)
			}
			if got[i] != float32(1/math.Pow(c.Theta, float64(2*i)/float64(c.HeadDim))) {
				stretched++
			}
		}
		if stretched == 0 {
			t.Errorf("factor %g stretches nothing", c.Scaling.Factor)
		}
	}
}
