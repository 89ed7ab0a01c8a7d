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
// computed twice. It needs no backend, and goes by an estimate, which measured peaks stay below (fit_test.go); 0 bytes are no bound.
func Fit(p Params, memory uint64) (Params, error) {
	if err := p.shape(); err != nil || memory == 0 {
		return p, err
	}
	for _, remat := range []bool{p.Remat, true} {
		p.Remat = remat
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
	if r.params.Remat {
		s += ", each block computed twice"
	}
	if r.short() {
		s += ", parameters and moments in bfloat16"
	}
	if r.params.Compute.Half {
		s += ", matrices in bfloat16"
	}
	if r.params.Tight {
		s += ", memory given back at once"
	}
	return s
}

// Allocator is the environment in which glibc serves a step. XLA allocates its intermediate values anew in each step, on a thread of its own. What is freed is
// kept for the next one: given back to the kernel, it costs a page fault every 4 KiB, a fifth of a small model's step. But it lies in pieces that the next array does not
// fit into, 11 bytes a parameter at 124M. Where memory is tight, arrays come from the kernel, in huge pages where it has them, and go back at once.
func Allocator(tight bool) string {
	const one = "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.trim_threshold=268435456:"
	if tight {
		return one + "glibc.malloc.mmap_max=65536:glibc.malloc.mmap_threshold=1048576:glibc.malloc.hugetlb=1"
	}
	return one + "glibc.malloc.mmap_max=0"
}

// What a process takes beside a step's arrays: the programs, and what XLA and Go keep. More programs widen and round.
const (
	programBytes = 160 << 20
	roundedBytes = 212 << 20
)

// Memory bounds the bytes that a step holds on the device, as measured with XLA's plugin for CPUs and Allocator (TestMemory). Parameters, moments and
// gradients exist together; where memory is not tight, holes lie between them, and the largest tensor finds none that is large enough. A block holds what its
// backward pass needs, in XLA's order. The factors are the least that stay above 112 measured peaks, of ten shapes from 0.9M to 350M parameters, by linear
// programming; a twenty-fourth is added, for runs differ. It was 5 to 53 % above what was taken, 5 to 26 above 100M.
func (p Params) Memory() uint64 {
	c := p.Model
	r := replica{params: p, layout: c.Layout()}
	width, base := 4.0, float64(programBytes)
	if r.short() {
		width, base = 2, roundedBytes
	}
	var vectors, largest, host float64
	for _, t := range r.layout {
		for k := range r.state {
			if r.holds(k, t) {
				vectors += float64(t.Size)
			}
		}
		largest = max(largest, float64(t.Size))
	}
	grads := float64(r.layout.Params())
	if p.Optimizer.Kind == optimizer.None {
		host = 4 * grads // their sum
	}
	live, held, through := 1.3, 1.22, 1.1*4*largest
	if p.Tight {
		live, held, through = 1.02, 0.77, width*largest // once more, where it is summed or updated
	}
	if p.atOnce() < p.Batch {
		through += width * grads // another part's, until they are added
	}
	samples, seq, dim := float64(p.atOnce()), float64(c.SeqLen), float64(c.Dim)
	heads, kv, ffn := float64(c.Heads*c.HeadDim), float64(c.KVHeads*c.HeadDim), float64(c.FFN)
	// What a block keeps for the backward pass: norms, projections before and after turning, attention, the gated layer;
	// and scores and their softmax, with a gradient of each while it is on its way back.
	block := samples*seq*(6*dim+4*heads+4*kv+5*ffn) + samples*float64(c.Heads)*seq*seq*4
	layers := held * float64(c.Layers) * block
	if p.byBlocks() {
		layers = float64(c.Layers)*samples*seq*dim + 1.44*block
	}
	head := 5.5 * min(samples*seq*float64(c.Vocab), 2*model.MaxLogits) // logits, exponentials, the chosen ones, a gradient, of two chunks
	if c.Adapter != nil {
		base += float64(c.FrozenBytes())
	}
	return uint64((base + host + live*width*(vectors+grads) + through + 4*(layers+head)) * 25 / 24)
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
	case !p.Remat:
		p.Remat = true
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
