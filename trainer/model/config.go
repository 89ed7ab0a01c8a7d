// Package model is the decoder that a swarm trains: a dense one with RMSNorm, rotary positions, grouped-query attention and a gated
// feed-forward layer, as a configuration, a layout of its parameters in one flat vector, initial weights, and a GoMLX graph.
// Families of decoders differ by flags, of which package checkpoint reads some from their files and the others stand in families. With an Adapter the
// layout is that of low-rank additions, and the model under them is uploaded once, packed, and stays as it is.
//
// Layout and initial weights are pure functions of their arguments with the same bits on every processor: a swarm's
// first commit names their hash. The graph is float32 and equals Hugging Face's classes within rounding.
// The package knows nothing of optimizers, data, rounds or the network.
package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

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
	maxFactor  = 1e6
)

// Config says everything about a model but its weights. Its fields are keys of a manifest's [model].
type Config struct {
	Family         string      `json:"family,omitempty" toml:"family,omitempty"`                   // decoder family, as Hugging Face's model_type names it; without it a Llama
	Vocab          int         `json:"vocab" toml:"vocab"`                                         // ids of tokens, which are the rows of the embedding
	Dim            int         `json:"dim" toml:"dim"`                                             // width of the residual stream
	Layers         int         `json:"layers" toml:"layers"`                                       // decoder blocks
	Heads          int         `json:"heads" toml:"heads"`                                         // query heads of a block
	KVHeads        int         `json:"kv_heads" toml:"kv_heads"`                                   // key and value heads of a block
	HeadDim        int         `json:"head_dim" toml:"head_dim"`                                   // width of one head; even, since rotary positions turn pairs
	FFN            int         `json:"ffn" toml:"ffn"`                                             // width of the gated feed-forward layer
	SeqLen         int         `json:"seq_len" toml:"seq_len"`                                     // tokens of a sample
	RopeTheta      float64     `json:"rope_theta" toml:"rope_theta"`                               // base of the rotary frequencies
	RopeScaling    RopeScaling `json:"rope_scaling,omitzero" toml:"rope_scaling,omitempty"`        // how rotary frequencies are stretched; without the table they are not
	RopeDim        int         `json:"rope_dim,omitempty" toml:"rope_dim,omitempty"`               // width of a head's part that rotary positions turn; 0: all of it
	Unrotated      Pattern     `json:"unrotated,omitempty" toml:"unrotated,omitempty"`             // blocks without rotary positions: y or n for each, repeated
	Window         int         `json:"window,omitempty" toml:"window,omitempty"`                   // tokens that a token of a windowed block attends to, itself among them; 0: all before it
	Windowed       Pattern     `json:"windowed,omitempty" toml:"windowed,omitempty"`               // blocks with the window: y or n for each, repeated
	WindowTheta    float64     `json:"window_theta,omitempty" toml:"window_theta,omitempty"`       // base of the windowed blocks' rotary frequencies, which are not stretched then; 0: as in other blocks
	AttentionBias  bool        `json:"attention_bias,omitempty" toml:"attention_bias,omitempty"`   // whether projections of attention have a bias
	FFNBias        bool        `json:"ffn_bias,omitempty" toml:"ffn_bias,omitempty"`               // whether projections of the feed-forward layer have a bias
	AttentionScale float64     `json:"attention_scale,omitempty" toml:"attention_scale,omitempty"` // factor of the scores of attention; 0: 1/sqrt(head_dim)
	AttentionCap   float64     `json:"attention_cap,omitempty" toml:"attention_cap,omitempty"`     // bound to which tanh bends the scores of attention; 0: none
	LogitCap       float64     `json:"logit_cap,omitempty" toml:"logit_cap,omitempty"`             // bound to which tanh bends the logits; 0: none
	LogitScale     float64     `json:"logit_scale,omitempty" toml:"logit_scale,omitempty"`         // factor of the logits; 0: 1
	EmbeddingScale float64     `json:"embedding_scale,omitempty" toml:"embedding_scale,omitempty"` // factor of what the embedding looks up; 0: 1
	ResidualScale  float64     `json:"residual_scale,omitempty" toml:"residual_scale,omitempty"`   // factor of what a block adds to the residual stream; 0: 1
	NormEps        float64     `json:"norm_eps" toml:"norm_eps"`                                   // what RMSNorm adds to the mean square
	Tied           bool        `json:"tied" toml:"tied"`                                           // whether the head is the embedding, transposed
	Adapter        *Adapter    `json:"adapter,omitempty" toml:"-"`                                 // what is trained in place of the model; nil: the model is
	Padding        int         `json:"padding,omitempty" toml:"padding,omitempty"`                 // the padding token's id plus 1, whose row of the embedding learns nothing from being looked up; 0: none
}

// Pattern says of each decoder block y or n, and begins again where it ends.
type Pattern string

// Has tells whether it says y of a block.
func (p Pattern) Has(block int) bool { return p != "" && p[block%len(p)] == 'y' }

// PatternOf is the shortest pattern for blocks; "" where all are false.
func PatternOf(blocks []bool) Pattern {
	if !slices.Contains(blocks, true) {
		return ""
	}
	all := make([]byte, len(blocks))
	for i, yes := range blocks {
		all[i] = 'n'
		if yes {
			all[i] = 'y'
		}
	}
	for n := 1; ; n++ {
		if p := Pattern(all[:n]); n == len(all) || p.repeats(all) {
			return p
		}
	}
}

func (p Pattern) repeats(all []byte) bool {
	for i := range all {
		if all[i] != p[i%len(p)] {
			return false
		}
	}
	return true
}

// Rules are the ranges of the fields.
func (c Config) Rules() []setting.Rule {
	_, known := families[c.Family]
	pattern := func(key string, p Pattern) setting.Rule {
		return setting.New(key, string(p), len(p) <= maxLayers && strings.Trim(string(p), "yn") == "", "letters y and n, at most one a block")
	}
	factor := func(key string, v float64) setting.Rule {
		return setting.New(key, v, v >= 0 && v <= maxFactor, "0..1e6")
	}
	return append([]setting.Rule{
		setting.New("family", c.Family, known, "one of "+strings.Join(Families(), ", ")),
		setting.Between("vocab", c.Vocab, 1, MaxVocab),
		setting.Between("layers", c.Layers, 1, maxLayers),
		setting.Between("dim", c.Dim, 8, maxDim),
		setting.Between("heads", c.Heads, 1, maxHeads),
		setting.New("kv_heads", c.KVHeads, c.KVHeads >= 1 && c.KVHeads <= c.Heads && c.Heads%c.KVHeads == 0, "a divisor of heads"),
		setting.New("head_dim", c.HeadDim, c.HeadDim >= 2 && c.HeadDim <= maxHeadDim && c.HeadDim%2 == 0, fmt.Sprintf("an even number, 2..%d", maxHeadDim)),
		setting.Between("ffn", c.FFN, 8, maxHidden),
		setting.Between("seq_len", c.SeqLen, 1, MaxSeqLen),
		setting.New("rope_theta", c.RopeTheta, c.RopeTheta >= 1 && !math.IsInf(c.RopeTheta, 0), "1 or more"),
		setting.New("rope_dim", c.RopeDim, c.RopeDim >= 0 && c.RopeDim <= c.HeadDim && c.RopeDim%2 == 0, "an even number, at most head_dim"),
		pattern("unrotated", c.Unrotated),
		setting.Between("window", c.Window, 0, MaxSeqLen),
		pattern("windowed", c.Windowed),
		setting.New("window_theta", c.WindowTheta, c.WindowTheta == 0 || c.WindowTheta >= 1 && !math.IsInf(c.WindowTheta, 0), "0, or 1 or more"),
		factor("attention_scale", c.AttentionScale), factor("attention_cap", c.AttentionCap),
		factor("logit_cap", c.LogitCap), factor("logit_scale", c.LogitScale),
		factor("embedding_scale", c.EmbeddingScale), factor("residual_scale", c.ResidualScale),
		setting.New("padding", c.Padding, c.Padding >= 0 && c.Padding <= c.Vocab, "0..vocab"),
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
	if c.Windowed != "" && c.Window == 0 {
		return errors.New("model: windowed blocks without a window")
	}
	if err := c.RopeScaling.fits(c.ropeDim()); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if c.Adapter != nil {
		if err := c.adapts(); err != nil {
			return err
		}
	}
	if n := c.Base().params(); n > MaxParams {
		return fmt.Errorf("model: %d parameters, want at most %d", n, MaxParams)
	}
	return nil
}

// params counts the parameters of a model without an adapter; with Validate's bounds it stays under 2^49.
func (c Config) params() int {
	layer := 0
	for _, t := range c.blockTensors() {
		layer += t.size()
	}
	n := c.Vocab*c.Dim + c.Layers*layer + c.Dim
	if !c.Tied {
		n += c.Vocab * c.Dim
	}
	return n
}
