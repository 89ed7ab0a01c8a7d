// Package schedule is the learning rate, or any other rate of a swarm, as a function of committed tokens.
//
// A rate has the same bits on every processor, so that what all nodes must agree on may follow from it: each operation
// is rounded by itself, and the cosine is a polynomial. The package must not know of optimizers, rounds or swarms.
package schedule

import (
	"math"

	"github.com/murmurnet/murmur/proto/setting"
)

// Kinds of Schedule.
const (
	Cosine   = "cosine"   // half a cosine from LR to the floor at TotalTokens
	WSD      = "wsd"      // warm-up, stable, decay: LR until DecayFrom, then a straight line to the floor at TotalTokens
	Constant = "constant" // LR for ever
)

// maxTokens bounds TotalTokens, far above any run and far below what an int64 or a float64 holds exactly.
const maxTokens = 1 << 50

// Schedule gives the learning rate by tokens that the swarm has committed, so that every node is at the same place
// whatever its speed or the hour it joined. All kinds first rise in a straight line from the floor to LR. Its fields
// are keys of a manifest's [inner].
type Schedule struct {
	Kind         string  `json:"schedule" toml:"schedule"`           // how the learning rate goes on after the warm-up: cosine, wsd (stable, then decay) or constant
	LR           float64 `json:"lr" toml:"lr"`                       // the highest learning rate
	LRFloor      float64 `json:"lr_floor" toml:"lr_floor"`           // the lowest learning rate, as a share of lr: warm-up starts and decay ends there
	WarmupTokens uint64  `json:"warmup_tokens" toml:"warmup_tokens"` // committed tokens after which the learning rate has risen to lr
	TotalTokens  uint64  `json:"total_tokens" toml:"total_tokens"`   // committed tokens after which the swarm has learned enough: decay and training end
	DecayFrom    float64 `json:"decay_from" toml:"decay_from"`       // the share of total_tokens at which the decay of wsd begins
}

// Rules are the ranges of the settings.
func (s Schedule) Rules() []setting.Rule {
	return []setting.Rule{
		setting.New("lr", s.LR, s.LR > 0 && s.LR < 1, "above 0, below 1"),
		setting.New("lr_floor", s.LRFloor, s.LRFloor >= 0 && s.LRFloor <= 1, "0..1"),
		setting.New("total_tokens", s.TotalTokens, s.TotalTokens > 0 && s.TotalTokens < maxTokens, "above 0, below 2^50"),
		setting.New("warmup_tokens", s.WarmupTokens, s.WarmupTokens < s.TotalTokens, "below total_tokens"),
		setting.New("schedule", s.Kind, s.Kind == Cosine || s.Kind == WSD || s.Kind == Constant, `"cosine", "wsd" or "constant"`),
		setting.New("decay_from", s.DecayFrom, s.DecayFrom > 0 && s.DecayFrom < 1 && (s.Kind != WSD || s.decayFrom() >= float64(s.WarmupTokens)),
			"above 0, below 1; for wsd not before the end of warmup_tokens"),
	}
}

// Validate names the first setting out of its range.
func (s Schedule) Validate() error { return setting.Check(s.Rules()) }

// decayFrom is where a wsd decay begins, in tokens.
func (s Schedule) decayFrom() float64 { return float64(s.DecayFrom * float64(s.TotalTokens)) }

// Rate is the learning rate after that many committed tokens. The schedule must be valid.
func (s Schedule) Rate(committed int64) float64 {
	at, warmup, total := float64(max(committed, 0)), float64(s.WarmupTokens), float64(s.TotalTokens)
	height := 1.0 // 0 at the floor, 1 at LR
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
	return float64(s.LR * (s.LRFloor + float64((1-s.LRFloor)*height)))
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
