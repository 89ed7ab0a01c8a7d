package node

import (
	"context"
	"errors"
	"sync"
)

// errYielded says that a trainer ended because the device is wanted otherwise.
var errYielded = errors.New("the device was given back")

// loan says whether the trainer may have the device.
type loan struct {
	mu   sync.Mutex
	over chan struct{}           // nil while it may; closed when it may again
	stop context.CancelCauseFunc // of who has it
	why  string                  // it was given back last
}

// last says why the device was given back last.
func (l *loan) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// set takes a decision in.
func (l *loan) set(yield bool, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case yield && l.over == nil:
		l.over, l.why = make(chan struct{}), why
		if l.stop != nil {
			l.stop(errYielded)
		}
	case !yield && l.over != nil:
		close(l.over)
		l.over = nil
	}
}

// take waits for the device and returns a context that ends, by errYielded, when it is to be
// given back; nil when ctx ends before.
func (l *loan) take(ctx context.Context) (had context.Context, done context.CancelFunc) {
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

func (l *loan) try(ctx context.Context) (had context.Context, done context.CancelFunc, over <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return nil, nil, l.over
	}
	had, stop := context.WithCancelCause(ctx)
	l.stop = stop
	return had, func() { stop(nil) }, nil
}
