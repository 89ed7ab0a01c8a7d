package inner

import (
	"errors"
	"fmt"
	"strings"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
)

// ErrMemory says that not even one sample goes through the model on this device.
var ErrMemory = errors.New("the model does not fit into this device's memory")

// Fit lays out a step for so many bytes of memory: as many samples at once as fit, and only where not one does, each block
// computed twice. It goes by an estimate, which measured peaks stay below (fit_test.go); 0 bytes are no bound.
func Fit(p Params, memory uint64) (Params, error) {
	if err := p.Validate(); err != nil || memory == 0 {
		return p, err
	}
	for _, remat := range []bool{p.Compute.Remat, true} {
		p.Compute.Remat = remat
		for micro := p.Batch; micro >= 1; micro-- {
			if p.Micro = micro; p.Batch%micro == 0 && p.Memory() <= memory {
				return p, nil
			}
		}
	}
	p.Micro = 1
	return p, fmt.Errorf("%w: with one sample of %d tokens at a time it needs about %.1f GiB, and there are %.1f GiB; a smaller model or shorter samples would fit",
		ErrMemory, p.Model.SeqLen, gib(p.Memory()), gib(memory))
}

func gib(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

// Plan says in words how a step is laid out.
func (r *replica) Plan() string {
	s := fmt.Sprintf("%d samples at once", r.params.atOnce())
	if r.params.atOnce() < r.params.Batch {
		s += fmt.Sprintf(" of %d", r.params.Batch)
	}
	if r.params.Compute.Remat {
		s += ", each block computed twice"
	}
	if r.params.Compute.Half {
		s += ", matrices in bfloat16"
	}
	return s
}

// Allocator is the environment that has glibc keep what a step frees for the next one. XLA allocates its intermediate values anew in each step, on
// a thread of its own; given back to the kernel, they cost a page fault every 4 KiB, a fifth of a small model's step.
const Allocator = "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=268435456"

// What a step takes beside its arrays: the program, compiled for layers one by one, and the memory that was freed and is kept. Measured with XLA's plugin
// for CPUs and Allocator, as the vectors below (TestMemory): 192 MiB and up to 16 MiB a layer, and the latter again for sums and for blocks computed twice.
const (
	programBytes = 192 << 20
	layerBytes   = 16 << 20
)

// Memory bounds the bytes that a step holds on the device. Old and new state exist together in the update: θ, m and v twice, gradients, and what is
// on its way; what was freed lies in pieces that the next array does not fit into, five vectors more; where gradients are summed, the sum and what is added to
// it exist too.
func (p Params) Memory() uint64 {
	c, params := p.Model, uint64(p.Model.Layout().Params())
	vectors, programs := uint64(12), uint64(1)
	switch p.Optimizer.Kind {
	case optimizer.None:
		vectors = 5
	case optimizer.Muon:
		vectors++ // products of Newton and Schulz's iteration
	}
	if p.atOnce() < p.Batch {
		vectors, programs = vectors+2, programs+1
	}
	if p.Compute.Remat {
		programs++
	}
	samples, seq, dim := uint64(p.atOnce()), uint64(c.SeqLen), uint64(c.Dim)
	heads, kv, ffn := uint64(c.Heads*c.HeadDim), uint64(c.KVHeads*c.HeadDim), uint64(c.FFN)
	// What a block keeps for the backward pass: norms, projections before and after turning, attention, the gated layer;
	// and scores and their softmax, with a gradient of each while it is on its way back.
	block := samples * seq * (6*dim + 4*heads + 4*kv + 5*ffn)
	block += samples * uint64(c.Heads) * seq * seq * 4
	layers := uint64(c.Layers) * block
	if p.Compute.Remat {
		layers = uint64(c.Layers)*samples*seq*dim + 2*block
	}
	head := samples * seq * uint64(c.Vocab) * 6 // logits, exponentials, the chosen ones, a gradient, and half as much again in pieces
	arrays := programBytes + programs*uint64(c.Layers)*layerBytes + 4*(vectors*params+layers+head)
	return arrays + arrays/10 // from one run to the next it differs by as much
}

// NewFitting makes a trainer for a device that does not say how much memory it has: it tries a step, and half as many
// samples at once for as long as memory does not suffice.
func NewFitting[T interface {
	Load(theta, m, v []float32, step int64) error
	Step(tokens []int32, rate float64) (float32, error)
	Close()
}](p Params, build func(Params) (T, error)) (T, error) {
	var none T
	for {
		t, err := build(p)
		if err == nil {
			if err = attempt(p, t.Load, t.Step); err == nil {
				return t, nil
			}
			t.Close()
		}
		if !outOfMemory(err) {
			return none, err
		}
		var less bool
		if p, less = p.Less(); !less {
			return none, fmt.Errorf("%w, not even with one sample of %d tokens at a time: %w", ErrMemory, p.Model.SeqLen, err)
		}
	}
}

// Less lays out a step that takes less memory: half as many samples at once or fewer, then each block computed twice. It says whether there is one.
func (p Params) Less() (Params, bool) {
	switch next := half(p); {
	case next > 0:
		p.Micro = next
	case !p.Compute.Remat:
		p.Compute.Remat = true
	default:
		return p, false
	}
	return p, true
}

// attempt does a step that nothing is learned from.
func attempt(p Params, load func(theta, m, v []float32, step int64) error, step func([]int32, float64) (float32, error)) error {
	if err := load(model.Init(p.Model, [32]byte{}), nil, nil, 0); err != nil {
		return err
	}
	_, err := step(make([]int32, p.Batch*(p.Model.SeqLen+1)), 0)
	return err
}

// half is the largest number of samples at once that is at most half of p's and divides the batch; 0 where there is none.
func half(p Params) int {
	for micro := p.atOnce() / 2; micro >= 1; micro-- {
		if p.Batch%micro == 0 {
			return micro
		}
	}
	return 0
}

// outOfMemory tells whether a device refused for lack of memory, as XLA's plugins word it.
func outOfMemory(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "resource_exhausted") || strings.Contains(text, "out of memory") || strings.Contains(text, "failed to allocate")
}
