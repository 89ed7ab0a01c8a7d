// Package inner is the inner optimizer: one compiled training step (forward, backward, clipping, update) whose
// parameters and moments stay on the device from step to step.
//
// A step costs what a bare GoMLX loop costs: only tokens go in and one loss comes out. Parameters cross to the host
// only in Load, Read and Add; Gradient's gradients do in each step, for methods whose optimizer is shared state. The
// package must not know of rounds, peers, data sets or files.
package inner

import (
	"fmt"

	"github.com/murmurnet/murmur/trainer/inner/adam"
)

// Kinds of Optimizer.
const (
	KindAdamW    = "adamw"    // AdamW on all tensors
	KindMuon     = "muon"     // Muon on hidden matrices, AdamW on the rest: embedding, head, norms
	KindGradient = "gradient" // none here: parameters stand still and gradients are handed out
)

// AdamW are the settings of AdamW, which trains what Muon leaves too.
type AdamW = adam.AdamW

// Optimizer says what a step does with its gradient.
type Optimizer struct {
	Kind string `json:"kind" toml:"kind"`
	AdamW
	Momentum float64 `json:"momentum" toml:"momentum"` // of Muon
}

// Validate reports the first field out of its range.
func (o Optimizer) Validate() error {
	switch {
	case o.Kind != KindAdamW && o.Kind != KindMuon && o.Kind != KindGradient:
		return fmt.Errorf("inner: optimizer kind is %q, want %s, %s or %s", o.Kind, KindAdamW, KindMuon, KindGradient)
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return fmt.Errorf("inner: momentum is %g, want 0 or more and less than 1", o.Momentum)
	}
	return o.AdamW.Validate()
}
