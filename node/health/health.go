// Package health says what is wrong with a node, in words, and what to do about it.
//
// It is a pure function of facts that others gather over time, so that the same story
// gives the same conditions. It must not look at the machine, the clock or the network.
package health

import (
	"fmt"
	"math"
	"time"
)

// Severity tells how much a condition matters.
type Severity string

// Severities.
const (
	Warning Severity = "warning" // the node goes on, with less
	Problem Severity = "problem" // what it does is lost, or it does nothing
)

// Condition is something that is wrong.
type Condition struct {
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"`
	Do       string    `json:"do"`
	Since    time.Time `json:"since"`
}

// Facts are what conditions depend on.
type Facts struct {
	Now         time.Time
	Resting     bool // the node wants no peers for now
	Training    bool
	Direct      int           // connected peers, but for seeds and those that only a relay reaches
	Seeds       int           // connected peers that do not train
	Relayed     int           // connected peers that only a relay reaches
	Waited      time.Duration // since the newest commit
	Usual       time.Duration // between two commits: the median; 0: not known
	Loss        float64       // training loss of this node; 0: not known
	SwarmLoss   float64       // of the newest round's updates
	LeftOut     int           // rounds in a row without this node's update, while it trained
	DiskWhy     string        // why the disk could not be written
	TrainerWhy  string        // why the trainer is not up
	Restarts    int           // of the trainer, in the last ten minutes
	Refusal     string        // what this node was told when it was not let in
	Unreachable bool          // others cannot dial this node, nor come by a relay
	ClockAhead  time.Duration // this machine's clock before its peers'; 0: not known
	Outdated    string        // why this murmur is too old for the swarm
	Jump        float64       // times as far as usual that the newest jump moved the shared model; 0: there was none
	JumpHeight  uint64        // of the commit that did it
	JumpAgo     time.Duration // since then
	Twice       bool          // two updates were signed with this node's key for one round
	TwiceAgo    time.Duration // since the newest such commit
}

// Limits beyond which something is wrong.
const (
	slowRounds   = 3 // times the usual
	leastWait    = 30 * time.Second
	mostLoss     = 1.0 // nats above the swarm's
	mostLeftOut  = 5
	mostRestarts = 3
	twiceShown   = 10 * time.Minute
	mostClock    = 30 * time.Second // hours and invites go by it; a heartbeat is underway for a second at most
)

// rule is one thing that may be wrong.
type rule struct {
	id       string
	severity Severity
	after    time.Duration // it must hold so long: less is nobody's concern
	holds    func(Facts) bool
	text     func(Facts) string
	do       string
}

func says(s string) func(Facts) string { return func(Facts) string { return s } }

var rules = []rule{
	{
		"refused", Problem, 0, func(f Facts) bool { return f.Refusal != "" },
		func(f Facts) string { return "the swarm does not let this node in: " + f.Refusal }, "ask a member for an invite, and join by it",
	},
	{
		"alone", Problem, time.Minute, func(f Facts) bool { return !f.Resting && f.Refusal == "" && f.Direct+f.Relayed+f.Seeds == 0 },
		says("no other node is reached"), "see in murmur status what was tried; give an address with murmur up --bootstrap, or wait for others",
	},
	{
		"relayed", Warning, time.Minute, func(f Facts) bool { return f.Direct == 0 && f.Relayed > 0 },
		says("all peers are behind relays: payloads come by nobody"), "open port 4101 (UDP) at the router, or have the swarm run a murmur seed",
	},
	{
		"unreachable", Warning, 5 * time.Minute, func(f Facts) bool { return !f.Resting && f.Unreachable && f.Direct+f.Relayed+f.Seeds > 0 },
		says("others cannot come to this node, not even through a relay"), "open port 4101 (UDP) at the router, or have the swarm run a murmur seed",
	},
	{
		"no-commit", Problem, 0, func(f Facts) bool { return !f.Resting && f.Usual > 0 && f.Waited > max(slowRounds*f.Usual, leastWait) },
		func(f Facts) string {
			return fmt.Sprintf("no round has ended for %.0f s, where %.0f s are usual", f.Waited.Seconds(), f.Usual.Seconds())
		},
		"see in murmur peers who is there; it goes on by itself when enough nodes are",
	},
	{
		"diverged", Problem, time.Minute, func(f Facts) bool {
			return f.Training && f.SwarmLoss > 0 && (math.IsNaN(f.Loss) || f.Loss > f.SwarmLoss+mostLoss)
		},
		func(f Facts) string {
			return fmt.Sprintf("this node's loss is %.2f, the swarm's %.2f: what it learns may be wrong", f.Loss, f.SwarmLoss)
		},
		"restart the node; if it stays so, test the device's memory",
	},
	{
		"two-machines", Problem, 0, func(f Facts) bool { return f.Twice && f.TwiceAgo < twiceShown },
		func(Facts) string {
			return "two updates were signed with this node's key for one round: another machine runs with a copy of its directory, and the work of neither counts"
		},
		"stop murmur on one of the two, and join there again with a directory of its own",
	},
	{
		"left-out", Warning, 0, func(f Facts) bool { return f.LeftOut >= mostLeftOut },
		func(f Facts) string {
			return fmt.Sprintf("this node's updates were left out of the last %d rounds", f.LeftOut)
		},
		"its line may be too slow for the swarm's grace: raise murmur limit --up, or train where the line is faster",
	},
	{
		"disk", Problem, 0, func(f Facts) bool { return f.DiskWhy != "" },
		func(f Facts) string { return "the disk cannot be used: " + f.DiskWhy }, "make room, or see to the disk; it is tried again by itself",
	},
	{
		"trainer", Problem, 0, func(f Facts) bool { return f.Restarts >= mostRestarts && f.TrainerWhy != "" },
		func(f Facts) string {
			return fmt.Sprintf("the trainer ended %d times within ten minutes: %s", f.Restarts, f.TrainerWhy)
		},
		"see murmur events; murmur xla tells which backends work here",
	},
	{
		"clock", Warning, time.Minute, func(f Facts) bool { return f.ClockAhead.Abs() > mostClock },
		func(f Facts) string {
			word := "ahead of"
			if f.ClockAhead < 0 {
				word = "behind"
			}
			return fmt.Sprintf("this machine's clock is %s %s those of its peers: hours and invites go by it", span(f.ClockAhead.Abs()), word)
		},
		"set the clock, and have it kept: timedatectl set-ntp true on Linux",
	},
	{
		"model-jumped", Problem, 0, func(f Facts) bool { return f.Jump > 0 && f.JumpAgo < jumpShown },
		func(f Facts) string {
			return fmt.Sprintf("round %d moved the shared model %.0f times as far as rounds usually do: it may be spoiled", f.JumpHeight, f.Jump)
		},
		"compare the loss with that of before; murmur fork makes a new swarm from an earlier round, and lists those that this node keeps",
	},
	{
		"version", Problem, 0, func(f Facts) bool { return f.Outdated != "" },
		func(f Facts) string { return f.Outdated }, "it takes part again as soon as a newer one runs; docs/operate/upgrade.md",
	},
}

// Registry remembers since when conditions hold.
type Registry struct{ since map[string]time.Time }

// Check takes facts in, in the order of time, and returns what is wrong now.
func (r *Registry) Check(f Facts) []Condition {
	if r.since == nil {
		r.since = make(map[string]time.Time)
	}
	var out []Condition
	for _, rule := range rules {
		if !rule.holds(f) {
			delete(r.since, rule.id)
			continue
		}
		since, known := r.since[rule.id]
		if !known {
			since = f.Now
			r.since[rule.id] = since
		}
		if f.Now.Sub(since) >= rule.after {
			out = append(out, Condition{ID: rule.id, Severity: rule.severity, Text: rule.text(f), Do: rule.do, Since: since})
		}
	}
	return out
}

// span is how far a clock is off, in words.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
