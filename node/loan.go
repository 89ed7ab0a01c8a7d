package node

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errYielded says that a trainer ended because the device is wanted otherwise.
var errYielded = errors.New("the device was given back")

// loan says whether the trainer may have the device.
type loan struct {
	mu    sync.Mutex
	yield bool
	ours  chan struct{}           // closed when the device may be had again; nil while it may
	stop  context.CancelCauseFunc // of who has it
	at    time.Time               // of the last change
}

// since is when it last changed.
func (l *loan) since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// set takes a decision in.
func (l *loan) set(yield bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if yield == l.yield {
		return
	}
	l.yield, l.at = yield, time.Now()
	if !yield {
		close(l.ours)
		return
	}
	l.ours = make(chan struct{})
	if l.stop != nil {
		l.stop(errYielded)
	}
}

// take waits for the device and returns a context that ends, by errYielded, when it is to be
// given back; nil when ctx ends before.
func (l *loan) take(ctx context.Context) (had context.Context, done context.CancelFunc) {
	for {
		l.mu.Lock()
		if !l.yield {
			var stop context.CancelCauseFunc
			had, stop = context.WithCancelCause(ctx)
			l.stop = stop
			l.mu.Unlock()
			return had, func() { stop(nil) }
		}
		ours := l.ours
		l.mu.Unlock()
		select {
		case <-ours:
		case <-ctx.Done():
			return nil, nil
		}
	}
}
