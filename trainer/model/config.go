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

	"github.com/murmurnet/murmur/proto/setting"
)

// Bounds on a configuration, so that one from a stranger cannot overflow an int or ask for all memory.
const (
	MaxVocab  = 1 << 20
	MaxSeqLen = 1 << 20
	MaxParams = 1 << 34 // 64 GiB of float32

	maxDim     = 1 << 14
	maxLayers  = 1 << 8
	maxHeads   = 1 << 8
	maxHeadDim = 1 << 9
	maxHidden  = 1 << 16 // heads times head_dim, and the feed-forward layer
)

// Config says everything about a model but its weights. Its fields are keys of a manifest's [model].
type Config struct {
	Vocab       int         `json:"vocab" toml:"vocab"`                        // ids of tokens, which are the rows of the embedding
	Dim         int         `json:"dim" toml:"dim"`                            // width of the residual stream
	Layers      int         `json:"layers" toml:"layers"`                      // decoder blocks
	Heads       int         `json:"heads" toml:"heads"`                        // query heads of a block
	KVHeads     int         `json:"kv_heads" toml:"kv_heads"`                  // key and value heads of a block
	HeadDim     int         `json:"head_dim" toml:"head_dim"`                  // width of one head; even, since rotary positions turn pairs
	FFN         int         `json:"ffn" toml:"ffn"`                            // width of the gated feed-forward layer
	SeqLen      int         `json:"seq_len" toml:"seq_len"`                    // tokens of a sample
	RopeTheta   float64     `json:"rope_theta" toml:"rope_theta"`              // base of the rotary frequencies
	RopeScaling RopeScaling `json:"rope_scaling,omitzero" toml:"rope_scaling"` // how rotary frequencies are stretched; without the table they are not
	NormEps     float64     `json:"norm_eps" toml:"norm_eps"`                  // what RMSNorm adds to the mean square
	Tied        bool        `json:"tied" toml:"tied"`                          // whether the head is the embedding, transposed
}

// Rules are the ranges of the fields.
func (c Config) Rules() []setting.Rule {
	return append([]setting.Rule{
		setting.Between("vocab", c.Vocab, 1, MaxVocab),
		setting.Between("layers", c.Layers, 1, maxLayers),
		setting.Between("dim", c.Dim, 8, maxDim),
		setting.Between("heads", c.Heads, 1, maxHeads),
		setting.New("kv_heads", c.KVHeads, c.KVHeads >= 1 && c.KVHeads <= c.Heads && c.Heads%c.KVHeads == 0, "a divisor of heads"),
		setting.New("head_dim", c.HeadDim, c.HeadDim >= 2 && c.HeadDim <= maxHeadDim && c.HeadDim%2 == 0, fmt.Sprintf("an even number, 2..%d", maxHeadDim)),
		setting.Between("ffn", c.FFN, 8, maxHidden),
		setting.Between("seq_len", c.SeqLen, 1, MaxSeqLen),
		setting.New("rope_theta", c.RopeTheta, c.RopeTheta >= 1 && !math.IsInf(c.RopeTheta, 0), "1 or more"),
		setting.New("norm_eps", c.NormEps, c.NormEps > 0 && c.NormEps < 0.1, "above 0, below 0.1"),
	}, setting.In("rope_scaling", c.RopeScaling.Rules())...)
}

// Validate names the first field that no model can have.
func (c Config) Validate() error {
	if err := setting.Check(c.Rules()); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if width := c.Heads * c.HeadDim; width > maxHidden {
		return fmt.Errorf("model: heads times head_dim is %d, want at most %d", width, maxHidden)
	}
	if n := c.params(); n > MaxParams {
		return fmt.Errorf("model: %d parameters, want at most %d", n, MaxParams)
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
