package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/policy"
)

// PauseCmd stops training and gives the device back.
type PauseCmd struct {
	DirFlag
	For  string `arg:"" optional:"" help:"How long: 15m, 2h, until 18:30, or until tomorrow at eight (tomorrow); without it until murmur resume."`
	Keep bool   `help:"Keep the trainer loaded, to go on at once."`
}

// Run pauses, at once where the node runs.
func (c *PauseCmd) Run(ctx context.Context) error {
	p, err := policy.ParsePause(c.For, time.Now())
	if err != nil {
		return usageError{err}
	}
	p.Keep = c.Keep
	until := "" // in the zone of whoever asks, which may be another than the daemon's
	if !p.Until.IsZero() {
		until = p.Until.Format(time.RFC3339Nano)
	}
	return withSettings(c.DirFlag, func(client *api.Client, dir home.Dir) error {
		s, err := client.Pause(ctx, until, c.Keep)
		return decided(s, err, dir, func(s *policy.Settings) { s.Pause = p })
	})
}

// ResumeCmd ends a pause.
type ResumeCmd struct{ DirFlag }

// Run goes on, at once where the node runs.
func (c *ResumeCmd) Run(ctx context.Context) error {
	return withSettings(c.DirFlag, func(client *api.Client, dir home.Dir) error {
		s, err := client.Resume(ctx)
		return decided(s, err, dir, func(s *policy.Settings) { s.Pause = policy.Pause{} })
	})
}

// withSettings works on the settings of a directory and its daemon, if that runs.
func withSettings(f DirFlag, do func(*api.Client, home.Dir) error) error {
	return f.ask(func(client *api.Client, dir home.Dir) error {
		if _, err := dir.Swarm(); err != nil {
			return err
		}
		return do(client, dir)
	})
}

// wanted changes the settings of a directory and its daemon, if that runs, and returns what counts
// then; nothing is written where change is nil.
func wanted(ctx context.Context, f DirFlag, change func(*policy.Settings)) (s policy.Settings, err error) {
	err = withSettings(f, func(client *api.Client, dir home.Dir) error {
		if s, err = dir.Settings(); err != nil || change == nil {
			return err
		}
		change(&s)
		if err := s.Validate(); err != nil {
			return usageError{err}
		}
		if err := client.SetPolicy(ctx, s); !errors.Is(err, api.ErrNoDaemon) {
			return err
		}
		return dir.SetSettings(s)
	})
	return s, err
}

// decided says what a change has led to. Where no daemon runs it is written down for the
// next one.
func decided(s api.State, err error, dir home.Dir, change func(*policy.Settings)) error {
	if errors.Is(err, api.ErrNoDaemon) {
		kept, err := dir.Settings()
		if err != nil {
			return err
		}
		change(&kept)
		fmt.Println("no node runs here now; it counts from the next murmur up")
		return dir.SetSettings(kept)
	}
	if err != nil {
		return err
	}
	return reasonOf(s).Table(os.Stdout)
}

// WhyCmd says why the node does or does not train.
type WhyCmd struct{ ViewFlags }

// Run asks the daemon.
func (c *WhyCmd) Run(ctx context.Context) error {
	return c.show(ctx, func(s api.State) tabled { return reasonOf(s) }, func(a, b api.State) bool {
		return reasonOf(a) == reasonOf(b)
	})
}

// reasons is why a node does or does not train.
type reasons struct {
	Reason string    `json:"reason"`
	Why    string    `json:"why"`
	Source string    `json:"source"`
	Until  time.Time `json:"until,omitzero"`
	Unkept string    `json:"unkept,omitempty"`
}

func reasonOf(s api.State) reasons { return reasons{s.Reason, s.Why, s.Source, s.Until, s.Unkept} }

// Table is two lines, and one for what the disk did not take.
func (r reasons) Table(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%s\ndecided by %s\n", r, r.by())
	if err == nil && r.Unkept != "" {
		_, err = fmt.Fprintln(out, r.Unkept)
	}
	return err
}

// String is the reason, and what there is to say of it.
func (r reasons) String() string {
	if r.Why == r.Reason {
		return r.Reason
	}
	return r.Reason + ": " + r.Why
}

// by is who decided, and until when.
func (r reasons) by() string {
	if r.Until.IsZero() {
		return r.Source
	}
	return r.Source + "; it may change at " + r.Until.Format("Mon 15:04")
}
