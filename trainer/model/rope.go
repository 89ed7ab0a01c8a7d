package model

import (
	"fmt"
	"math"

	"github.com/murmurnet/murmur/proto/setting"
)

// RopeScaling stretches the slow rotary frequencies of a model that was trained on short samples first, as Llama 3.1
// does (Grattafiori et al. 2024; rope type "llama3" of Hugging Face). The zero value stretches nothing.
type RopeScaling struct {
	Factor   float64 `json:"factor" toml:"factor"`                         // how many times longer waves become that are longer than original_positions/low_freq_factor
	Low      float64 `json:"low_freq_factor" toml:"low_freq_factor"`       // waves of original_positions over this and more are stretched by the whole factor
	High     float64 `json:"high_freq_factor" toml:"high_freq_factor"`     // waves of original_positions over this and less are not stretched; between, by a straight line
	Original int     `json:"original_positions" toml:"original_positions"` // positions that the model was trained on first
}

// Rules are the ranges of the fields, which the zero value is in.
func (s RopeScaling) Rules() []setting.Rule {
	const most = 1e6
	none := s == RopeScaling{}
	return []setting.Rule{
		setting.New("factor", s.Factor, none || s.Factor >= 1 && s.Factor <= most, "1..1e6"),
		setting.New("low_freq_factor", s.Low, none || s.Low > 0 && s.Low < s.High, "above 0, below high_freq_factor"),
		setting.New("high_freq_factor", s.High, none || s.High > 0 && s.High <= most, "above low_freq_factor, to 1e6"),
		setting.New("original_positions", s.Original, none || s.Original >= 1 && s.Original <= MaxSeqLen, fmt.Sprintf("1..%d", MaxSeqLen)),
	}
}

// Validate names the first field out of its range.
func (s RopeScaling) Validate() error { return setting.Check(setting.In("rope_scaling", s.Rules())) }

// stretch gives the scaled frequency, in radians a position.
func (s RopeScaling) stretch(freq float64) float64 {
	if s.Factor == 0 {
		return freq
	}
	waves := float64(s.Original) * freq / (2 * math.Pi) // that fit into the original positions
	kept := min(max((waves-s.Low)/(s.High-s.Low), 0), 1)
	return (1-kept)*freq/s.Factor + kept*freq
}

// frequencies of the pairs of a head, theta^(-2i/HeadDim) before scaling, in radians a position, float32 as Hugging
// Face has them [HeadDim/2].
func (c Config) frequencies() []float32 {
	fs := make([]float32, c.HeadDim/2)
	for i := range fs {
		fs[i] = float32(c.RopeScaling.stretch(1 / math.Pow(c.RopeTheta, float64(2*i)/float64(c.HeadDim))))
	}
	return fs
}
