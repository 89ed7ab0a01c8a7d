package model

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/proto/setting"
)

// What of an adapter is trained.
const (
	TrainB    = "b"  // B alone, on an A that follows from the seed: sums of B are sums of what it does
	TrainBoth = "ab" // A and B
)

// How the matrices of an adapter's base lie on the device.
const (
	BaseFloat32 = "float32"
	BaseBF16    = "bf16"
	BaseInt8    = "int8" // of decoder blocks; a scale for each row
	BaseNF4     = "nf4"  // of decoder blocks; a scale for 64 values (Dettmers et al. 2023)
)

// Adapter has a model trained by low-rank additions to its linear layers (LoRA, Hu et al. 2021): W + scale·B·A, where A is [rank, in] and B, which
// begins at zero, [out, rank]. What is shared is the adapter alone; the model under it, the base, stays as it is.
type Adapter struct {
	Rank    int      `json:"rank" toml:"rank"`                           // width between A and B
	Alpha   float64  `json:"alpha" toml:"alpha"`                         // the scale is alpha/rank
	RSLoRA  bool     `json:"rslora,omitempty" toml:"rslora,omitempty"`   // whether the scale is alpha/sqrt(rank) instead (Kalajdzievski 2023)
	Targets []string `json:"targets,omitempty" toml:"targets,omitempty"` // names of the layers that have one, such as q_proj; without it all linear layers of the blocks
	Train   string   `json:"train" toml:"train"`                         // b: B alone, on an A that follows from the seed; ab: both
	Base    string   `json:"base" toml:"base"`                           // float32, bf16, int8 or nf4: how the base lies on the device
}

// Rules are the ranges of the fields.
func (a Adapter) Rules() []setting.Rule {
	return []setting.Rule{
		setting.Between("rank", a.Rank, 1, maxDim),
		setting.New("alpha", a.Alpha, a.Alpha > 0 && a.Alpha <= maxFactor, "above 0, to 1e6"),
		setting.New("targets", a.Targets, len(a.Targets) <= int(roles), "names of linear layers"),
		setting.New("train", a.Train, slices.Contains([]string{TrainB, TrainBoth}, a.Train), "b or ab"),
		setting.New("base", a.Base, slices.Contains([]string{BaseFloat32, BaseBF16, BaseInt8, BaseNF4}, a.Base), "float32, bf16, int8 or nf4"),
	}
}

// Scale is what B·A is multiplied by.
func (a Adapter) Scale() float64 {
	if a.RSLoRA {
		return a.Alpha / math.Sqrt(float64(a.Rank))
	}
	return a.Alpha / float64(a.Rank)
}

// adapts refuses an adapter for what the model does not have.
func (c Config) adapts() error {
	a := c.Adapter
	if err := setting.Check(setting.In("adapter", a.Rules())); err != nil {
		return err
	}
	var names []string
	for _, t := range c.baseTensors() {
		if len(t.shape) != 2 {
			continue
		}
		names = append(names, t.layer())
		if c.targeted(t) && a.Rank > min(t.shape[0], t.shape[1]) {
			return fmt.Errorf("adapter.rank = %d is more than %s of %d x %d can have", a.Rank, t.layer(), t.shape[0], t.shape[1])
		}
	}
	for i, target := range a.Targets {
		if !slices.Contains(names, target) {
			return fmt.Errorf("adapter.targets has %q, and the linear layers of a %s are %s", target, c.FamilyName(), strings.Join(names, ", "))
		}
		if slices.Contains(a.Targets[:i], target) {
			return fmt.Errorf("adapter.targets has %q twice", target)
		}
	}
	return nil
}

// Targeting sets the targets from names as peft has them, such as q_proj or model.layers.3.self_attn.q_proj; none is all. Layers that are named in
// some blocks and not in others are refused.
func (a *Adapter) Targeting(c Config, names []string) error {
	a.Targets = nil
	if len(names) == 0 {
		return nil
	}
	all := 0
	for _, t := range c.baseTensors() {
		if len(t.shape) != 2 {
			continue
		}
		all++
		named := 0
		for i := range c.Layers {
			path := blockName(i) + strings.TrimSuffix(t.name, ".weight")
			if slices.ContainsFunc(names, func(n string) bool { return path == n || strings.HasSuffix(path, "."+n) }) {
				named++
			}
		}
		if named != 0 && named != c.Layers {
			return fmt.Errorf("%s has an adapter in %d of %d blocks, want all or none", t.layer(), named, c.Layers)
		}
		if named > 0 {
			a.Targets = append(a.Targets, t.layer())
		}
	}
	if len(a.Targets) == 0 {
		return fmt.Errorf("a %s has none of the layers %s", c.FamilyName(), strings.Join(names, ", "))
	}
	if len(a.Targets) == all {
		a.Targets = nil
	}
	return nil
}

// layer is the name of a linear layer: q_proj of self_attn.q_proj.weight.
func (t blockTensor) layer() string {
	parts := strings.Split(t.name, ".")
	return parts[len(parts)-2]
}

// targeted tells whether a tensor of the base has an adapter.
func (c Config) targeted(t blockTensor) bool {
	return len(t.shape) == 2 && (len(c.Adapter.Targets) == 0 || slices.Contains(c.Adapter.Targets, t.layer()))
}

// adapterTensors are A and B of each adapted layer of a block, or one of them, in the layout's order.
func (c Config) adapterTensors(a, b bool) (ts []blockTensor) {
	for _, t := range c.baseTensors() {
		if !c.targeted(t) {
			continue
		}
		name := strings.TrimSuffix(t.name, "weight")
		if a {
			ts = append(ts, blockTensor{t.role, name + loraA, []int{c.Adapter.Rank, t.shape[1]}})
		}
		if b {
			ts = append(ts, blockTensor{t.role, name + loraB, []int{t.shape[0], c.Adapter.Rank}})
		}
	}
	return ts
}

// Ends of names, as peft has them.
const (
	loraA = "lora_A.weight"
	loraB = "lora_B.weight"
)

// Base is the model under the adapter; the model itself where there is none.
func (c Config) Base() Config {
	c.Adapter = nil
	return c
}

// Drawn lists what follows from the seed beside the layout: the A of each adapted layer where B alone is trained. Offsets count from 0.
func (c Config) Drawn() Layout {
	if c.Adapter == nil || c.Adapter.Train != TrainB {
		return nil
	}
	return c.ofBlocks(c.adapterTensors(true, false))
}

// Pair is an adapted layer: its tensors' names.
type Pair struct{ Layer, A, B string }

// Pairs lists the adapted layers; a layer's weight is Layer + ".weight".
func (c Config) Pairs() (pairs []Pair) {
	for i := range c.Layers {
		for _, t := range c.adapterTensors(true, false) {
			layer := blockName(i) + strings.TrimSuffix(t.name, "."+loraA)
			pairs = append(pairs, Pair{Layer: layer, A: layer + "." + loraA, B: layer + "." + loraB})
		}
	}
	return pairs
}
