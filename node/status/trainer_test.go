package status

import (
	"testing"
	"time"
)

// TestStill tells a trainer that hangs from one whose steps are long, that waits, or that was paused.
func TestStill(t *testing.T) {
	now := time.Now()
	busy := Snapshot{stepTokens: 1000, stepped: now.Add(-time.Minute), changedAt: now.Add(-time.Hour)}
	busy.Trainer.Up, busy.Trainer.TokensPerSec = true, 100 // a step in ten seconds
	for name, c := range map[string]struct {
		change func(*Snapshot)
		want   time.Duration
	}{
		"hangs":         {func(*Snapshot) {}, time.Minute},
		"long steps":    {func(v *Snapshot) { v.Trainer.TokensPerSec = 50 }, 0},
		"short ones":    {func(v *Snapshot) { v.Trainer.TokensPerSec, v.stepped = 10_000, now.Add(-9*time.Second) }, 0},
		"has done all":  {func(v *Snapshot) { v.idle = true }, 0},
		"just resumed":  {func(v *Snapshot) { v.changedAt = now.Add(-time.Second) }, 0},
		"is not there":  {func(v *Snapshot) { v.Trainer.Up = false }, 0},
		"has compiled":  {func(v *Snapshot) { v.Trainer.TokensPerSec = 0 }, 0},
		"just finished": {func(v *Snapshot) { v.stepped = now }, 0},
	} {
		v := busy
		if c.change(&v); v.still(now) != c.want {
			t.Errorf("one that %s stands still for %v, want %v", name, v.still(now), c.want)
		}
	}
}
