package outer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/proto/setting"
)

// The methods by name.
const (
	Bitloco    = "bitloco"
	SparseLoCo = "sparseloco"
	DisTrO     = "distro"
	DiLoCo     = "diloco"
	Streaming  = "streaming"
	FedAvg     = "fedavg"
	AllReduce  = "allreduce"
)

// Names lists the methods, the default first.
func Names() []string {
	return []string{Bitloco, SparseLoCo, DisTrO, DiLoCo, Streaming, FedAvg, AllReduce}
}

// DefaultChunk is how many parameters share a scale.
const DefaultChunk = 4096

// Settings choose a method and tune it. What a method does not have is zero.
type Settings struct {
	Name      string  `toml:"name"`                   // the method
	Bits      uint32  `toml:"bits"`                   // bits of a parameter: a sign, or a sign and one of two levels
	Values    string  `toml:"values"`                 // how a value is sent, of distro a coefficient; fp4 is E3M0
	Chunk     uint32  `toml:"chunk"`                  // parameters that share a scale; no chunk straddles two tensors
	Keep      uint32  `toml:"keep"`                   // coordinates of a chunk that are sent; of distro, coefficients of a block of 64×64
	Decay     float64 `toml:"decay"`                  // β: what stays of the residual that an included update leaves
	OuterLR   float64 `toml:"outer_lr"`               // share of the mean update that the model moves by; a lone update counts at most once, two of 1 bit 1.25 times as much
	Momentum  float64 `toml:"momentum"`               // Nesterov momentum of the outer step; above 0 it doubles the shared state
	Fragments uint32  `toml:"fragments"`              // parts of the model, of which each round sends one; at most the model's layers
	Mix       float64 `toml:"mix"`                    // share of its own values that a node keeps where a commit moves the model
	Epochs    uint32  `toml:"epochs"`                 // passes over its private data that a node makes in a round; 0: rounds go by tokens
	Residual  string  `toml:"residual"`               // where a node keeps what it has learned and not delivered: in its own copy of the model, or in a buffer
	Norms     string  `toml:"norms"`                  // how every value of a tensor of one dimension is sent; empty: as all others
	Embedding string  `toml:"embedding"`              // how every value of embedding and head is sent; empty: as all others
	Mean      string  `toml:"mean" json:",omitempty"` // whether an update is bounded by what is usual (robust), or none is, as papers have it (plain): among members who trust each other
	Schedule  []Point `toml:"schedule"`               // changes of settings, at most 64, in the order of their tokens
}

// Point changes settings from a number of committed tokens on, until the next point. Zero leaves a setting as it is.
type Point struct {
	Tokens  uint64  `toml:"tokens"`   // committed tokens from which on the change counts
	H       uint32  `toml:"h"`        // inner steps a round, rounds.h_min to rounds.h_max, from which the retarget goes on; 0: as before
	Keep    uint32  `toml:"keep"`     // keep from there on, at most method.keep; 0: as before
	OuterLR float64 `toml:"outer_lr"` // outer_lr from there on, at most 2; 0: as before
}

// MaxPoints bounds a schedule.
const MaxPoints = 64

// Places of a residual, as Settings name them.
const (
	ResidualModel  = "model"
	ResidualBuffer = "buffer"
)

// Means, as Settings name them.
const (
	MeanRobust = "robust" // the package comment's
	MeanPlain  = "plain"  // with no scale bounded, as papers have it: for members who trust each other
)

// Defaults are a method's settings as its paper or murmur's own measurements have them.
func Defaults(name string) (Settings, error) {
	for _, s := range []Settings{
		{Name: Bitloco, Bits: 1, Chunk: DefaultChunk, OuterLR: 1.2, Residual: ResidualModel},
		{Name: SparseLoCo, Chunk: DefaultChunk, Keep: 64, Decay: .95, OuterLR: 1, Residual: ResidualBuffer},
		{Name: DisTrO, Values: "bit", Keep: 8, Decay: .999},
		{Name: DiLoCo, Values: "fp32", Chunk: DefaultChunk, OuterLR: .7, Momentum: .9, Mean: MeanRobust},
		{Name: Streaming, Values: "fp4", Chunk: DefaultChunk, OuterLR: .7, Momentum: .9, Fragments: 3, Mix: .5, Mean: MeanRobust},
		{Name: FedAvg, Values: "fp32", Chunk: DefaultChunk, OuterLR: 1, Mean: MeanRobust},
		{Name: AllReduce, Mean: MeanRobust},
	} {
		if s.Name == name {
			return s, nil
		}
	}
	return Settings{}, fmt.Errorf("method.name = %q is out of range: %s", name, strings.Join(Names(), ", "))
}

// Rules are the ranges of the keys that the settings' method has.
func (s Settings) Rules() []setting.Rule {
	averages := s.Name == Bitloco || s.Name == SparseLoCo || s.Name == DiLoCo || s.Name == Streaming || s.Name == FedAvg
	var rs []setting.Rule
	add := func(has bool, key string, value any, ok bool, rng string) {
		if has {
			rs = append(rs, setting.New(key, value, ok, rng))
		}
	}
	one := func(v string, of ...string) (bool, string) { return slices.Contains(of, v), strings.Join(of, ", ") }
	other := func(v string) (bool, string) { // how values of some tensors are sent, where otherwise than the others
		ok, rng := one(v, "fp32", "fp16", "int8", "fp4")
		return ok || v == "", rng + ", or empty"
	}

	add(s.Name == Bitloco, "bits", s.Bits, s.Bits == 1 || s.Bits == 2, "1 or 2")
	if s.Name == DisTrO {
		ok, rng := one(s.Values, "bit", "fp16")
		add(true, "values", s.Values, ok, rng)
	} else {
		ok, rng := one(s.Values, "fp32", "fp16", "int8", "fp4")
		add(s.Name == DiLoCo || s.Name == Streaming || s.Name == FedAvg, "values", s.Values, ok, rng)
	}
	add(averages, "chunk", s.Chunk, s.Chunk >= 8 && s.Chunk <= 32768 && s.Chunk%8 == 0, "a multiple of 8, 8..32768")
	add(s.Name == SparseLoCo, "keep", s.Keep, s.Keep >= 1 && s.Keep <= s.Chunk/2, "1 to half of method.chunk")
	add(s.Name == DisTrO, "keep", s.Keep, s.Keep >= 1 && s.Keep <= 4096, "1..4096")
	add(s.Name == SparseLoCo || s.Name == DisTrO, "decay", s.Decay, s.Decay > 0 && s.Decay <= 1, "above 0, to 1")
	add(averages, "outer_lr", s.OuterLR, s.OuterLR > 0 && s.OuterLR <= 2, "above 0, to 2")
	add(averages, "momentum", s.Momentum, s.Momentum >= 0 && s.Momentum < 1, "0 to below 1")
	add(s.Name == Streaming, "fragments", s.Fragments, s.Fragments >= 1 && s.Fragments <= 256, "1..256")
	add(s.Name == Streaming, "mix", s.Mix, s.Mix >= 0 && s.Mix < 1, "0 to below 1")
	add(s.Name == FedAvg, "epochs", s.Epochs, s.Epochs <= 1000, "0..1000")
	ok, rng := one(s.Mean, MeanRobust, MeanPlain)
	add(s.Name == DiLoCo || s.Name == Streaming || s.Name == FedAvg || s.Name == AllReduce, "mean", s.Mean, ok, rng)
	ok, rng = one(s.Residual, ResidualModel, ResidualBuffer)
	add(s.Name == Bitloco || s.Name == SparseLoCo, "residual", s.Residual, ok, rng)
	ok, rng = other(s.Norms)
	add(s.Name == Bitloco || s.Name == SparseLoCo, "norms", s.Norms, ok, rng)
	ok, rng = other(s.Embedding)
	add(s.Name == Bitloco || s.Name == SparseLoCo, "embedding", s.Embedding, ok, rng)
	return rs
}

// Keys lists the keys that a method has, beside name and schedule.
func (s Settings) Keys() []string {
	var ks []string
	for _, r := range s.Rules() {
		ks = append(ks, r.Key)
	}
	return ks
}

// Validate names the first key whose value cannot be run, and its range.
func (s Settings) Validate() error {
	if _, err := Defaults(s.Name); err != nil {
		return err
	}
	for _, r := range s.Rules() {
		if !r.OK {
			return fmt.Errorf("method.%s = %v is out of range for %s: %s", r.Key, r.Value, s.Name, r.Range)
		}
	}
	for key, set := range s.set() {
		if set && !slices.Contains(s.Keys(), key) {
			return fmt.Errorf("method.%s is nothing that %s has; its keys are: %s", key, s.Name, strings.Join(s.Keys(), ", "))
		}
	}
	return s.validateSchedule()
}

// set tells which keys have a value.
func (s Settings) set() map[string]bool {
	return map[string]bool{
		"bits": s.Bits != 0, "values": s.Values != "", "chunk": s.Chunk != 0, "keep": s.Keep != 0, "decay": s.Decay != 0,
		"outer_lr": s.OuterLR != 0, "momentum": s.Momentum != 0, "fragments": s.Fragments != 0, "mix": s.Mix != 0,
		"epochs": s.Epochs != 0, "residual": s.Residual != "", "norms": s.Norms != "", "embedding": s.Embedding != "",
		"mean": s.Mean != "",
	}
}

func (s Settings) validateSchedule() error {
	if len(s.Schedule) > MaxPoints {
		return fmt.Errorf("method.schedule has %d points: at most %d", len(s.Schedule), MaxPoints)
	}
	for i, p := range s.Schedule {
		switch {
		case i > 0 && p.Tokens <= s.Schedule[i-1].Tokens:
			return fmt.Errorf("method.schedule: point %d is at %d tokens, which is not above the one before it", i+1, p.Tokens)
		case p.Keep > s.Keep:
			return fmt.Errorf("method.schedule: keep = %d at %d tokens is out of range: 1 to method.keep", p.Keep, p.Tokens)
		case !(p.OuterLR >= 0 && p.OuterLR <= 2) || p.OuterLR > 0 && s.OuterLR == 0:
			return fmt.Errorf("method.schedule: outer_lr = %g at %d tokens is out of range for %s", p.OuterLR, p.Tokens, s.Name)
		}
	}
	return nil
}

// Gradients tells whether nodes gather gradients for the method, and commit every step, instead of learning by themselves.
func (s Settings) Gradients() bool { return s.Name == DisTrO || s.Name == AllReduce }

// keeps lists what keep ever is, the most first.
func (s Settings) keeps() []uint32 {
	ks := []uint32{s.Keep}
	for _, p := range s.Schedule {
		if p.Keep > 0 {
			ks = append(ks, p.Keep)
		}
	}
	return ks
}

// At are the settings as the schedule has them after a number of committed tokens, and the inner steps a round that it
// asks for, 0 where it does not.
func (s Settings) At(tokens uint64) (at Settings, h uint32) {
	for _, p := range s.Schedule {
		if p.Tokens > tokens {
			break
		}
		if p.H > 0 {
			h = p.H
		}
		if p.Keep > 0 {
			s.Keep = p.Keep
		}
		if p.OuterLR > 0 {
			s.OuterLR = p.OuterLR
		}
	}
	return s, h
}
