package adam

import (
	"math"
	"runtime"
	"sync"
)

// span is how many parameters are worth a goroutine: about 0.3 ms.
const span = 1 << 16

// Apply does step t (from 1) on one tensor, or on a part of one: theta, m and v are changed in place, all four slices
// have one length. decays says whether weight decay applies to the tensor. With the factors of the step, in float32
// from the left to the right:
//
//	m ← m + (g − m)·(1 − β1)
//	v ← v·β2 + g²·(1 − β2)
//	θ ← θ·decay − m / (√v/correction + eps) · rate
//
// Gradients below 1e18 keep all of it finite. The tensor is split over the CPUs.
func (a AdamW) Apply(theta, m, v, grad []float32, rate float64, t int64, decays bool) {
	n := len(theta)
	m, v, grad = m[:n:n], v[:n:n], grad[:n:n]
	f := a.Factors(rate, t)
	if !decays {
		f.Decay = 1
	}
	parts := min(runtime.GOMAXPROCS(0), (n+span-1)/span)
	if parts <= 1 {
		a.apply(theta, m, v, grad, f)
		return
	}
	var others sync.WaitGroup
	for i := range parts {
		from, to := n/parts*i, n/parts*(i+1)
		if i == parts-1 {
			to = n
		}
		others.Go(func() { a.apply(theta[from:to], m[from:to], v[from:to], grad[from:to], f) })
	}
	others.Wait()
}

func (a AdamW) apply(theta, m, v, grad []float32, f Factors) {
	m, v, grad = m[:len(theta)], v[:len(theta)], grad[:len(theta)]
	new1, old2, new2, eps := float32(1-a.Beta1), float32(a.Beta2), float32(1-a.Beta2), float32(a.Eps)
	for i, p := range theta {
		g := grad[i]
		mi := m[i] + float32((g-m[i])*new1)
		vi := float32(v[i]*old2) + float32(float32(g*g)*new2)
		root := float32(math.Sqrt(float64(vi)))
		step := mi / (float32(root/f.Correction) + eps)
		theta[i] = float32(p*f.Decay) - float32(step*f.Rate)
		m[i], v[i] = mi, vi
	}
}
