// Package adam is AdamW on the host: its settings, the factors of a step, and the step itself in plain Go.
//
// Factors and Apply give the same bits on every processor, however many of it there are: each operation is rounded by
// itself, in a fixed order, and none is a library function that may differ by platform. Apply's are the operations of
// trainer/inner's compiled step, and its bits are those of the pure-Go backend. The package must not know of devices,
// layouts or swarms.
package adam

import (
	"math"

	"github.com/murmurnet/murmur/proto/setting"
)

// AdamW sets the optimizer of Loshchilov and Hutter (2019) as torch.optim.AdamW computes it: decay decoupled from the
// gradient, eps outside the square root. Its fields are keys of a manifest's [inner].
type AdamW struct {
	Beta1       float64 `json:"beta1" toml:"beta1"`               // AdamW's decay of the first moment
	Beta2       float64 `json:"beta2" toml:"beta2"`               // AdamW's decay of the second moment
	Eps         float64 `json:"eps" toml:"eps"`                   // what AdamW adds to the root of the second moment
	WeightDecay float64 `json:"weight_decay" toml:"weight_decay"` // the share of a weight, times the learning rate, that a step takes off
	ClipNorm    float64 `json:"clip_norm" toml:"clip_norm"`       // bound on the global L2 norm of the gradient
	DecayAll    bool    `json:"decay_all" toml:"decay_all"`       // whether one-dimensional tensors (norms) decay too
}

// Rules are the ranges of the settings.
func (a AdamW) Rules() []setting.Rule {
	return []setting.Rule{
		setting.New("beta1", a.Beta1, a.Beta1 >= 0 && a.Beta1 < 1, "0 to below 1"),
		setting.New("beta2", a.Beta2, a.Beta2 >= 0 && a.Beta2 < 1, "0 to below 1"),
		setting.New("eps", a.Eps, a.Eps > 0 && a.Eps < 1, "above 0, below 1"),
		setting.New("weight_decay", a.WeightDecay, a.WeightDecay >= 0 && a.WeightDecay < 10, "0 to below 10"),
		setting.New("clip_norm", a.ClipNorm, a.ClipNorm >= 0 && !math.IsInf(a.ClipNorm, 0), "0 (off) or more"),
	}
}

// Validate names the first setting out of its range.
func (a AdamW) Validate() error { return setting.Check(a.Rules()) }

// Factors are what changes from step to step, computed in float64 and rounded once.
type Factors struct {
	Rate       float32 // the learning rate over 1−β1^t
	Decay      float32 // the share of a weight that decay leaves
	Correction float32 // sqrt(1−β2^t)
}

// Factors of step t, counted from 1.
func (a AdamW) Factors(rate float64, t int64) Factors {
	return Factors{
		Rate:       float32(rate / (1 - power(a.Beta1, t))),
		Decay:      float32(1 - float64(rate*a.WeightDecay)),
		Correction: float32(math.Sqrt(1 - power(a.Beta2, t))),
	}
}

// power is b^n for b in [0, 1) by repeated squaring, so of multiplications alone: math.Pow is not promised to have the
// same bits everywhere. Its relative error is about n·2^-53.
func power(b float64, n int64) float64 {
	p := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			p = float64(p * b)
		}
		b = float64(b * b)
	}
	return p
}
