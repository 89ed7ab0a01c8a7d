package tui

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/murmurnet/murmur/node/api"
)

// paper counts what is written to a terminal.
type paper struct {
	mu  sync.Mutex
	all strings.Builder
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

// since is what was written after a place, and the place after that.
func (p *paper) since(at int) (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()[at:], p.all.Len()
}

// TestRun follows a node through the daemon's end and return.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lively()
		next := make(chan api.State)
		watches := 0
		node := &fake{state: s.state, watch: func(ctx context.Context, w api.Watcher) error {
			switch watches++; watches {
			case 2:
				return api.ErrNoDaemon
			case 3:
				return errors.New("reading the daemon's words: garbage")
			}
			if err := errors.Join(w.Begin(), w.State(s.state)); err != nil {
				return err
			}
			for {
				select {
				case state, more := <-next:
					if !more {
						next = make(chan api.State)
						return nil
					}
					if err := w.State(state); err != nil {
						return err
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}}
		var out paper
		keys, hand := io.Pipe()
		done := make(chan error)
		go func() {
			done <- run(t.Context(), node, true, tea.WithInput(keys), tea.WithOutput(&out), tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
		}()
		at := 0
		expect := func(what string) {
			t.Helper()
			time.Sleep(100 * time.Millisecond) // two frames
			synctest.Wait()
			var got string
			if got, at = out.since(at); !strings.Contains(got, what) {
				t.Errorf("%q is not drawn in %q", what, got)
			}
		}
		expect("reading-circle")

		time.Sleep(silence / 2)
		synctest.Wait()
		if got, _ := out.since(at); got != "" {
			t.Errorf("nothing has changed, and %q is drawn", got)
		}
		time.Sleep(silence)
		expect("silent since")

		s.state.Why = "training on moonlight"
		next <- s.state
		expect("moonlight")

		s.state.Why = "training in the sun"
		close(next)
		time.Sleep(retry)
		expect("no daemon since")
		time.Sleep(retry)
		expect("garbage")
		time.Sleep(retry)
		expect("in the sun")
		if watches != 4 {
			t.Errorf("asked %d times", watches)
		}

		_, _ = hand.Write([]byte("3"))
		expect("PEER")
		_, _ = hand.Write([]byte("q"))
		if err := <-done; err != nil {
			t.Errorf("quit: %v", err)
		}
		_ = hand.Close()
	})
}

func TestRunWithoutDaemon(t *testing.T) {
	if err := run(t.Context(), &fake{err: api.ErrNoDaemon}, true); !errors.Is(err, api.ErrNoDaemon) {
		t.Errorf("got %v", err)
	}
}

func TestNoTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	if err := Run(t.Context(), &fake{}); !errors.Is(err, ErrNoTerminal) || !strings.Contains(err.Error(), "murmur status") {
		t.Errorf("got %v", err)
	}
}
