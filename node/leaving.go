package node

import (
	"context"
	"errors"

	"github.com/murmurnet/murmur/node/event"
)

// finished ends the node's work. The round machine asks for it once.
func (n *Node) finished(in bool) {
	text := "everything learned here is in the shared model; goodbye"
	if !in {
		text = "the last update was not taken in; it stays on this disk"
	}
	n.delivered.Store(in)
	n.diary.Add(event.Node, 0, text)
	close(n.gone)
}

// leave says goodbye and saves what was learned.
func (n *Node) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	n.status.Leaving()
	n.exchange.BeatNow(ctx)
	saved := make(chan error, 1)
	n.executor.Save(func(err error) { saved <- err })
	var err error
	select {
	case err = <-saved:
	case <-ctx.Done():
		err = errors.New("the trainer did not answer in time")
	}
	if err != nil {
		n.unsaved(err)
	}
}

// unsaved tells what this node could not save before it leaves. Where its last update is in a round, that is only the step under way.
func (n *Node) unsaved(err error) {
	if n.delivered.Load() {
		n.log.Info("The step under way was not kept; all that went before is in the shared model", "error", err)
		return
	}
	n.log.Warn("The step under way is lost; what the trainer had kept before is saved as it ends", "error", err)
}
