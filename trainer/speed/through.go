package speed

import (
	"context"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/trainer/worker"
)

// through is the same training through the worker process.
type through struct {
	p      *worker.Process
	waited float64 // the share of the last turn that steps waited for their batches
}

func newThrough(ctx context.Context, p Params, s worker.Spec, theta []float32) (*through, error) {
	w, err := startThrough(ctx, p, s)
	if err != nil {
		return nil, err
	}
	if err := w.load(ctx, theta); err != nil {
		_ = w.close() // the first error is the one to tell
		return nil, err
	}
	return w, nil
}

// startThrough starts the process, which has no parameters yet.
func startThrough(ctx context.Context, p Params, s worker.Spec) (*through, error) {
	proc, err := worker.Start(ctx, worker.Params{Command: p.Command, Exchange: p.Exchange, Spec: s, Log: p.Log})
	return &through{p: proc}, err
}

func (w *through) load(ctx context.Context, theta []float32) error {
	copy(w.p.Vector(), theta)
	return w.p.Load(ctx, 0, false)
}

// run has the child do one step that does not count, then at least n that do, and returns their tokens/s. A child tells
// its progress when the first step is done and then at most five times a second: the clock runs from that first line to
// the one that tells of n steps or more.
func (w *through) run(ctx context.Context, n int) (float64, error) {
	if err := w.p.Run(ctx, worker.Run{Active: 1}); err != nil {
		return 0, err
	}
	var first worker.Progress
	var began time.Time
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-w.p.Done():
			return 0, fmt.Errorf("the trainer ended: %w", w.p.Err())
		case g := <-w.p.Progress():
			now := time.Now()
			if began.IsZero() {
				first, began = g, now
				continue
			}
			if g.Steps-first.Steps < int64(n) {
				continue
			}
			rate := float64(g.Tokens-first.Tokens) / now.Sub(began).Seconds()
			w.waited = (g.Waited - first.Waited) / now.Sub(began).Seconds()
			return rate, w.stop(ctx)
		}
	}
}

// stop pauses the child and forgets what it told until then.
func (w *through) stop(ctx context.Context) error {
	if err := w.p.Pause(ctx); err != nil {
		return err
	}
	select {
	case <-w.p.Progress():
	default:
	}
	return nil
}

func (w *through) close() error { return w.p.Close() }
