package worker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// killed kills a child and gives what it had kept: the ramp that θ began as has moved by some steps, and by what was added.
func killed(t *testing.T, p *Process) (k Kept, ok bool) {
	t.Helper()
	if _, ok := p.Kept(); ok {
		t.Error("a child that lives is said to have ended")
	}
	p.Kill(errors.New("the test wants it"))
	<-p.Done()
	k, ok = p.Kept()
	if _, again := p.Kept(); again {
		t.Error("it is given twice")
	}
	return k, ok
}

// TestKept kills a child at many moments. Steps take some time, each moves θ by 1, and the first begins at 0. A child inside this process ends the step that
// is under way.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		name  string
		step  time.Duration
		do    func(t *testing.T, p *Process)
		steps int64 // that are kept; −1: nothing is
		added bool  // 100 was
	}{
		{"a first step", time.Second, func(*testing.T, *Process) { time.Sleep(500 * time.Millisecond) }, 1, false},
		{"short steps", time.Second, func(*testing.T, *Process) { time.Sleep(29500 * time.Millisecond) }, 21, false},
		{"long steps", 15 * time.Second, func(*testing.T, *Process) { time.Sleep(74 * time.Second) }, 5, false},
		{"after a capture", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(5500 * time.Millisecond)
			capture(t, p, Capture{Reset: true})
			clear(p.Vector())
			time.Sleep(3 * time.Second)
		}, 6, false},
		{"after a delta", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(5500 * time.Millisecond)
			capture(t, p, Capture{Reset: true})
			time.Sleep(500 * time.Millisecond) // or the next step may be first, or not
			add(t, p)
			time.Sleep(3 * time.Second)
		}, 6, true},
		{"after a delta alone", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(500 * time.Millisecond)
			add(t, p) // between the first step and the second
			time.Sleep(1500 * time.Millisecond)
		}, 1, true},
		{"moments that are not saved yet", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(5500 * time.Millisecond)
			capture(t, p, Capture{Moments: true})
			time.Sleep(time.Minute)
			m, v := p.Moments()
			wantRamp(t, "m", m, 12)
			wantRamp(t, "v", v, 18)
		}, 6, false},
		{"moments that are saved", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(5500 * time.Millisecond)
			capture(t, p, Capture{Moments: true})
			clear(p.Vector())
			time.Sleep(3 * time.Second)
			p.Saved()
			time.Sleep(20 * time.Second)
		}, 21, false},
		{"a delta between moments and their save", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(5500 * time.Millisecond)
			capture(t, p, Capture{Moments: true})
			time.Sleep(500 * time.Millisecond)
			add(t, p)
			p.Saved()
			time.Sleep(3 * time.Second)
		}, 8, true},
		{"another state", time.Second, func(t *testing.T, p *Process) {
			time.Sleep(12500 * time.Millisecond)
			must(t, p.Load(t.Context(), 0, false))
			must(t, p.Pause(t.Context()))
		}, -1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			par := inside(t, c.step, "")
			synctest.Test(t, func(t *testing.T) {
				p := start(t, par)
				ramp(p.Vector(), 0)
				m, v := p.Moments()
				ramp(m, 0)
				ramp(v, 0)
				must(t, p.Load(t.Context(), 0, true))
				must(t, p.Run(t.Context(), Run{Active: 1}))
				c.do(t, p)
				k, ok := killed(t, p)
				if !ok {
					if c.steps >= 0 {
						t.Fatal("nothing is kept")
					}
					return
				}
				from := float32(k.Step)
				if c.added {
					from += 100
				}
				if k.Step != c.steps || k.Added {
					t.Fatalf("%d steps are kept, want %d; a delta too: %v", k.Step, c.steps, k.Added)
				}
				wantRamp(t, "θ", k.Theta, from)
			})
		})
	}
}

func capture(t *testing.T, p *Process, c Capture) {
	t.Helper()
	_, err := p.Capture(t.Context(), c)
	must(t, err)
}

// add adds 100 to θ.
func add(t *testing.T, p *Process) {
	t.Helper()
	for i := range p.Vector() {
		p.file.vector(0)[i] = 100
	}
	must(t, p.Add(t.Context()))
}

// TestKeptByNobody: a model that has diverged is not kept.
func TestKeptByNobody(t *testing.T) {
	par := inside(t, time.Second, nanEnv)
	synctest.Test(t, func(t *testing.T) {
		p := start(t, par)
		must(t, p.Load(t.Context(), 0, false))
		must(t, p.Run(t.Context(), Run{Active: 1}))
		<-p.Done()
		if k, ok := p.Kept(); ok {
			t.Errorf("%d steps are kept", k.Step)
		}
	})
}

// TestKeptByAProcess kills a process that steps as fast as it can, after a capture.
func TestKeptByAProcess(t *testing.T) {
	p := start(t, params(t, "fake"))
	ramp(p.Vector(), 0)
	must(t, p.Load(t.Context(), 0, false))
	must(t, p.Run(t.Context(), Run{Active: 1}))
	steps(t, p, 3)
	capture(t, p, Capture{})
	if k, ok := killed(t, p); !ok {
		t.Error("nothing is kept")
	} else {
		wantRamp(t, "θ", k.Theta, float32(k.Step))
	}
}
