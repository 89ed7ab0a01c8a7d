package node

import (
	"testing"
	"time"
)

func TestAlive(t *testing.T) {
	n := &Node{start: time.Now().Add(-time.Hour)}
	if !n.alive() {
		t.Error("a node that waits for its swarm is not alive")
	}
	n.turned.Store(int64(time.Hour - time.Second))
	if !n.alive() {
		t.Error("a loop that came round a second ago is not alive")
	}
	n.turned.Store(int64(time.Hour - maxTurn - time.Second))
	if n.alive() {
		t.Error("a loop that hangs is alive")
	}
}

// TestStill tells a trainer that hangs from one whose steps are long, that waits, or that was paused.
func TestStill(t *testing.T) {
	now := time.Now()
	busy := viewed{stepped: now.Add(-time.Minute), changedAt: now.Add(-time.Hour)}
	busy.trainer.Up, busy.trainer.TokensPerSec = true, 100 // a step in ten seconds
	for name, c := range map[string]struct {
		change func(*viewed)
		want   time.Duration
	}{
		"hangs":         {func(*viewed) {}, time.Minute},
		"long steps":    {func(v *viewed) { v.trainer.TokensPerSec = 50 }, 0},
		"short ones":    {func(v *viewed) { v.trainer.TokensPerSec, v.stepped = 10_000, now.Add(-9*time.Second) }, 0},
		"has done all":  {func(v *viewed) { v.idle = true }, 0},
		"just resumed":  {func(v *viewed) { v.changedAt = now.Add(-time.Second) }, 0},
		"is not there":  {func(v *viewed) { v.trainer.Up = false }, 0},
		"has compiled":  {func(v *viewed) { v.trainer.TokensPerSec = 0 }, 0},
		"just finished": {func(v *viewed) { v.stepped = now }, 0},
	} {
		v := busy
		if c.change(&v); v.still(now, 1000) != c.want {
			t.Errorf("one that %s stands still for %v, want %v", name, v.still(now, 1000), c.want)
		}
	}
}
