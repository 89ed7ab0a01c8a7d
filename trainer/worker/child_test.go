package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/writer"
)

// line is a request whose id is still to be filled in.
func line(t testing.TB, op string, args any) string {
	t.Helper()
	raw, err := json.Marshal(args)
	must(t, err)
	return fmt.Sprintf(`{"id":%%d,"op":%q,"args":%s}`+"\n", op, raw)
}

// served is a child in this process, with hands on its learner.
type served struct {
	t       *testing.T
	in      *io.PipeWriter
	out     *bufio.Scanner
	id      int
	err     chan error // of Serve
	exit    chan int   // of Exit
	learner *fakeLearner
}

// serve starts a child in this process. look sees each step.
func serve(t *testing.T, look func(tokens []int32, rate float64)) *served {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	s := &served{t: t, in: inW, out: bufio.NewScanner(outR), err: make(chan error, 1), exit: make(chan int, 1)}
	s.out.Buffer(nil, MaxLine)
	e := fakeEngine(func(string) (Device, error) { return fakeDevice, nil }, func(string) int64 { return 0 })
	learner := e.Learner
	e.Learner = func(d Device, spec Spec) (Learner, error) {
		l, err := learner(d, spec)
		s.learner = l.(*fakeLearner)
		s.learner.step = look
		return l, err
	}
	go func() {
		s.err <- Serve(t.Context(), ServeParams{
			In: inR, Out: outW, Engine: e, Log: silent(), Exit: func(code int) { s.exit <- code },
		})
		outW.Close()
	}()
	t.Cleanup(func() { inW.Close(); outR.Close() })
	return s
}

func (s *served) send(op string, args any) {
	s.t.Helper()
	s.id++
	_, err := fmt.Fprintf(s.in, line(s.t, op, args), s.id)
	must(s.t, err)
	// A pipe takes the beginning of the next line only when the child's reader has passed this one on.
	_, err = io.WriteString(s.in, " ")
	must(s.t, err)
}

// ask sends a request and returns its answer, passing over progress.
func (s *served) ask(op string, args any) message {
	s.t.Helper()
	s.send(op, args)
	return s.answer(op)
}

// answer is that to the newest request.
func (s *served) answer(op string) message {
	s.t.Helper()
	for s.out.Scan() {
		var m message
		must(s.t, json.Unmarshal(s.out.Bytes(), &m))
		if m.Event == "" {
			if m.ID != uint64(s.id) {
				s.t.Fatalf("answer to %d, want %d", m.ID, s.id)
			}
			return m
		}
	}
	s.t.Fatalf("no answer to %s", op)
	return message{}
}

func (s *served) do(op string, args any) {
	s.t.Helper()
	if m := s.ask(op, args); m.Error != "" {
		s.t.Fatalf("%s: %s", op, m.Error)
	}
}

func (s *served) init(spec Spec) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "exchange")
	file, err := createExchange(path, spec.Model.Layout().Params())
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, file.close()) })
	s.do(opInit, initArgs{Spec: spec, Exchange: path})
}

func (s *served) wait() error {
	s.t.Helper()
	select {
	case err := <-s.err:
		return err
	case <-time.After(await):
		s.t.Fatalf("the child still serves after %v", await)
		return nil
	}
}

// seen is what a step was given.
type seen struct {
	tokens []int32
	rate   float64
}

// The test holds each step until it has seen what the step was given and, while it runs, asked for something.
func TestStepsFollowTheAssignment(t *testing.T) {
	steps, release := make(chan seen), make(chan struct{})
	s := serve(t, func(tokens []int32, rate float64) {
		steps <- seen{slices.Clone(tokens), rate}
		<-release
	})
	spec := tiny()
	set, _, err := spec.dataset()
	must(t, err)
	s.init(spec)
	s.do(opLoad, loadArgs{})

	// entered waits for the next step and checks its input and its rate, that of at tokens.
	entered := func(what string, l *data.Lane, manifest [32]byte, at int64) {
		t.Helper()
		var want []int32
		sample := make([]int32, 17)
		for range spec.Batch {
			must(t, set.Fill(sample, manifest, l.Next()))
			want = append(want, sample...)
		}
		got := <-steps
		if !slices.Equal(got.tokens, want) {
			t.Fatalf("%s step: other samples than the lane's", what)
		}
		if rate := spec.Schedule.Rate(at); got.rate != rate {
			t.Errorf("%s step: rate %v, want %v of %d tokens", what, got.rate, rate, at)
		}
	}
	// meanwhile asks during a step, which ends then, and returns the answer.
	meanwhile := func(op string, args any) message {
		t.Helper()
		s.send(op, args)
		release <- struct{}{}
		return s.answer(op)
	}
	a := data.Assignment{Manifest: [32]byte{1}, Parent: [32]byte{2}, Cursor: 100, Rank: 1, Roster: 3, CapSamples: 1000}
	lane := data.NewLane(a)
	s.do(opRun, Run{Assignment: a, Committed: 5000, Active: 3})
	entered("first", &lane, a.Manifest, 5000)
	release <- struct{}{}
	entered("second", &lane, a.Manifest, 5000+3*64)

	// More peers, same assignment: the lane goes on, and so do the tokens since the commit.
	meanwhile(opRun, Run{Assignment: a, Committed: 5000, Active: 4})
	entered("third", &lane, a.Manifest, 5000+4*128)

	// Another parent: another lane, from the next step on.
	b := a
	b.Parent, b.Cursor, b.Rank = [32]byte{3}, 400, 0
	meanwhile(opRun, Run{Assignment: b, Committed: 9000, Active: 2})
	lane = data.NewLane(b)
	entered("fourth", &lane, b.Manifest, 9000)
	m := meanwhile(opCapture, Capture{Reset: true})
	var got Captured
	must(t, json.Unmarshal(m.Result, &got))
	if got.Steps != 4 || got.Position != lane.High() || got.Tokens != 4*64 || got.Step != 4 {
		t.Errorf("captured %+v, want 4 steps up to %d", got, lane.High())
	}
	entered("fifth", &lane, b.Manifest, 9000+2*64)

	// A pause in an assignment loses no sample.
	c := a
	c.Parent, c.Rank = [32]byte{4}, 2
	lane = data.NewLane(c)
	meanwhile(opRun, Run{Assignment: c, Committed: 9100, Active: 1})
	entered("sixth", &lane, c.Manifest, 9100)
	meanwhile(opPause, nil)
	s.do(opRun, Run{Assignment: c, Committed: 9100, Active: 1, Paused: true})
	s.do(opRun, Run{Assignment: c, Committed: 9100, Active: 1})
	entered("seventh", &lane, c.Manifest, 9100+64)
	meanwhile(opStop, nil)
	must(t, s.wait())
}

func TestLaneEnds(t *testing.T) {
	count := make(chan struct{}, 100)
	s := serve(t, func([]int32, float64) { count <- struct{}{} })
	s.init(tiny())
	s.do(opLoad, loadArgs{})
	a := data.Assignment{Rank: 0, Roster: 1, CapSamples: 11} // two batches of 4 and a rest
	s.do(opRun, Run{Assignment: a, Active: 1})
	for s.out.Scan() && !strings.Contains(s.out.Text(), `"idle":true`) {
	}
	if len(count) != 2 {
		t.Errorf("%d steps under a cap of 11 samples, want 2", len(count))
	}
	s.do(opRun, Run{Assignment: a, Active: 2})
	var got Captured
	must(t, json.Unmarshal(s.ask(opCapture, Capture{}).Result, &got))
	if got.Steps != 2 || got.Position != 8 {
		t.Errorf("captured %+v", got)
	}
	a.Parent[0]++
	s.do(opRun, Run{Assignment: a, Active: 1})
	for range 4 {
		<-count
	}
	s.do(opStop, nil)
	must(t, s.wait())
}

func TestBadControlLines(t *testing.T) {
	many := strings.Repeat(`{"id":1,"op":"heldout"}`+"\n", 2*maxOutstanding)
	for name, c := range map[string]struct{ line, want string }{
		"not JSON":      {"how do you do\n", "not a request"},
		"no id":         {`{"op":"pause"}` + "\n", "no id"},
		"overlong line": {`{"id":1,"op":"` + strings.Repeat("x", MaxLine) + "\"}\n", "longer than"},
		"too many":      {many, "wait for an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			go func() { _, _ = io.WriteString(s.in, c.line) }() // the pipe breaks when the test is over
			if name == "too many" {                             // nobody reads the answers
				mentions(t, s.wait(), c.want)
				return
			}
			var told string
			for s.out.Scan() {
				var m message
				must(t, json.Unmarshal(s.out.Bytes(), &m))
				if m.Event == eventFailed {
					told = m.Error
				}
			}
			if !strings.Contains(told, c.want) {
				t.Errorf("the daemon is told %q, want %q in it", told, c.want)
			}
			mentions(t, s.wait(), c.want)
		})
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := serve(t, nil)
	refused := func(op string, args any, want string) {
		t.Helper()
		if m := s.ask(op, args); !strings.Contains(m.Error, want) {
			t.Errorf("%s: answer %q, want %q in it", op, m.Error, want)
		}
	}
	refused(opPause, nil, "before init")
	spec := tiny()
	path := filepath.Join(t.TempDir(), "short")
	short, err := createExchange(path, spec.Model.Layout().Params()-1)
	must(t, err)
	must(t, short.close())
	refused(opInit, initArgs{Spec: spec, Exchange: path}, "needs")
	refused(opInit, initArgs{Spec: spec, Exchange: path + "er"}, "no such file")
	refused(opInit, "what", "arguments of init")
	s.init(spec)
	refused(opInit, initArgs{Spec: spec, Exchange: path}, "twice")
	refused("dance", nil, "not known")
	refused(opGenerate, writer.Request{N: 0, Prompt: "1"}, "tokens")
	s.do(opStop, nil)
	must(t, s.wait())
}

// Nobody reads what the child writes: it steps on, holding one progress line and no more.
func TestSlowReaderStallsNothing(t *testing.T) {
	count := make(chan struct{})
	s := serve(t, func([]int32, float64) { count <- struct{}{} })
	s.init(tiny())
	s.do(opLoad, loadArgs{})
	s.do(opRun, Run{Active: 1})
	began := time.Now()
	n := 0
	for time.Since(began) < 3*reportEvery {
		<-count
		n++
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-count:
			case <-stop:
				return
			}
		}
	}()
	s.send(opPause, nil)
	held := 0
	for s.out.Scan() {
		var m message
		must(t, json.Unmarshal(s.out.Bytes(), &m))
		if m.Event == "" {
			break
		}
		held++
	}
	// One was being written, the newest waited, and one more may have come since.
	if n < 10 || held > 3 {
		t.Errorf("%d steps, %d progress lines held", n, held)
	}
}

func TestStdinEndsWhileServing(t *testing.T) {
	s := serve(t, nil)
	s.init(tiny())
	must(t, s.in.Close())
	select {
	case code := <-s.exit:
		if code != 0 {
			t.Errorf("exit status %d", code)
		}
	case <-time.After(await):
		t.Error("the child does not see that its daemon is gone")
	}
}

func TestMovingRate(t *testing.T) {
	var s stepper
	s.measure(1000, 5*time.Second) // a compilation
	if s.rate != 0 {
		t.Errorf("the first step counts: %v tokens/s", s.rate)
	}
	for range 10 {
		s.measure(1000, 100*time.Millisecond)
	}
	if math.Abs(s.rate-10000) > 1e-6 {
		t.Errorf("steady rate %v, want 10000", s.rate)
	}
	for range 25 { // 5 s at half the speed
		s.measure(1000, 200*time.Millisecond)
	}
	if want := 5000 + 5000*math.Exp(-1); math.Abs(s.rate-want) > 1 {
		t.Errorf("rate %v after one time constant, want %v", s.rate, want)
	}
}
