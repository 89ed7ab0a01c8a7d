// Package optimizer says which inner optimizer takes a step, and with which settings: keys of a manifest's [inner].
//
// It must not know how a step is computed: package inner compiles it.
package optimizer

import (
	"slices"

	"github.com/murmurnet/murmur/proto/setting"
	"github.com/murmurnet/murmur/trainer/inner/adam"
)

// Kinds of Optimizer.
const (
	AdamW = "adamw" // AdamW on all tensors
	Muon  = "muon"  // Muon on hidden matrices, AdamW on the rest: embedding, head, norms
	None  = "none"  // parameters stand still and gradients are handed out
)

// Precisions of an Optimizer.
const (
	Float32 = "float32"
	BF16    = "bf16"
)

// MaxBatch bounds the samples of one step.
const MaxBatch = 4096

// Optimizer says what a step does with its gradient.
type Optimizer struct {
	Kind string `json:"kind" toml:"optimizer"` // muon, for hidden matrices, with adamw for the rest; adamw for all; none where the method itself steps
	adam.AdamW
	Momentum  float64 `json:"momentum" toml:"momentum"`   // Muon's momentum
	Precision string  `json:"precision" toml:"precision"` // of parameters, gradients and moments on the device: float32, or bf16 with stochastic rounding, in half the memory
}

// Rules are the ranges of the settings.
func (o Optimizer) Rules() []setting.Rule {
	return append([]setting.Rule{
		setting.New("optimizer", o.Kind, slices.Contains([]string{AdamW, Muon, None}, o.Kind), "adamw, muon or none"),
		setting.New("momentum", o.Momentum, o.Momentum >= 0 && o.Momentum < 1, "0 to below 1"),
		setting.New("precision", o.Precision, o.Precision == Float32 || o.Precision == BF16, "float32 or bf16"),
	}, o.AdamW.Rules()...)
}

// Validate names the first setting out of its range.
func (o Optimizer) Validate() error { return setting.Check(o.Rules()) }
