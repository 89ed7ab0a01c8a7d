// Package policy says whether this machine may train now, and if not, why not.
//
// It is a pure function of facts that others gather: the same facts give the
// same decision. It must not look at the machine, the clock or the network.
package policy

import (
	"fmt"
	"time"
)

// Reason is why a node does or does not train.
type Reason string

// The reasons, in the order in which they are asked.
const (
	Leaving      Reason = "leaving"
	Done         Reason = "done"
	Seed         Reason = "seed"
	Paused       Reason = "paused"
	Quota        Reason = "quota"
	NetworkHours Reason = "network-hours"
	Hours        Reason = "hours"
	Battery      Reason = "battery"
	InUse        Reason = "in-use"
	GPUInUse     Reason = "gpu-in-use"
	Hot          Reason = "hot"
	Power        Reason = "power"
	Memory       Reason = "memory"
	EnergySignal Reason = "energy"
	Joining      Reason = "joining"
	Damaged      Reason = "damaged"
	NoTrainer    Reason = "no-trainer"
	DiskFull     Reason = "disk"
	Training     Reason = "training"
)

// The reasons of a node that does not take part in its swarm, which nothing here decides.
const (
	Outdated Reason = "outdated"  // its murmur is older than the manifest asks for
	TooLarge Reason = "too-large" // the model needs more memory or disk than is free
)

// Facts are what a decision depends on.
type Facts struct {
	Now        time.Time // in the zone of the clock on the wall
	Settings   Settings
	Leaving    bool      // the daemon is going down
	Done       bool      // the schedule's last token is committed
	Seed       bool      // this node is there for others
	QuotaWhy   string    // why it may not use the line any more, in words
	QuotaEnds  time.Time // when that ends
	Machine    Machine   // what its senses tell
	Checkpoint uint64    // the round that the join link names and no branch here has; 0: none
	Damaged    bool      // the disk lost a state that peers may give back
	TrainerUp  bool      // the trainer process is ready
	TrainerWhy string    // why it is not, in words
	DiskWhy    string    // why the disk could not be written last, in words; empty when it could
}

// Decision is a reason with its sentence.
type Decision struct {
	Train  bool
	Yield  bool // the trainer is to give the device back
	Rest   bool // the line to the outside is not to be used
	Reason Reason
	Why    string
	Source string    // who or what decided
	Until  time.Time // when it may change by itself; zero: not known
}

// Public is the reason in words that say nothing about the machine, for peers.
func (d Decision) Public() string {
	switch d.Reason {
	case NoTrainer:
		return "its trainer is not up"
	case DiskFull:
		return "training, but its disk cannot be written"
	case Quota, NetworkHours:
		return "resting from the network"
	case Paused, Hours, Battery, InUse, GPUInUse, Hot, Power, Memory, EnergySignal:
		return "paused"
	case Damaged, Joining:
		return "fetching the shared model"
	default:
		return d.Why
	}
}

// PublicReason is the reason as peers may know it: whether somebody is at home is nobody's concern.
func (d Decision) PublicReason() Reason {
	switch d.Reason {
	case Leaving, Done, Seed, Training, NoTrainer, Damaged, Joining:
		return d.Reason
	case DiskFull:
		return Training
	default:
		return Paused
	}
}

// Decide returns the first reason not to train, or that the node trains.
func Decide(f Facts) Decision {
	d := first(f)
	s := f.Settings
	d.Rest = f.QuotaWhy != "" || !s.Network.Open(f.Now)
	_, objects := f.Machine.objection(s)
	d.Yield = d.Rest || s.Pause.holds(f.Now) && !s.Pause.Keep || !s.Compute.Open(f.Now) || objects || f.Seed
	return d
}

func first(f Facts) Decision {
	s := f.Settings
	switch {
	case f.Leaving:
		return Decision{Reason: Leaving, Source: "the daemon", Why: "the daemon is shutting down"}
	case f.Done:
		return Decision{Reason: Done, Source: "the swarm's schedule", Why: "the schedule's last token is committed; serving the finished model"}
	case f.Seed:
		return Decision{Reason: Seed, Source: "murmur seed", Why: "a seed: it serves others and does not train"}
	case s.Pause.holds(f.Now):
		d := Decision{Reason: Paused, Source: "a person", Why: "paused by hand, until murmur resume", Until: s.Pause.Until}
		if !d.Until.IsZero() {
			d.Why = fmt.Sprintf("paused by hand until %s, or murmur resume", clock(d.Until, f.Now.In(d.Until.Location()))) // the zone of whoever paused
		}
		return d
	case f.QuotaWhy != "":
		return Decision{Reason: Quota, Source: "murmur limit", Why: f.QuotaWhy, Until: f.QuotaEnds}
	case !s.Network.Open(f.Now):
		until := s.Network.Next(f.Now)
		return Decision{
			Reason: NetworkHours, Source: "murmur hours", Until: until,
			Why: fmt.Sprintf("outside the hours in which the line may be used (%s)%s", s.Network, opens(until, f.Now)),
		}
	case !s.Compute.Open(f.Now):
		until := s.Compute.Next(f.Now)
		return Decision{
			Reason: Hours, Source: "murmur hours", Until: until,
			Why: fmt.Sprintf("outside the hours in which it may train (%s)%s", s.Compute, opens(until, f.Now)),
		}
	}
	if d, objects := f.Machine.objection(s); objects {
		return d
	}
	switch {
	case f.Checkpoint > 0:
		return Decision{Reason: Joining, Source: "the join link", Why: fmt.Sprintf(
			"looking for the branch with round %d, which the join link names; if no peer has it, ask for a newer link and join again in a new directory", f.Checkpoint)}
	case f.Damaged:
		return Decision{Reason: Damaged, Source: "this machine", Why: "the shared model on this disk is damaged; waiting for a peer to fetch it from"}
	case !f.TrainerUp:
		why := f.TrainerWhy
		if why == "" {
			why = "the trainer is starting"
		}
		return Decision{Reason: NoTrainer, Source: "the trainer", Why: why}
	}
	until := sooner(s.Compute.Next(f.Now), s.Network.Next(f.Now))
	if f.DiskWhy != "" {
		// What is learned stays in the local model until the disk has room for it.
		return Decision{Train: true, Reason: DiskFull, Source: "this machine", Why: "training, but cannot publish: " + f.DiskWhy, Until: until}
	}
	return Decision{Train: true, Reason: Training, Source: "the settings", Why: "training", Until: until}
}

func opens(until, now time.Time) string {
	if until.IsZero() {
		return ""
	}
	return "; it goes on at " + clock(until, now)
}

// clock writes a time for people: the day only where it is another one.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if y, d := t.Year(), t.YearDay(); y == now.Year() && d == now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
