// Package model is the decoder that a swarm trains: the Llama family (RMSNorm, rotary positions, grouped-query
// attention, SwiGLU), as a configuration, a layout of its parameters in one flat vector, initial weights, and a
// GoMLX graph.
//
// Layout and initial weights are pure functions of their arguments with the same bits on every processor: a swarm's
// first commit names their hash. The graph is float32 and equals Hugging Face's LlamaForCausalLM within rounding.
// The package knows nothing of optimizers, data, rounds or the network.
package model

import (
	"fmt"
	"math"
)

// Bounds on a configuration, so that one from a stranger cannot overflow an int or ask for all memory.
const (
	MaxVocab  = 1 << 20
	MaxDim    = 1 << 16
	MaxLayers = 1 << 10
	MaxFFN    = 1 << 20
	MaxSeqLen = 1 << 20
	MaxParams = 1 << 34 // 64 GiB of float32
)

// Config says everything about a model but its weights.
type Config struct {
	Vocab       int         `json:"vocab" toml:"vocab"`                        // tokens, also rows of the embedding
	Dim         int         `json:"dim" toml:"dim"`                            // width of the residual stream
	Layers      int         `json:"layers" toml:"layers"`                      // decoder blocks
	Heads       int         `json:"heads" toml:"heads"`                        // query heads
	KVHeads     int         `json:"kv_heads" toml:"kv_heads"`                  // key and value heads; divides Heads
	HeadDim     int         `json:"head_dim" toml:"head_dim"`                  // width of one head; even
	FFN         int         `json:"ffn" toml:"ffn"`                            // width of the gated feed-forward layer
	SeqLen      int         `json:"seq_len" toml:"seq_len"`                    // positions a sample has
	RopeTheta   float64     `json:"rope_theta" toml:"rope_theta"`              // base of the rotary frequencies
	RopeScaling RopeScaling `json:"rope_scaling,omitzero" toml:"rope_scaling"` // zero: none
	NormEps     float64     `json:"norm_eps" toml:"norm_eps"`                  // added to the mean square in RMSNorm
	Tied        bool        `json:"tied" toml:"tied"`                          // the head is the embedding, transposed
}

// Validate reports the first field that no model can have.
func (c Config) Validate() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"vocab", c.Vocab, MaxVocab},
		{"dim", c.Dim, MaxDim},
		{"layers", c.Layers, MaxLayers},
		{"heads", c.Heads, MaxDim},
		{"kv_heads", c.KVHeads, MaxDim},
		{"head_dim", c.HeadDim, MaxDim},
		{"ffn", c.FFN, MaxFFN},
		{"seq_len", c.SeqLen, MaxSeqLen},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("model: %s is %d, want 1 to %d", f.name, f.value, f.max)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("model: heads (%d) is not a multiple of kv_heads (%d)", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("model: head_dim is %d, want an even number: rotary positions turn pairs", c.HeadDim)
	case c.Heads*c.HeadDim > MaxDim:
		return fmt.Errorf("model: heads times head_dim is %d, want at most %d", c.Heads*c.HeadDim, MaxDim)
	case !(c.RopeTheta >= 1) || math.IsInf(c.RopeTheta, 0):
		return fmt.Errorf("model: rope_theta is %g, want a number of at least 1", c.RopeTheta)
	case !(c.NormEps > 0) || c.NormEps > 1:
		return fmt.Errorf("model: norm_eps is %g, want a number above 0 and at most 1", c.NormEps)
	}
	if n := c.params(); n > MaxParams {
		return fmt.Errorf("model: %d parameters, want at most %d", n, MaxParams)
	}
	if err := c.RopeScaling.Validate(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// params counts the parameters; with Validate's bounds it stays under 2^49.
func (c Config) params() int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	layer := 2*c.Dim*q + 2*c.Dim*kv + 3*c.Dim*c.FFN + 2*c.Dim
	n := c.Vocab*c.Dim + c.Layers*layer + c.Dim
	if !c.Tied {
		n += c.Vocab * c.Dim
	}
	return n
}
