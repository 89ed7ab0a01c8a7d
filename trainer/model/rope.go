package model

import (
	"fmt"
	"math"
)

// RopeScaling stretches the slow rotary frequencies of a model that was trained on short samples first, as Llama 3.1
// does (Grattafiori et al. 2024; rope type "llama3" of Hugging Face). The zero value stretches nothing.
type RopeScaling struct {
	Factor   float64 `json:"factor" toml:"factor"`                     // waves longer than Original/Low become so many times longer
	Low      float64 `json:"low_freq_factor" toml:"low_freq_factor"`   // waves between, by a straight line in Original/wave
	High     float64 `json:"high_freq_factor" toml:"high_freq_factor"` // waves shorter than Original/High stay
	Original int     `json:"original_positions" toml:"original_positions"`
}

// Validate says what is wrong with s.
func (s RopeScaling) Validate() error {
	switch {
	case s == RopeScaling{}:
		return nil
	case !(s.Factor >= 1 && s.Factor <= 1e6):
		return fmt.Errorf("rope_scaling: factor is %g, want 1 to 1e6", s.Factor)
	case !(s.Low > 0 && s.Low < s.High && s.High <= 1e6):
		return fmt.Errorf("rope_scaling: low_freq_factor %g and high_freq_factor %g, want 0 < low < high <= 1e6", s.Low, s.High)
	case s.Original < 1 || s.Original > MaxSeqLen:
		return fmt.Errorf("rope_scaling: original_positions is %d, want 1 to %d", s.Original, MaxSeqLen)
	}
	return nil
}

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
