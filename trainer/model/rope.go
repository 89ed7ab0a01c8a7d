package model

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/proto/setting"
)

// Types of RopeScaling, as Hugging Face names them.
const (
	RopeLinear   = "linear"   // all waves are stretched alike (Chen et al. 2023)
	RopeLlama3   = "llama3"   // slow ones are (Grattafiori et al. 2024)
	RopeYarn     = "yarn"     // slow ones are, and scores of attention grow (Peng et al. 2023)
	RopeLongrope = "longrope" // each by a factor of its own, another one for longer sequences (Ding et al. 2024)
)

// RopeScaling stretches the rotary frequencies of a model that was trained on short samples first. The zero value stretches nothing.
type RopeScaling struct {
	Type            string    `json:"type" toml:"type"`                                             // linear, llama3, yarn or longrope
	Factor          float64   `json:"factor,omitempty" toml:"factor,omitempty"`                     // how many times longer waves become, all of them or the slow ones; not of longrope
	Low             float64   `json:"low_freq_factor,omitempty" toml:"low_freq_factor,omitempty"`   // llama3: waves of original_positions over this and more are stretched by the whole factor
	High            float64   `json:"high_freq_factor,omitempty" toml:"high_freq_factor,omitempty"` // llama3: waves of original_positions over this and less are not stretched; between, by a straight line
	BetaFast        float64   `json:"beta_fast,omitempty" toml:"beta_fast,omitempty"`               // yarn: turns within the original positions from which a wave is not stretched
	BetaSlow        float64   `json:"beta_slow,omitempty" toml:"beta_slow,omitempty"`               // yarn: turns within the original positions below which a wave is stretched by the whole factor
	Untruncated     bool      `json:"untruncated,omitempty" toml:"untruncated,omitempty"`           // yarn: whether the range between the two is not widened to whole dimensions
	AttentionFactor float64   `json:"attention_factor,omitempty" toml:"attention_factor,omitempty"` // yarn and longrope: factor of the turned queries and keys
	Short           []float64 `json:"short_factor,omitempty" toml:"short_factor,omitempty"`         // longrope: how many times longer each wave becomes, in sequences of the original positions or fewer
	Long            []float64 `json:"long_factor,omitempty" toml:"long_factor,omitempty"`           // longrope: how many times longer each wave becomes in longer sequences
	Original        int       `json:"original_positions,omitempty" toml:"original_positions"`       // positions that the model was trained on first; not of linear
}

// IsZero tells whether nothing is stretched.
func (s RopeScaling) IsZero() bool { return reflect.ValueOf(s).IsZero() }

// Rules are the ranges of the fields, which the zero value is in.
func (s RopeScaling) Rules() []setting.Rule {
	is := func(types ...string) bool { return slices.Contains(types, s.Type) }
	above := func(v float64, has bool) bool { return !has && v == 0 || has && v > 0 && v <= maxFactor }
	factors := func(vs []float64) bool {
		for _, v := range vs {
			if !(v > 0 && v <= maxFactor) {
				return false
			}
		}
		return len(vs) <= maxHeadDim/2 && (len(vs) > 0) == is(RopeLongrope)
	}
	scaled, trained := is(RopeLinear, RopeLlama3, RopeYarn), is(RopeLlama3, RopeYarn, RopeLongrope)
	return []setting.Rule{
		setting.New("type", s.Type, s.IsZero() || scaled || is(RopeLongrope), "linear, llama3, yarn or longrope"),
		setting.New("factor", s.Factor, above(s.Factor, scaled) && (!scaled || s.Factor >= 1), "1..1e6"),
		setting.New("low_freq_factor", s.Low, above(s.Low, is(RopeLlama3)) && (s.Low < s.High || s.Low == 0), "above 0, below high_freq_factor; of llama3 alone"),
		setting.New("high_freq_factor", s.High, above(s.High, is(RopeLlama3)), "above low_freq_factor, to 1e6; of llama3 alone"),
		setting.New("beta_fast", s.BetaFast, above(s.BetaFast, is(RopeYarn)), "above 0, to 1e6; of yarn alone"),
		setting.New("beta_slow", s.BetaSlow, above(s.BetaSlow, is(RopeYarn)), "above 0, to 1e6; of yarn alone"),
		setting.New("untruncated", s.Untruncated, !s.Untruncated || is(RopeYarn), "false but for yarn"),
		setting.New("attention_factor", s.AttentionFactor, above(s.AttentionFactor, is(RopeYarn, RopeLongrope)), "above 0, to 1e6; of yarn and longrope alone"),
		setting.New("short_factor", s.Short, factors(s.Short), "numbers above 0, to 1e6, one for each wave; of longrope alone"),
		setting.New("long_factor", s.Long, factors(s.Long), "numbers above 0, to 1e6, one for each wave; of longrope alone"),
		setting.New("original_positions", s.Original, !trained && s.Original == 0 || trained && s.Original >= 1 && s.Original <= MaxSeqLen, fmt.Sprintf("1..%d; 0 for linear", MaxSeqLen)),
	}
}

// Validate names the first field out of its range.
func (s RopeScaling) Validate() error { return setting.Check(setting.In("rope_scaling", s.Rules())) }

// fits tells whether lists are for so many turned dimensions.
func (s RopeScaling) fits(dim int) error {
	for _, factors := range [][]float64{s.Short, s.Long} {
		if s.Type == RopeLongrope && len(factors) != dim/2 {
			return fmt.Errorf("rope_scaling has %d factors for %d waves", len(factors), dim/2)
		}
	}
	if s.Type == RopeYarn && dim < 4 {
		return errors.New("rope_scaling by yarn wants four dimensions to turn")
	}
	return nil
}

// ropeDim is the width of a head's part that is turned.
func (c Config) ropeDim() int {
	if c.RopeDim > 0 {
		return c.RopeDim
	}
	return c.HeadDim
}

// frequencies of the pairs of a block's heads for sequences of so many tokens, theta^(-2i/dim) before scaling, in radians a position, float32 as
// Hugging Face has them [dim/2], and the factor of what is turned by them.
func (c Config) frequencies(windowed bool, seq int) (fs []float32, factor float64) {
	theta, s, dim := c.RopeTheta, c.RopeScaling, c.ropeDim()
	if windowed && c.WindowTheta > 0 {
		theta, s = c.WindowTheta, RopeScaling{}
	}
	stretch := s.stretch(theta, dim, seq)
	fs = make([]float32, dim/2)
	for i := range fs {
		fs[i] = float32(stretch(i, 1/math.Pow(theta, float64(2*i)/float64(dim))))
	}
	if s.AttentionFactor > 0 {
		return fs, s.AttentionFactor
	}
	return fs, 1
}

// stretch gives what scales frequency i, in radians a position, of those of a base for so many dimensions.
func (s RopeScaling) stretch(theta float64, dim, seq int) func(i int, freq float64) float64 {
	part := func(freq, kept float64) float64 {
		kept = min(max(kept, 0), 1)
		return (1-kept)*freq/s.Factor + kept*freq
	}
	switch s.Type {
	case RopeLinear:
		return func(_ int, freq float64) float64 { return freq / s.Factor }
	case RopeLlama3:
		return func(_ int, freq float64) float64 {
			waves := float64(s.Original) * freq / (2 * math.Pi) // that fit into the original positions
			return part(freq, (waves-s.Low)/(s.High-s.Low))
		}
	case RopeYarn:
		// The dimension whose wave turns so often within the original positions.
		at := func(turns float64) float64 {
			return float64(dim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(theta))
		}
		low, high := at(s.BetaFast), at(s.BetaSlow)
		if !s.Untruncated {
			low, high = math.Floor(low), math.Ceil(high)
		}
		low, high = max(low, 0), min(high, float64(dim-1))
		if low == high {
			high += 0.001
		}
		return func(i int, freq float64) float64 { return part(freq, 1-min(max((float64(i)-low)/(high-low), 0), 1)) }
	case RopeLongrope:
		factors := s.Short
		if seq > s.Original {
			factors = s.Long
		}
		return func(i int, freq float64) float64 { return freq / factors[i] }
	}
	return func(_ int, freq float64) float64 { return freq }
}

// Positions is how long a graph is for so many tokens, of which there are at most SeqLen: longrope takes other factors for long sequences, so short
// ones must not be filled up to the length of those.
func (c Config) Positions(tokens int) int {
	if s := c.RopeScaling; s.Type == RopeLongrope && tokens <= s.Original {
		return min(s.Original, c.SeqLen)
	}
	return c.SeqLen
}

// rotary are the tables of rotary positions (Su et al. 2021): cosines and sines of position times frequency, float32 [1, seq, 1, dim/2]. Angles are
// rounded to float32 as Hugging Face does, or long positions would differ.
type rotary struct {
	cos, sin    *graph.Node
	interleaved bool // an element pairs with its neighbour, and not with that half the turned part away
}

func (c Config) rotary(g *graph.Graph, windowed bool, seq int) rotary {
	freqs, factor := c.frequencies(windowed, seq)
	half := len(freqs)
	cosines, sines := make([]float32, seq*half), make([]float32, seq*half)
	for i, freq := range freqs {
		for p := range seq {
			sine, cosine := math.Sincos(float64(float32(p) * freq))
			cosines[p*half+i], sines[p*half+i] = float32(cosine*factor), float32(sine*factor)
		}
	}
	table := func(values []float32) *graph.Node {
		return graph.ConstTensor(g, tensors.FromFlatDataAndDimensions(values, 1, seq, 1, half))
	}
	return rotary{table(cosines), table(sines), c.family().interleaved}
}

// turn turns x [batch, seq, heads, HeadDim] by its positions, or the first dimensions of each head.
func (r rotary) turn(x *graph.Node) *graph.Node {
	whole, dim := x.Shape().Dim(-1), 2*r.cos.Shape().Dim(-1)
	y := widened(x)
	var rest *graph.Node
	if dim < whole {
		all := graph.AxisRange()
		y, rest = graph.Slice(y, all, all, all, graph.AxisRange(0, dim)), graph.Slice(y, all, all, all, graph.AxisRange(dim))
	}
	var lo, hi *graph.Node
	shape := y.Shape().Clone().Dimensions
	if r.interleaved {
		pairs := graph.Reshape(y, append(shape[:3:3], dim/2, 2)...)
		halves := graph.Split(pairs, -1, 2)
		lo, hi = graph.Squeeze(halves[0], -1), graph.Squeeze(halves[1], -1)
	} else {
		halves := graph.Split(y, -1, 2)
		lo, hi = halves[0], halves[1]
	}
	lo, hi = graph.Sub(graph.Mul(lo, r.cos), graph.Mul(hi, r.sin)), graph.Add(graph.Mul(hi, r.cos), graph.Mul(lo, r.sin))
	if r.interleaved {
		y = graph.Reshape(graph.Stack([]*graph.Node{lo, hi}, -1), shape...)
	} else {
		y = graph.Concatenate([]*graph.Node{lo, hi}, -1)
	}
	if rest != nil {
		y = graph.Concatenate([]*graph.Node{y, rest}, -1)
	}
	if x.DType() != y.DType() {
		return graph.ConvertDType(y, x.DType())
	}
	return y
}
