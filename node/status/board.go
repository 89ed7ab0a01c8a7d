// Package status is what a node shows of itself: to people, to peers, to its API.
//
// It guarantees that writers are named, each with what it may say, and that readers see all that one wrote at once. It must not
// know how peers are reached, nor carry anything out.
package status

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/senses/device"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Params say of whom a Board tells.
type Params struct {
	Self     proto.PeerID
	Swarm    proto.ID
	Version  string
	Seed     bool // whether this node is a seed, which does not train
	Settings policy.Settings
	Diary    *event.Log
	Log      *slog.Logger
}

// Validate says what is missing.
func (p Params) Validate() error {
	if p.Self == "" || p.Diary == nil || p.Log == nil {
		return errors.New("status: no peer id, diary or log")
	}
	return nil
}

// Board holds what is known of a node. Its methods may be called concurrently.
type Board struct {
	p  Params
	mu sync.Mutex
	v  Snapshot
}

// New returns the board of a node that is starting.
func New(p Params) (*Board, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Board{p: p, v: Snapshot{self: p.Self, Settings: p.Settings}}, nil
}

// Snapshot is what is known at one time.
type Snapshot struct {
	Settings policy.Settings
	Limits   api.Limits
	Trainer  api.Trainer
	Trainers []int       // process ids of the trainers
	Outcome  api.Outcome // outcome of the newest round

	self       proto.PeerID
	status     round.Status
	adoptedAt  time.Time
	changedAt  time.Time // when this node last began or ceased to train
	trainerWhy string
	diskWhy    string
	name       string            // the swarm's name, once its manifest is here
	starting   string            // what this node waits for before it opens the replica
	stepped    time.Time         // when the trainer last told of a step
	outdated   string            // why this murmur is too old for the swarm
	tooLarge   string            // why the swarm does not fit into this machine
	unkept     map[string]string // why the disk did not take a person's settings, by file; never changed in place
	machine    policy.Machine    // what the senses tell of this machine
	devices    []api.Device
	used       api.Usage // traffic of this month
	quotaWhy   string    // why the month's traffic limit keeps the node off the line
	quotaEnds  time.Time
	leaving    bool
	learned    uint64 // tokens learned in all, by the trainer's count
	idle       bool   // whether the trainer has done all that it may in this round
	standings  map[proto.PeerID]*standing
	heldout    api.Heldout // newest held-out loss that was measured here
	stages     api.Stages  // stages of the round under way
	rounds     []api.Outcome
	counts     api.Counts
	health     []health.Condition
	restarts   []time.Time // newest restarts of the trainer
	twice      time.Time   // arrival of the last commit that proves two updates of this node's key for one parent
	jump       jump        // newest jump since this process began
	share      api.Share   // copy of this node's share
	stepTokens uint64
	gradient   float64 // bytes of a step's gradient in float32, for each of its tokens
	necessary  uint64  // api.Traffic's Necessary
	allReduce  float64 // api.Traffic's AllReduce
}

func (b *Board) set(f func(*Snapshot)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.v)
}

// Snapshot returns what is known now, without the stories of peers and rounds.
func (b *Board) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.v
	if s := v.standings[v.self]; s != nil {
		v.share = s.share
	}
	v.standings, v.rounds = nil, nil
	return v
}

// Status is the round machine's, as it was last entered.
func (b *Board) Status() round.Status { return b.Snapshot().status }

// Decide says whether the node trains now, and why.
func (b *Board) Decide() policy.Decision {
	v := b.Snapshot()
	return policy.Decide(policy.Facts{
		Now: time.Now(), Settings: v.Settings, Machine: v.machine,
		Leaving: v.leaving, Done: v.status.Complete, Seed: b.p.Seed, Damaged: v.status.Damaged, Checkpoint: v.status.Awaits, QuotaWhy: v.quotaWhy, QuotaEnds: v.quotaEnds,
		TrainerUp: v.Trainer.Up, TrainerWhy: v.trainerWhy, DiskWhy: v.diskWhy,
	})
}

// ErrStarting says that there is no manifest yet.
var ErrStarting = errors.New("this node is still looking for the swarm's manifest")

// joining says what is waited for before the node can take part.
func (v Snapshot) joining() string {
	return cmp.Or(v.outdated, v.tooLarge, v.diskWhy, v.starting, ErrStarting.Error())
}

// Why says in a line what the node does, for those who ask often; ready: it takes part.
func (b *Board) Why(ready bool) string {
	if !ready {
		return b.Snapshot().joining()
	}
	return b.Decide().Why
}

const (
	minBeat = 500 * time.Millisecond
	maxBeat = 5 * time.Second
)

// BeatInterval is a tenth of a round, within bounds.
func (b *Board) BeatInterval() time.Duration {
	seconds := b.Snapshot().Outcome.Seconds
	return min(max(time.Duration(seconds*float64(time.Second)/10), minBeat), maxBeat)
}

// Heartbeat is what peers are told.
func (b *Board) Heartbeat(now time.Time) *murmurv1.Heartbeat {
	v, d := b.Snapshot(), b.Decide()
	h := &murmurv1.Heartbeat{
		Swarm: b.p.Swarm[:], Height: v.status.Head.Height, Head: v.status.Head.ID[:], Tokens: v.status.Lacking,
		State: string(d.PublicReason()), Why: d.Public(), Version: b.p.Version, Paused: !d.Train,
		IntervalMs: uint32(b.BeatInterval().Milliseconds()), Backend: v.Trainer.Backend,
		Done: v.idle, HeldoutHeight: v.heldout.Height, HeldoutLoss: v.heldout.Loss, UnixMs: now.UnixMilli(),
	}
	if d.Train && v.still(now) == 0 {
		h.Rate = v.Trainer.TokensPerSec
	}
	return h
}

// Named notes the swarm's name.
func (b *Board) Named(name string) { b.set(func(v *Snapshot) { v.name = name }) }

// Starting notes what is waited for before the node can take part.
func (b *Board) Starting(what string) { b.set(func(v *Snapshot) { v.starting = what }) }

// Outdated notes why this murmur is too old for the swarm.
func (b *Board) Outdated(why string) {
	b.set(func(v *Snapshot) { v.outdated = why })
	b.p.Diary.Add(event.Node, 0, why)
}

// TooLarge notes why the swarm does not fit into this machine.
func (b *Board) TooLarge(why string) {
	b.set(func(v *Snapshot) { v.tooLarge = why })
	b.p.Diary.Add(event.Node, 0, why)
}

// Sized notes how many tokens a step of the swarm's model takes, and how many parameters it has.
func (b *Board) Sized(stepTokens, params uint64) {
	b.set(func(v *Snapshot) { v.stepTokens, v.gradient = stepTokens, 4*float64(params)/float64(stepTokens) })
}

// Leaving notes that the node is about to go.
func (b *Board) Leaving() { b.set(func(v *Snapshot) { v.leaving = true }) }

// Set notes what a person wants of this machine.
func (b *Board) Set(s policy.Settings) {
	b.set(func(v *Snapshot) {
		v.Settings = s
		v.machine.Again(s)
	})
}

// Limit notes what a person allows murmur on this machine.
func (b *Board) Limit(l api.Limits) { b.set(func(v *Snapshot) { v.Limits = l }) }

// Kept notes whether the disk took a file of what a person wants. That counts at once all the
// same: a machine that is to stop must not go on because its disk is full.
func (b *Board) Kept(file string, err error) {
	b.set(func(v *Snapshot) {
		unkept := maps.Clone(v.unkept)
		if delete(unkept, file); err != nil {
			if unkept == nil {
				unkept = map[string]string{}
			}
			unkept[file] = err.Error()
		}
		v.unkept = unkept
	})
}

// notKept tells what the disk did not take, empty if it has all.
func (v Snapshot) notKept() string {
	var all []string
	for _, file := range slices.Sorted(maps.Keys(v.unkept)) {
		all = append(all, fmt.Sprintf("%s could not be written, so it counts until the next start alone: %s", file, v.unkept[file]))
	}
	return strings.Join(all, "; ")
}

// Sensed notes what the machine's senses tell.
func (b *Board) Sensed(r policy.Readings, ds []device.Reading) {
	devices := make([]api.Device, len(ds))
	for i, d := range ds {
		devices[i] = api.Device{Name: d.Name, Celsius: d.Celsius, Watts: d.Watts, Memory: d.Memory, Total: d.Total, Others: d.Others}
	}
	b.set(func(v *Snapshot) {
		v.machine.Take(r, v.Settings)
		v.devices = devices
	})
}

// Used notes what the month's traffic is, and why the node rests for it until it ends; empty: it need not.
func (b *Board) Used(u api.Usage, why string, ends time.Time) {
	var first bool
	b.set(func(v *Snapshot) {
		first = why != "" && v.quotaWhy == ""
		v.quotaWhy, v.quotaEnds, v.used = why, ends, u
	})
	if first {
		b.p.Diary.Add(event.Node, 0, why)
	}
}

// Trouble shows that something on this machine failed, which is tried again.
func (b *Board) Trouble(doing string, err error) {
	why := fmt.Sprintf("%s: %v", doing, err)
	b.p.Log.Warn("Trouble on this machine", "doing", doing, "error", err)
	b.set(func(v *Snapshot) {
		if v.diskWhy != why {
			b.p.Diary.Add(event.Node, 0, why)
		}
		v.diskWhy = why
	})
}

// NoTrouble notes that what failed works again.
func (b *Board) NoTrouble() { b.set(func(v *Snapshot) { v.diskWhy = "" }) }
