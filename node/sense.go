package node

import (
	"cmp"
	"context"
	"runtime/debug"
	"time"

	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/senses"
	"github.com/murmurnet/murmur/node/senses/device"
)

const (
	senseTick   = 500 * time.Millisecond // pause between two looks at the machine: a game must have its card within a second
	restSense   = 2 * time.Second        // pause between two looks while the node rests, when nothing waits for them
	lookTick    = 5 * time.Second        // pause between two looks at the node's health
	restGarbage = 50                     // garbage that the heap may hold while the node rests, in percent of what lives
)

// Senses look at the machine. node/senses has those of a real one.
type Senses interface {
	Read(ctx context.Context, ask senses.Ask) (policy.Readings, []device.Reading)
	Close() error
}

// sense keeps an eye on the machine and on the node's health until ctx ends.
func (n *Node) sense(ctx context.Context) {
	machine := n.p.Senses
	if machine == nil {
		machine = senses.New()
	}
	defer func() {
		if err := machine.Close(); err != nil {
			n.log.Warn("A device was not let go", "error", err)
		}
	}()
	tick := time.NewTicker(senseTick)
	defer tick.Stop()
	var conditions health.Registry
	var looked time.Time
	rested := thrift{}
	for ctx.Err() == nil {
		n.feel(ctx, machine)
		if now := time.Now(); now.Sub(looked) >= lookTick {
			looked = now
			n.status.Check(&conditions, n.reach(), n.peers(), now)
		}
		rested.turn(n, tick)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// feel takes in the senses' readings.
func (n *Node) feel(ctx context.Context, machine Senses) {
	v := n.status.Snapshot()
	if _, turned := v.Settings.Pause.Turned(time.Now()); turned {
		if err := n.ChangeSettings(func(s *policy.Settings) { s.Pause, _ = s.Pause.Turned(time.Now()) }); err != nil {
			n.log.Warn("A pause whose clock was set back keeps its end", "error", err)
		}
	}
	r, ds := machine.Read(ctx, senses.Ask{
		Settings: v.Settings, Backend: cmp.Or(v.Trainer.Backend, n.p.Backend), Cards: n.p.Devices, Pids: v.Trainers,
	})
	n.status.Sensed(r, ds)
}

// thrift keeps a node at rest small. Garbage is collected earlier, freed memory goes back to the
// system at once, and the machine is looked at less often. A node with 0.87 million parameters
// takes 21 MB by it, in place of 27.
type thrift struct {
	on      bool
	garbage int // the usual share of garbage in the heap, in percent of what lives
}

// turn begins thrift when the node begins to rest, and ends it when the node goes on.
func (t *thrift) turn(n *Node, tick *time.Ticker) {
	resting := n.status.Decide().Yield
	if n.p.Engine != nil || resting == t.on { // a simulation has many nodes in one process
		return
	}
	if t.on = resting; resting {
		t.garbage = debug.SetGCPercent(restGarbage)
		debug.FreeOSMemory()
		tick.Reset(restSense)
	} else {
		debug.SetGCPercent(t.garbage)
		tick.Reset(senseTick)
	}
}
