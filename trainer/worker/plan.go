package worker

import (
	"cmp"

	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
)

// Plan is how a step is laid out on a processor.
type Plan struct {
	Precision string `json:"precision"`
	AtOnce    int    `json:"samples_at_once"`
	Remat     bool   `json:"remat"`  // each block is computed twice
	Tight     bool   `json:"tight"`  // memory goes back at once
	Memory    uint64 `json:"memory"` // bytes that the process takes at most
}

// Plan lays a step out for so many bytes of memory, as a trainer does; the error says that not one sample fits.
func (s Spec) Plan(memory uint64) (Plan, error) {
	s.tighten(memory)
	p, err := inner.Fit(s.step(), memory)
	return planOf(p), err
}

// Least is the plan with which the step takes the least memory in its precision.
func (s Spec) Least() Plan {
	s.Tight = true
	p := s.step()
	for less := true; less; {
		p, less = p.Less()
	}
	return planOf(p)
}

// tighten has memory go back at once where it is short, or where little was asked for.
func (s *Spec) tighten(memory uint64) {
	if s.short() || s.Less > 0 || memory > 0 && s.step().Memory() > memory {
		s.Tight = true
	}
}

func planOf(p inner.Params) Plan {
	return Plan{p.Optimizer.Precision, cmp.Or(p.Micro, p.Batch), p.Remat, p.Tight, p.Memory()}
}

// Half is the spec in bfloat16.
func (s Spec) Half() Spec {
	s.Optimizer.Precision = optimizer.BF16
	return s
}

// memoryShare of what is free may a training step take; the rest is for the daemon, caches, and what comes later.
const memoryShare = 0.8

// Share is how many of so many free bytes a training step may take.
func Share(free uint64) uint64 { return uint64(memoryShare * float64(free)) }

// available is how many bytes a training step may take on this machine; 0 is unknown.
func available() uint64 { return Share(Free()) }
