package keeper

import (
	"context"
	"sync"

	"github.com/murmurnet/murmur/node/executor"
)

// lease says whether the trainer may have the device.
type lease struct {
	mu   sync.Mutex
	over chan struct{}           // closed when the trainer may have the device again; nil while it may
	stop context.CancelCauseFunc // ends the context of the trainer that has the device
	why  string                  // reason of the newest decision that took the device away
}

// last says why the device was given back last.
func (l *lease) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// set takes a decision in.
func (l *lease) set(yield bool, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case yield && l.over == nil:
		l.over, l.why = make(chan struct{}), why
		if l.stop != nil {
			l.stop(executor.ErrYielded)
		}
	case !yield && l.over != nil:
		close(l.over)
		l.over = nil
	}
}

// take waits for the device and returns a context that ends, by executor.ErrYielded, when it is to be
// given back; nil when ctx ends before.
func (l *lease) take(ctx context.Context) (had context.Context, done context.CancelFunc) {
	for {
		had, done, over := l.try(ctx)
		if had != nil {
			return had, done
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func (l *lease) try(ctx context.Context) (had context.Context, done context.CancelFunc, over <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return nil, nil, l.over
	}
	had, stop := context.WithCancelCause(ctx)
	l.stop = stop
	return had, func() { stop(nil) }, nil
}
