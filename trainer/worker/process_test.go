package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/writer"
)

// await is the longest that a test waits for anything.
const await = 20 * time.Second

// steps waits until the child has done n steps since its last reset.
func steps(t testing.TB, p *Process, n int64) Progress {
	t.Helper()
	late := time.After(await)
	for {
		select {
		case got := <-p.Progress():
			if got.Steps >= n {
				return got
			}
		case <-p.Done():
			t.Fatalf("the trainer ended: %v", p.Err())
		case <-late:
			t.Fatalf("no %d steps within %v", n, await)
		}
	}
}

// ended waits for the child's end and wants its reason to hold some words.
func ended(t testing.TB, p *Process, words ...string) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(await):
		t.Fatalf("the trainer still lives after %v", await)
	}
	mentions(t, p.Err(), words...)
}

func mentions(t testing.TB, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v, want it to mention %q", err, w)
		}
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ramp(dst []float32, from float32) {
	for i := range dst {
		dst[i] = from + float32(i%64)
	}
}

// wantRamp checks a vector that began as a ramp.
func wantRamp(t testing.TB, name string, got []float32, from float32) {
	t.Helper()
	for i, x := range got {
		if x != from+float32(i%64) {
			t.Fatalf("%s[%d] = %v, want %v", name, i, x, from+float32(i%64))
		}
	}
}

func TestCaptureAndAddAreExact(t *testing.T) {
	ctx, p := t.Context(), start(t, params(t, "fake"))
	if r := p.Ready(); r.Backend != "fake" || r.Device == "" || len(r.Refusals) != 1 || r.Params != len(p.Vector()) {
		t.Errorf("ready says %+v", r)
	}
	ramp(p.Vector(), 0)
	m, v := p.Moments()
	ramp(m, 1000)
	ramp(v, 2000)
	must(t, p.Load(ctx, 70, true))
	must(t, p.Run(ctx, Run{Active: 1}))
	steps(t, p, 3)
	must(t, p.Pause(ctx))

	first, err := p.Capture(ctx, Capture{Moments: true, Reset: true})
	must(t, err)
	if first.Step != 70+first.Steps || first.Tokens != uint64(first.Steps*4*16) || first.Position == 0 {
		t.Errorf("captured %+v", first)
	}
	var sum float64
	for i := range first.Steps {
		sum += float64(1 / float32(71+i))
	}
	if mean := sum / float64(first.Steps); first.Loss != mean {
		t.Errorf("mean loss %v, want %v", first.Loss, mean)
	}
	m, v = p.Moments()
	n := float32(first.Steps)
	wantRamp(t, "θ", p.Vector(), n)
	wantRamp(t, "m", m, 1000+2*n)
	wantRamp(t, "v", v, 2000+3*n)

	// Paused, nothing moves: the delta is all that is added, and the moments stay.
	ramp(p.Vector(), 0.25)
	must(t, p.Add(ctx))
	ramp(m, 7)
	second, err := p.Capture(ctx, Capture{})
	must(t, err)
	if (second != Captured{Position: first.Position, Step: first.Step}) {
		t.Errorf("after a reset and no step: %+v", second)
	}
	for i, x := range p.Vector() {
		if want := n + 0.25 + 2*float32(i%64); x != want {
			t.Fatalf("θ[%d] = %v after the delta, want %v", i, x, want)
		}
	}
	wantRamp(t, "m, which was not asked for,", m, 7)

	// Steps go on in the same lane, and counts add up over captures without a reset.
	must(t, p.Run(ctx, Run{Active: 1}))
	steps(t, p, 2)
	third, err := p.Capture(ctx, Capture{})
	must(t, err)
	fourth, err := p.Capture(ctx, Capture{Reset: true})
	must(t, err)
	if third.Steps < 2 || fourth.Steps < third.Steps || fourth.Position <= first.Position {
		t.Errorf("captures in turn: %+v, %+v", third, fourth)
	}
}

func TestHeldoutAndGenerate(t *testing.T) {
	ctx, p := t.Context(), start(t, params(t, "fake"))
	p.Vector()[0] = 2.5
	loss, err := p.Heldout(ctx)
	must(t, err)
	if loss != 2.5 {
		t.Errorf("held-out loss %v, want the θ that was given, 2.5", loss)
	}
	var text string
	say := func(piece string) { text += piece }
	must(t, p.Generate(ctx, writer.Request{Prompt: "5A", N: 50}, say))
	if len(text) != 50 || text[0] != 'B' || text[49] != 'A'+50 {
		t.Errorf("generated %q", text)
	}
	text = ""
	must(t, p.Generate(ctx, writer.Request{Prompt: "5A", N: 50, Stop: []string{"DEF", "HI"}}, say))
	if text != "BC" {
		t.Errorf("up to DEF it generated %q", text)
	}
	if err := p.Generate(ctx, writer.Request{Prompt: "1", N: writer.MaxTokens + 1}, nil); err == nil {
		t.Error("a text of more than writer.MaxTokens tokens was accepted")
	}
	long := writer.Request{Prompt: strings.Repeat("a", MaxLine), N: 1}
	mentions(t, p.Generate(ctx, long, nil), "longer than")

	// A text nobody waits for any more ends early: it would take an hour.
	ctx, cancel := context.WithCancel(ctx)
	err = p.Generate(ctx, writer.Request{Prompt: "A", N: writer.MaxTokens, Sampling: eval.Sampling{Temperature: 1000}}, func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled generation ends with %v", err)
	}
	_, err = p.Heldout(t.Context())
	must(t, err)
}

func TestOrderOfRequests(t *testing.T) {
	ctx, p := t.Context(), start(t, params(t, "fake"))
	mentions(t, p.Run(ctx, Run{Active: 1}), "before load")
	mentions(t, p.Add(ctx), "before load")
	must(t, p.Load(ctx, 0, false))
	mentions(t, p.Run(ctx, Run{}), "active peers")
	_, err := p.Heldout(ctx)
	must(t, err)
}

func TestKilledChildIsReplaced(t *testing.T) {
	ctx, p := t.Context(), start(t, params(t, "fake"))
	must(t, p.Load(ctx, 0, false))
	must(t, p.Run(ctx, Run{Active: 1}))
	steps(t, p, 1)
	got, err := p.Capture(ctx, Capture{Moments: true})
	must(t, err)
	theta := slices.Clone(p.Vector())
	m, v := p.Moments()
	m, v = slices.Clone(m), slices.Clone(v)

	child, err := os.FindProcess(p.Pid())
	must(t, err)
	must(t, child.Kill())
	ended(t, p, "SIGKILL", "memory")
	mentions(t, p.Add(ctx), "SIGKILL")
	if len(p.Vector()) != len(theta) {
		t.Error("the vectors are gone before Close")
	}

	q := start(t, params(t, "fake"))
	copy(q.Vector(), theta)
	m2, v2 := q.Moments()
	copy(m2, m)
	copy(v2, v)
	must(t, q.Load(ctx, got.Step, true))
	must(t, q.Run(ctx, Run{Assignment: data.Assignment{Roster: 1, Cursor: got.Position}, Active: 1}))
	if first := steps(t, q, 1); first.Step <= got.Step || first.Position <= got.Position {
		t.Errorf("goes on at %+v after %+v", first, got)
	}
	again, err := q.Capture(ctx, Capture{Moments: true})
	must(t, err)
	for i, x := range q.Vector() {
		if want := theta[i] + float32(again.Steps); x != want {
			t.Fatalf("θ[%d] = %v, want %v", i, x, want)
		}
	}
}

func TestEndings(t *testing.T) {
	for name, c := range map[string]struct {
		env   string
		words []string
	}{
		"panic":        {panicEnv + "=2", []string{"exit status 2", "panic: the roof is on fire"}},
		"failed step":  {failEnv + "=2", []string{"gave up", "step 2", "RESOURCE_EXHAUSTED"}},
		"loss of NaN":  {nanEnv + "=2", []string{"gave up", "step 2", "diverged"}},
		"hanging step": {hangEnv + "=2", []string{"no answer to capture", "killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			par := params(t, "fake", c.env)
			par.Limit = 2 * time.Second // a child under the race detector takes a while to start
			ctx, p := t.Context(), start(t, par)
			must(t, p.Load(ctx, 0, false))
			must(t, p.Run(ctx, Run{Active: 1}))
			_, err := p.Capture(ctx, Capture{})
			for err == nil { // the capture may come before the step that goes wrong
				_, err = p.Capture(ctx, Capture{})
			}
			ended(t, p, c.words...)
			mentions(t, err, c.words...)
		})
	}
}

func TestStartsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		role  string
		spoil func(*Params)
		words []string
	}{
		"no such program": {"", func(p *Params) { p.Command = []string{"/nonexistent/murmur"} }, []string{"no such file"}},
		"no command":      {"", func(p *Params) { p.Command = nil }, []string{"command"}},
		"no directory":    {"", func(p *Params) { p.Exchange = "/nonexistent/dir/x" }, []string{"exchange file", "no such file"}},
		"bad batch":       {"", func(p *Params) { p.Spec.Batch = 0 }, []string{"batch"}},
		"unknown data":    {"", func(p *Params) { p.Spec.Data = "novels" }, []string{"novels"}},
		"no device":       {"no device", nil, []string{"every backend refused"}},
		"quits":           {"quits", nil, []string{"exit status 3", "libexample.so"}},
		"panics":          {"panics", nil, []string{"panic: the roof is on fire"}},
		"garbage":         {"garbage", nil, []string{"protocol", "not an answer"}},
		"stranger":        {"stranger", nil, []string{"protocol", "nobody made"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := params(t, c.role)
			if c.spoil != nil {
				c.spoil(&p)
			}
			proc, err := Start(t.Context(), p)
			if proc != nil || err == nil {
				t.Fatal("it started")
			}
			mentions(t, err, c.words...)
			if _, err := os.Stat(p.Exchange); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the exchange file is left behind: %v", err)
			}
		})
	}
}

func TestStartIsCancelled(t *testing.T) {
	p := params(t, "fake")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled start ends with %v", err)
	}
}

func TestNoiseOnStdout(t *testing.T) {
	ctx, p := t.Context(), start(t, params(t, "fake", noiseEnv+"=1"))
	must(t, p.Load(ctx, 0, false))
	must(t, p.Run(ctx, Run{Active: 1}))
	steps(t, p, 20)
	_, err := p.Capture(ctx, Capture{})
	must(t, err)
}

// A caller that goes away leaves the exchange file to the child: Vector waits until the child is done with it.
func TestAbandonedCapture(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	must(t, os.WriteFile(gate, nil, 0o600))
	p := start(t, params(t, "fake", gateEnv+"="+gate))
	ramp(p.Vector(), 0)
	must(t, p.Load(t.Context(), 0, false))
	ramp(p.Vector(), 500)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Capture(ctx, Capture{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the capture ended with %v", err)
	}
	view := make(chan []float32)
	go func() { view <- p.Vector() }()
	select {
	case <-view:
		t.Error("the file was handed out while the child may write")
	case <-time.After(50 * time.Millisecond):
	}
	must(t, os.Remove(gate))
	select {
	case got := <-view:
		wantRamp(t, "θ", got, 0)
	case <-time.After(await):
		t.Error("the file was never handed out")
	}
}

func TestCloseWhileStepping(t *testing.T) {
	for name, env := range map[string]string{"steps": hangEnv + "=0", "hangs": hangEnv + "=3"} {
		t.Run(name, func(t *testing.T) {
			par := params(t, "fake", env)
			p, err := Start(t.Context(), par)
			must(t, err)
			must(t, p.Load(t.Context(), 0, false))
			must(t, p.Run(t.Context(), Run{Active: 1}))
			began := time.Now()
			must(t, p.Close())
			if took := time.Since(began); took > StopLimit+drainLimit {
				t.Errorf("closing took %v", took)
			}
			if err := p.Err(); err != nil {
				t.Errorf("a closed trainer's error is %v", err)
			}
			if err := p.Pause(t.Context()); !errors.Is(err, errStopped) {
				t.Errorf("a call after Close ends with %v", err)
			}
			must(t, p.Close())
		})
	}
}
