package status

import (
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/trainer/worker"
)

// maxRestarts bounds the restarts of the trainer whose times are kept.
const maxRestarts = 16

// TrainerStarted notes processes that are on their device from here on, and no strangers there.
func (b *Board) TrainerStarted(pids []int) { b.set(func(v *Snapshot) { v.Trainers = pids }) }

// TrainerReady notes that a trainer takes part, and on what.
func (b *Board) TrainerReady(pid int, ready worker.Ready, devices []string) {
	b.set(func(v *Snapshot) {
		v.trainerWhy = ""
		v.Trainer.Up, v.Trainer.Pid, v.Trainer.Params = true, pid, ready.Params
		v.Trainer.Backend, v.Trainer.Device, v.Trainer.Refusals = ready.Backend, strings.Join(devices, ", "), ready.Refusals
	})
}

// TrainerYielded notes that the trainer has given its device back.
func (b *Board) TrainerYielded() {
	b.set(func(v *Snapshot) {
		v.Trainer.Up, v.Trainer.Pid, v.Trainer.TokensPerSec, v.trainerWhy, v.Trainers = false, 0, 0, "", nil
	})
}

// TrainerEnded notes why the trainer ended, which is started again.
func (b *Board) TrainerEnded(why error, now time.Time) {
	b.set(func(v *Snapshot) {
		v.Trainer.Up, v.Trainer.TokensPerSec, v.trainerWhy, v.Trainers = false, 0, why.Error(), nil
		v.Trainer.Restarts++
		v.restarts = append(v.restarts[max(0, len(v.restarts)+1-maxRestarts):], now)
	})
}

// TrainerBegins notes how many tokens were learned in all when a trainer begins.
func (b *Board) TrainerBegins(total uint64) { b.set(func(v *Snapshot) { v.learned = total }) }

// TrainerStepped notes how far the trainer is, with the tokens learned in all.
func (b *Board) TrainerStepped(g worker.Progress, total uint64, now time.Time) {
	b.set(func(v *Snapshot) {
		v.Trainer.TokensPerSec, v.Trainer.Loss, v.idle, v.stepped = g.TokensPerSec, g.Loss, g.Idle, now
		if total > v.learned {
			v.Trainer.Tokens += total - v.learned
			v.Trainer.Steps = v.Trainer.Tokens / v.stepTokens
		}
		v.learned = total
	})
}

// Measured notes a held-out loss that was measured here.
func (b *Board) Measured(p api.Heldout) { b.set(func(v *Snapshot) { v.heldout = p }) }

// patience is how long a step may take at least before the trainer is said to stand still.
const patience = 10 * time.Second

// still is for how long a trainer that trained has finished no step, where that is four times as long as its last ones took; 0 where it is not.
func (v Snapshot) still(now time.Time) time.Duration {
	if !v.Trainer.Up || v.idle || v.Trainer.TokensPerSec <= 0 || v.stepped.IsZero() {
		return 0
	}
	last := v.stepped
	if v.changedAt.After(last) {
		last = v.changedAt
	}
	usual := time.Duration(float64(v.stepTokens) / v.Trainer.TokensPerSec * float64(time.Second))
	if d := now.Sub(last); d > max(patience, 4*usual) {
		return d
	}
	return 0
}
