package inner

import (
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
)

// Gradient is a trainer that does not move: its steps sum gradients at θ, for methods whose optimizer is part of the
// shared state. It keeps θ once, on the device, and the sum once, on the host; it has no moments. One goroutine uses
// it at a time.
type Gradient struct {
	*replica
	sum     []float32 // sum of gradients, as long as θ
	scratch []float32 // room for the largest tensor; nil before a second gradient is added
	since   int64     // number of steps in the sum
}

// NewGradient compiles the step. Load comes next.
func NewGradient(p Params) (*Gradient, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Optimizer.Kind != optimizer.None {
		return nil, fmt.Errorf("inner: the optimizer is %s, want %s", p.Optimizer.Kind, optimizer.None)
	}
	r, err := newReplica(p)
	if err != nil {
		return nil, err
	}
	return &Gradient{replica: r, sum: make([]float32, r.layout.Params())}, nil
}

// Load replaces the parameters and the count of steps, and forgets the sum of gradients. Moments are not read.
func (g *Gradient) Load(theta, m, v []float32, step int64) error {
	g.since = 0
	return g.replica.Load(theta, m, v, step)
}

// Set replaces the parameters between two steps; the sum of gradients stays. Sums of deltas would drift off what they are
// meant to be, an ulp at a time.
func (g *Gradient) Set(theta []float32) error { return g.replica.Load(theta, nil, nil, g.steps) }

// Step adds the gradient of one batch at θ, clipped to ClipNorm, to the sum. Tokens and loss are those of
// Trainer.Step; the rate is not used: it belongs to who applies the gradients. After an error about something else
// than the arguments the sum is empty; θ stays.
func (g *Gradient) Step(tokens []int32, _ float64) (loss float32, err error) {
	if g.state[0] == nil {
		return 0, ErrLost
	}
	if err := g.check(tokens); err != nil {
		return 0, err
	}
	l, err := g.learn(tokens)
	defer l.free()
	if err == nil {
		err = g.take(l)
	}
	if err != nil {
		g.since = 0
		return 0, fmt.Errorf("inner: step %d: %w", g.steps+1, err)
	}
	g.steps, g.sums = g.steps+1, 0
	g.since++
	return l.loss, nil
}

// take adds gradients to the sum; the first one is the sum.
func (g *Gradient) take(l gradientSum) error {
	var factor float32
	if err := tensors.ConstFlatData(l.factor, func(flat []float32) { factor = flat[0] }); err != nil {
		return err
	}
	for i, tensor := range g.layout {
		sum := g.sum[tensor.Offset:][:tensor.Size]
		grad := sum
		if g.since > 0 {
			if len(g.scratch) < tensor.Size {
				g.scratch = make([]float32, tensor.Size)
			}
			grad = g.scratch[:tensor.Size]
		}
		if err := g.read(grad, l.grads[i]); err != nil {
			return fmt.Errorf("gradient of %s: %w", tensor.Name, err)
		}
		for j, x := range grad {
			if x *= factor; g.since == 0 {
				sum[j] = x
			} else {
				sum[j] += x
			}
		}
	}
	return nil
}

// Take copies the mean gradient of the steps since the last Take or Load to dst and says how many they were. After no
// step it is zero.
func (g *Gradient) Take(dst []float32) (steps int64, err error) {
	if len(dst) != len(g.sum) {
		return 0, fmt.Errorf("inner: a vector of %d values, want %d", len(dst), len(g.sum))
	}
	steps, g.since = g.since, 0
	switch steps {
	case 0:
		clear(dst)
	case 1:
		copy(dst, g.sum)
	default:
		n := float32(steps)
		for i, x := range g.sum {
			dst[i] = x / n
		}
	}
	return steps, nil
}
