package inner

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
		return fmt.Errorf("inner: schedule kind is %q, want %s, %s or %s", s.Kind, Cosine, WSD, Constant)
	case !(s.Peak > 0) || math.IsInf(s.Peak, 0):
		return fmt.Errorf("inner: peak rate is %g, want a number above 0", s.Peak)
	case !(s.Floor >= 0 && s.Floor <= 1):
		return fmt.Errorf("inner: floor is %g, want a share of the peak rate, 0 to 1", s.Floor)
	case s.Warmup < 0:
		return fmt.Errorf("inner: warm-up of %d tokens, want 0 or more", s.Warmup)
	case s.Kind != Constant && s.Total <= s.Warmup:
		return fmt.Errorf("inner: total of %d tokens, want more than the warm-up's %d", s.Total, s.Warmup)
	case s.Kind == WSD && !(s.DecayFrom >= 0 && s.DecayFrom <= 1):
		return fmt.Errorf("inner: decay_from is %g, want a share of the total, 0 to 1", s.DecayFrom)
	case s.Kind == WSD && s.DecayFrom*float64(s.Total) < float64(s.Warmup):
		return fmt.Errorf("inner: decay_from is %g, before the warm-up's end", s.DecayFrom)
	}
	return nil
}

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
		height = (1 + math.Cos(math.Pi*(at-warmup)/(total-warmup))) / 2
	case s.Kind == WSD:
		from := s.DecayFrom * total
		height = min(1, (total-at)/(total-from))
	}
	return s.Peak * (s.Floor + (1-s.Floor)*height)
}
