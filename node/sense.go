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
	senseTick   = 500 * time.Millisecond // how often the machine is looked at: a game must have its card within a second
	restSense   = 2 * time.Second        // and while the node rests: nothing waits for it then
	lookTick    = 5 * time.Second        // how often the node's health is
	restGarbage = 50                     // percent of what lives may lie beside it as garbage, while the node rests
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

// feel takes in what the machine tells.
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

// thrift keeps a node at rest small: garbage is collected earlier then, and what that frees is
// given back at once, and the machine is looked at less often. Of 27 MB that a node with 0.87
// million parameters takes it saves 6.
type thrift struct {
	on      bool
	garbage int // that may lie beside what lives while it is off, in percent of it
}

// turn begins or ends it as the node does to rest.
func (t *thrift) turn(n *Node, tick *time.Ticker) {
	resting := n.status.Decide().Yield
	if n.p.Engine != nil || resting == t.on { // many nodes in one process; or nothing new
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
