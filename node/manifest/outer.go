package manifest

import (
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Outer is the swarm's method.
func (m Manifest) Outer() (outer.Method, error) {
	var tensors []outer.Tensor
	for _, t := range m.Model.Config().Layout() {
		tensors = append(tensors, outer.Tensor{Shape: t.Shape, Layer: t.Block})
	}
	return outer.New(outer.Params{Tensors: tensors, Settings: m.Method, Optimizer: m.AdamW(), Schedule: m.Rates()})
}

// AdamW is the inner optimizer's, or its part for embedding, head and norms.
func (m Manifest) AdamW() adam.AdamW {
	i := m.Inner
	return adam.AdamW{Beta1: i.Beta1, Beta2: i.Beta2, Eps: i.Eps, WeightDecay: i.WeightDecay, ClipNorm: i.ClipNorm, DecayAll: i.DecayAll}
}

// Rates are the learning rates by committed tokens.
func (m Manifest) Rates() schedule.Schedule {
	i := m.Inner
	return schedule.Schedule{
		Kind: i.Schedule, Peak: i.LR, Floor: i.LRFloor, Warmup: int64(i.WarmupTokens), Total: int64(i.TotalTokens), DecayFrom: i.DecayFrom,
	}
}
