package worker

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// pacedLearner is a fakeLearner whose steps take their time.
type pacedLearner struct {
	*fakeLearner
	took time.Duration
}

func (l pacedLearner) Step(tokens []int32, rate float64) (float32, error) {
	time.Sleep(l.took)
	return l.fakeLearner.Step(tokens, rate)
}

// inside are the parameters of a child in this process whose steps take some time and which has a setting of 1.
func inside(t *testing.T, took time.Duration, setting string) Params {
	t.Helper()
	e := fakeEngine(func(string) (Device, error) { return fakeDevice, nil }, func(name string) int64 {
		if name == setting {
			return 1
		}
		return 0
	})
	learner := e.Learner
	e.Learner = func(d Device, s Spec) (Learner, error) {
		l, err := learner(d, s)
		return pacedLearner{l.(*fakeLearner), took}, err
	}
	return Params{Inside: &e, Exchange: filepath.Join(t.TempDir(), "exchange"), Spec: tiny(), Log: silent()}
}

// In virtual time a child inside the process steps exactly as often as its steps fit, and all it does for a daemon is as
// of a child process.
func TestInsideVirtualTime(t *testing.T) {
	par := inside(t, 100*time.Millisecond, "")
	synctest.Test(t, func(t *testing.T) {
		ctx, p := t.Context(), start(t, par)
		if r := p.Ready(); r.Backend != "fake" || r.Params != len(p.Vector()) || p.Pid() != 0 {
			t.Errorf("ready says %+v, pid %d", r, p.Pid())
		}
		ramp(p.Vector(), 0)
		m, v := p.Moments()
		ramp(m, 1000)
		ramp(v, 2000)
		must(t, p.Load(ctx, 70, true))
		must(t, p.Run(ctx, Run{Active: 1}))
		time.Sleep(10*time.Second + 50*time.Millisecond)
		synctest.Wait()
		got, err := p.Capture(ctx, Capture{Moments: true, Reset: true})
		must(t, err)
		// The capture waits for the step that runs.
		if got.Step != 70+101 || got.Steps != 101 {
			t.Errorf("after 10.05 s of steps of 0.1 s: %+v", got)
		}
		m, v = p.Moments()
		wantRamp(t, "θ", p.Vector(), 101)
		wantRamp(t, "m", m, 1000+2*101)
		wantRamp(t, "v", v, 2000+3*101)
		told := <-p.Progress()
		if rate := told.TokensPerSec; rate < 639 || rate > 641 {
			t.Errorf("64 tokens in 0.1 s make %v tokens/s", rate)
		}

		must(t, p.Pause(ctx))
		paused, err := p.Capture(ctx, Capture{})
		must(t, err)
		ramp(p.Vector(), 0.25)
		must(t, p.Add(ctx))
		time.Sleep(time.Hour)
		got, err = p.Capture(ctx, Capture{})
		must(t, err)
		if got != paused {
			t.Errorf("paused for an hour: %+v, before %+v", got, paused)
		}
		for i, x := range p.Vector() {
			if want := float32(171-70) + float32(paused.Steps) + 0.25 + 2*float32(i%64); x != want {
				t.Fatalf("θ[%d] = %v, want %v", i, x, want)
			}
		}
		must(t, p.Close())
		if p.Err() != nil {
			t.Errorf("a closed trainer's error is %v", p.Err())
		}
		mentions(t, p.Pause(ctx), "stopped")
	})
}

// A child inside the process ends as others do, and says why.
func TestInsideEnds(t *testing.T) {
	for name, c := range map[string]struct {
		setting string
		end     func(p *Process) error
		words   []string
	}{
		"killed":   {"", func(p *Process) error { p.Kill(errors.New("the device is wanted elsewhere")); return nil }, []string{"wanted elsewhere"}},
		"fails":    {failEnv, func(*Process) error { return nil }, []string{"gave up", "RESOURCE_EXHAUSTED"}},
		"diverges": {nanEnv, func(*Process) error { return nil }, []string{"gave up", "diverged"}},
		"garbage": {"", func(p *Process) error {
			_, err := fmt.Fprintln(p.stdin, "how do you do")
			return err
		}, []string{"gave up", "not a request"}},
	} {
		t.Run(name, func(t *testing.T) {
			par := inside(t, time.Second, c.setting)
			synctest.Test(t, func(t *testing.T) {
				p := start(t, par)
				must(t, p.Load(t.Context(), 0, false))
				must(t, p.Run(t.Context(), Run{Active: 1}))
				time.Sleep(500 * time.Millisecond)
				began := time.Now()
				must(t, c.end(p))
				<-p.Done()
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v to end, and a step takes 1s", took)
				}
				mentions(t, p.Err(), c.words...)
				mentions(t, p.Add(t.Context()), c.words...)
				if len(p.Vector()) == 0 {
					t.Error("the vectors are gone before Close")
				}
			})
		})
	}
}

// Many start, step and stop at once, in real time and under the race detector.
func TestInsideMany(t *testing.T) {
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			ctx, p := t.Context(), start(t, inside(t, time.Millisecond, ""))
			must(t, p.Load(ctx, 0, false))
			must(t, p.Run(ctx, Run{Active: 1}))
			steps(t, p, 5)
			_, err := p.Capture(ctx, Capture{})
			must(t, err)
		})
	}
}

func TestInsideNeedsAWholeEngine(t *testing.T) {
	p := inside(t, 0, "")
	p.Inside.Open = nil
	_, err := Start(t.Context(), p)
	mentions(t, err, "engine")
	p = inside(t, 0, "")
	p.Inside.Open = func(string) (Device, error) { return Device{}, errors.New("every backend refused") }
	_, err = Start(t.Context(), p)
	mentions(t, err, "every backend refused")
}
