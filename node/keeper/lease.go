package keeper

import (
	"context"
	"sync"

	"github.com/murmurnet/murmur/node/executor"
)

// lease says whether the trainer may have the device.
type lease struct {
	mu   sync.Mutex
	over chan struct{}           // nil while the trainer may have it; closed when it may again
	stop context.CancelCauseFunc // of the trainer that has it
	why  string                  // of the last time that it was given back
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
