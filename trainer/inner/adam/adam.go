// Package adam is AdamW on the host: its settings, the factors of a step, and the step itself in plain Go.
//
// Factors and Apply give the same bits on every processor, however many of it there are: each operation is rounded by
// itself, in a fixed order, and none is a library function that may differ by platform. Apply's are the operations of
// trainer/inner's compiled step, and its bits are those of the pure-Go backend. The package must not know of devices,
// layouts or swarms.
package adam

import (
	"fmt"
	"math"
)

// AdamW sets the optimizer of Loshchilov and Hutter (2019) as torch.optim.AdamW computes it: decay decoupled from the
// gradient, eps outside the square root.
type AdamW struct {
	Beta1       float64 `json:"beta1" toml:"beta1"`
	Beta2       float64 `json:"beta2" toml:"beta2"`
	Eps         float64 `json:"eps" toml:"eps"`
	WeightDecay float64 `json:"weight_decay" toml:"weight_decay"` // a step's share is rate·WeightDecay
	ClipNorm    float64 `json:"clip_norm" toml:"clip_norm"`       // bound on the global L2 norm of the gradient; 0 = off
	DecayAll    bool    `json:"decay_all" toml:"decay_all"`       // decay one-dimensional tensors (norms) too
}

// Validate reports the first field out of its range.
func (a AdamW) Validate() error {
	switch {
	case !(a.Beta1 >= 0 && a.Beta1 < 1):
		return fmt.Errorf("adam: beta1 is %g, want 0 or more and less than 1", a.Beta1)
	case !(a.Beta2 >= 0 && a.Beta2 < 1):
		return fmt.Errorf("adam: beta2 is %g, want 0 or more and less than 1", a.Beta2)
	case !(a.Eps > 0) || math.IsInf(a.Eps, 0):
		return fmt.Errorf("adam: eps is %g, want a number above 0", a.Eps)
	case !(a.WeightDecay >= 0) || math.IsInf(a.WeightDecay, 0):
		return fmt.Errorf("adam: weight_decay is %g, want 0 or more", a.WeightDecay)
	case !(a.ClipNorm >= 0) || math.IsInf(a.ClipNorm, 0):
		return fmt.Errorf("adam: clip_norm is %g, want 0 (off) or more", a.ClipNorm)
	}
	return nil
}

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
