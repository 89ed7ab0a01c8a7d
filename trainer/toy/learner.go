package toy

import (
	"context"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/trainer/eval"
)

const (
	// window is how many neighbouring parameters a step moves: eight chunks of a bitloco payload, so that a round's signs
	// are not spent on parameters that did not move. It takes about 0.15 ms.
	window = 8 * 4096
	// spread is how far from 0 a target lies at most; initial weights have a standard deviation of 0.02.
	spread = 0.1
	// sampled is how many parameters the judge looks at.
	sampled = 1 << 16
)

// target is what parameter i should become: uniform between −spread and spread.
func target(i int) float32 {
	return spread * (float32(mix(uint64(i))>>40)/(1<<23) - 1)
}

// mix is SplitMix64 (Steele, Lea, Flood 2014).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// learner holds one replica.
type learner struct {
	took  time.Duration // of a step
	theta []float32
	steps int64
}

func newLearner(params int, step time.Duration) *learner {
	return &learner{took: step, theta: make([]float32, params)}
}

// Load replaces the state; there are no moments.
func (l *learner) Load(theta, _, _ []float32, step int64) error {
	if len(theta) != len(l.theta) || step < 0 {
		return fmt.Errorf("toy: %d parameters after step %d, want %d and 0 or more", len(theta), step, len(l.theta))
	}
	copy(l.theta, theta)
	l.steps = step
	return nil
}

// Step moves the window that the tokens and the step's number choose towards the target, each parameter but one by rate at
// most, and returns the window's mean distance from it before, in units of spread.
func (l *learner) Step(tokens []int32, rate float64) (float32, error) {
	most := float32(rate)
	return l.visit(tokens, func(i int, d float32) { l.theta[i] += min(max(d, -most), most) }), nil
}

// visit takes the time of a step and tells of each parameter in the window how far it is from the target.
func (l *learner) visit(tokens []int32, see func(i int, d float32)) (loss float32) {
	time.Sleep(l.took)
	seed := uint64(l.steps)
	for _, t := range tokens {
		seed = (seed ^ uint64(t)) * 0x100000001b3
	}
	n := min(window, len(l.theta))
	from := int(mix(seed)%uint64((len(l.theta)+n-1)/n)) * n
	to := min(from+n, len(l.theta))
	var off float64
	odd := from + int(mix(seed+1)%uint64(to-from)) // stays, or goes past the target: no two peers learn quite the same
	for i := from; i < to; i++ {
		d := target(i) - l.theta[i]
		off += float64(max(d, -d))
		if i == odd {
			if d = 0; max(target(i)-l.theta[i], l.theta[i]-target(i)) < spread/64 {
				d = spread / 64
			}
		}
		see(i, d)
	}
	l.steps++
	return float32(off / float64(to-from) / spread)
}

// gatherer is a learner whose parameters stand still: its gradient is that of half the square of the distance.
type gatherer struct {
	learner
	sum   []float32
	count int64
}

// Load replaces the state and drops what was gathered.
func (g *gatherer) Load(theta, m, v []float32, step int64) error {
	clear(g.sum)
	g.count = 0
	return g.learner.Load(theta, m, v, step)
}

// Set replaces the parameters; what was gathered stays.
func (g *gatherer) Set(theta []float32) error { return g.learner.Load(theta, nil, nil, g.steps) }

// Step adds the gradient of the window that Step of a learner would move.
func (g *gatherer) Step(tokens []int32, _ float64) (float32, error) {
	g.count++
	return g.visit(tokens, func(i int, d float32) { g.sum[i] -= d }), nil
}

// Take copies the mean of the gradients since it was last called.
func (g *gatherer) Take(dst []float32) (int64, error) {
	if len(dst) != len(g.sum) {
		return 0, fmt.Errorf("toy: room for %d values, want %d", len(dst), len(g.sum))
	}
	for i, s := range g.sum {
		dst[i] = s / float32(max(g.count, 1))
	}
	steps := g.count
	clear(g.sum)
	g.count = 0
	return steps, nil
}

// Read copies the state. The moments that it does not have are zero.
func (l *learner) Read(theta, m, v []float32) (int64, error) {
	if theta != nil {
		copy(theta, l.theta)
	}
	clear(m)
	clear(v)
	return l.steps, nil
}

// Add adds delta to θ.
func (l *learner) Add(delta []float32) error {
	if len(delta) != len(l.theta) {
		return fmt.Errorf("toy: a delta of %d values, want %d", len(delta), len(l.theta))
	}
	for i, d := range delta {
		l.theta[i] += d
	}
	return nil
}

func (l *learner) Close() {}

// judge measures a θ without its text.
type judge struct{ params int }

// Loss is the mean distance from the target, in units of spread, over parameters evenly spaced.
func (j judge) Loss(theta []float32, _ []int32) (float64, error) {
	if len(theta) != j.params {
		return 0, fmt.Errorf("toy: %d parameters, want %d", len(theta), j.params)
	}
	stride := max(j.params/sampled, 1)
	var off float64
	n := 0
	for i := 0; i < len(theta); i += stride {
		d := target(i) - theta[i]
		off += float64(max(d, -d))
		n++
	}
	return off / float64(n) / spread, nil
}

// Generate says the prompt again, from its beginning.
func (j judge) Generate(ctx context.Context, _ []float32, prompt []int32, n int, _ eval.Sampling, emit func(int32) bool) error {
	if len(prompt) == 0 {
		return fmt.Errorf("toy: a text needs a prompt")
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !emit(prompt[i%len(prompt)]) {
			return nil
		}
	}
	return nil
}

func (j judge) Close() {}
