package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
)

const (
	// retry is the pause before a lost daemon is asked again.
	retry = time.Second
	// silence is how long a daemon may say nothing before the screen tells so. It usually speaks every second.
	silence = 10 * time.Second
	// mostRounds and mostEvents bound the rounds and events that are kept. The node keeps as many.
	mostRounds = 256
	mostEvents = 512
)

// What the screen is told, besides api.Outcome, event.Event and []api.Heldout.
type (
	// begun brings the events, rounds and losses from before the feed.
	begun struct {
		events []event.Event
		rounds []api.Outcome
		curve  []api.Heldout
	}
	// seen brings a new state.
	seen struct {
		state api.State
		at    time.Time
	}
	// lost says that the daemon cannot be followed any more.
	lost struct {
		at  time.Time
		err error // reason; nil or api.ErrNoDaemon: the daemon ended
	}
	// quiet says that the daemon has been silent for too long.
	quiet struct{}
	// answered brings the daemon's answer to a key.
	answered struct {
		state api.State
		err   error
		at    time.Time
	}
)

// feed tells what the node says until ctx ends.
func feed(ctx context.Context, node Node, tell func(tea.Msg)) {
	var measured api.Heldout
	silent := time.AfterFunc(silence, func() { tell(quiet{}) })
	defer silent.Stop()
	for {
		err := node.Watch(ctx, api.Watcher{
			Begin: func() (err error) {
				var b begun
				if b.events, err = node.Events(ctx, 0); err != nil {
					return err
				}
				if b.rounds, err = node.Rounds(ctx, 0); err != nil {
					return err
				}
				if b.curve, err = node.Curve(ctx, 0); err != nil {
					return err
				}
				if len(b.curve) > 0 {
					measured = b.curve[len(b.curve)-1]
				}
				tell(b)
				return nil
			},
			State: func(s api.State) error {
				silent.Reset(silence)
				tell(seen{s, time.Now()})
				if s.Heldout == nil || *s.Heldout == measured {
					return nil
				}
				curve, err := node.Curve(ctx, 0) // anew: the node thins it as it grows
				if err == nil {
					measured = *s.Heldout
					tell(curve)
				}
				return err
			},
			Event: func(e event.Event) error { tell(e); return nil },
			Round: func(o api.Outcome) error { tell(o); return nil },
		})
		if ctx.Err() != nil {
			return
		}
		silent.Stop()
		tell(lost{time.Now(), err})
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
	}
}
