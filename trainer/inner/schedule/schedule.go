// Package schedule is the learning rate, or any other rate of a swarm, as a function of committed tokens.
//
// A rate has the same bits on every processor, so that what all nodes must agree on may follow from it: each operation
// is rounded by itself, and the cosine is a polynomial. The package must not know of optimizers, rounds or swarms.
package schedule

import (
	"fmt"
	"math"
)

// Kinds of Schedule.
const (
	Cosine   = "cosine"   // half a cosine from Peak to the floor at Total
	WSD      = "wsd"      // warm-up, stable, decay: Peak until DecayFrom, then a straight line to the floor at Total
	Constant = "constant" // Peak for ever
)

// Schedule gives the learning rate by tokens that the swarm has committed, so that every node is at the same place
// whatever its speed or the hour it joined. All kinds first rise in a straight line from the floor to Peak.
type Schedule struct {
	Kind      string  `json:"kind" toml:"kind"`
	Peak      float64 `json:"peak" toml:"peak"`
	Floor     float64 `json:"floor" toml:"floor"`           // lowest rate, as a share of Peak; warm-up starts and decay ends there
	Warmup    int64   `json:"warmup" toml:"warmup"`         // tokens
	Total     int64   `json:"total" toml:"total"`           // tokens; the rate stays at the floor after them
	DecayFrom float64 `json:"decay_from" toml:"decay_from"` // wsd: share of Total at which decay begins
}

// Validate reports the first field out of its range.
func (s Schedule) Validate() error {
	switch {
	case s.Kind != Cosine && s.Kind != WSD && s.Kind != Constant:
		return fmt.Errorf("schedule: kind is %q, want %s, %s or %s", s.Kind, Cosine, WSD, Constant)
	case !(s.Peak > 0) || math.IsInf(s.Peak, 0):
		return fmt.Errorf("schedule: peak is %g, want a number above 0", s.Peak)
	case !(s.Floor >= 0 && s.Floor <= 1):
		return fmt.Errorf("schedule: floor is %g, want a share of the peak, 0 to 1", s.Floor)
	case s.Warmup < 0:
		return fmt.Errorf("schedule: warmup is %d tokens, want 0 or more", s.Warmup)
	case s.Kind != Constant && s.Total <= s.Warmup:
		return fmt.Errorf("schedule: total is %d tokens, want more than the warm-up's %d", s.Total, s.Warmup)
	case s.Kind == WSD && !(s.DecayFrom >= 0 && s.DecayFrom <= 1):
		return fmt.Errorf("schedule: decay_from is %g, want a share of the total, 0 to 1", s.DecayFrom)
	case s.Kind == WSD && s.decayFrom() < float64(s.Warmup):
		return fmt.Errorf("schedule: decay_from is %g, before the warm-up's end", s.DecayFrom)
	}
	return nil
}

// decayFrom is where a wsd decay begins, in tokens.
func (s Schedule) decayFrom() float64 { return float64(s.DecayFrom * float64(s.Total)) }

// Rate is the learning rate after that many committed tokens. The schedule must be valid.
func (s Schedule) Rate(committed int64) float64 {
	at, warmup, total := float64(max(committed, 0)), float64(s.Warmup), float64(s.Total)
	height := 1.0 // 0 at the floor, 1 at Peak
	switch {
	case at < warmup:
		height = at / warmup
	case s.Kind == Constant:
	case at >= total:
		height = 0
	case s.Kind == Cosine:
		height = (1 + cosPi((at-warmup)/(total-warmup))) / 2
	case s.Kind == WSD:
		height = min(1, (total-at)/(total-s.decayFrom()))
	}
	return float64(s.Peak * (s.Floor + float64((1-s.Floor)*height)))
}

// cosPi is the cosine of πx for x in [0, 1], within 4e-16.
func cosPi(x float64) float64 {
	switch {
	case x > .75:
		return -cosine(1 - x)
	case x > .25:
		return sine(.5 - x)
	}
	return cosine(x)
}

// cosine of πx by its Taylor series, |x| ≤ 1/4: what is left out is below 1e-16.
func cosine(x float64) float64 {
	t := float64(math.Pi * x)
	y := float64(t * t)
	return horner(y, 1, -1./2, 1./24, -1./720, 1./40320, -1./3628800, 1./479001600, -1./87178291200, 1./20922789888000)
}

// sine of πx, likewise.
func sine(x float64) float64 {
	t := float64(math.Pi * x)
	y := float64(t * t)
	return float64(t * horner(y, 1, -1./6, 1./120, -1./5040, 1./362880, -1./39916800, 1./6227020800, -1./1307674368000))
}

// horner is c0 + c1·y + c2·y² …, from the last to the first.
func horner(y float64, c ...float64) float64 {
	sum := 0.0
	for i := len(c) - 1; i >= 0; i-- {
		sum = float64(sum*y) + c[i]
	}
	return sum
}
