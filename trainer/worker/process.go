package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/murmurnet/murmur/trainer/inner"
)

const (
	// AnswerLimit is how long a request may wait for its answer before the child is taken for hung and killed. It covers a
	// step and a compilation: 5 s for small models, more than a minute for large ones on a GPU.
	AnswerLimit = 2 * time.Minute
	// StopLimit is how long Close waits for a child to end by itself.
	StopLimit = 1500 * time.Millisecond
	// drainLimit bounds the wait for the last output of a child that has ended.
	drainLimit = 2 * time.Second
)

// errStopped answers calls on a child that was closed.
var errStopped = errors.New("the trainer was stopped")

// Params say how to start a child.
type Params struct {
	Command  []string // program and arguments
	Env      []string // added to this process's environment
	Inside   *Engine  // if set, the child is goroutines of this process, with this engine: simulations start no processes
	Exchange string   // path of the exchange file, created here; 12 bytes a parameter
	Spec     Spec
	Limit    time.Duration // for one answer; 0 means AnswerLimit
	Log      *slog.Logger
}

// Validate says what is wrong with p.
func (p Params) Validate() error {
	if p.Inside != nil {
		if err := p.Inside.Validate(); err != nil {
			return err
		}
	}
	if len(p.Command) == 0 && p.Inside == nil || p.Exchange == "" || p.Log == nil || p.Limit < 0 {
		return errors.New("starting a trainer needs a command, a path for the exchange file, a log, and a limit of 0 or more")
	}
	return p.Spec.Validate()
}

// Process is a running child. Its methods are safe for concurrent use; the vectors belong to one goroutine at a time.
type Process struct {
	p         Params
	stdin     io.WriteCloser
	end       func() // ends the child at once; one that has ended is left alone
	pid       int
	file      *exchange
	ready     Ready
	stderr    *tail
	progress  chan Progress
	slots     chan struct{} // one for each request without an answer
	shared    chan struct{} // full while a request uses the exchange file
	writing   sync.Mutex
	closing   sync.Once
	releasing sync.Once

	mu      sync.Mutex
	last    uint64 // id of the newest request
	changes uint64 // answered requests that changed θ
	calls   map[uint64]*call
	why     error // why the child is being killed
	failed  string
	stop    bool // Close was called
	err     error

	done chan struct{}
}

// Start starts a child and returns once its device is open. ctx ends the start, not the child.
func Start(ctx context.Context, p Params) (*Process, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Limit == 0 {
		p.Limit = AnswerLimit
	}
	p.Spec.tighten(available())
	file, err := createExchange(p.Exchange, p.Spec.Model.Layout().Params())
	if err != nil {
		return nil, err
	}
	pr := &Process{
		p: p, file: file, done: make(chan struct{}), calls: map[uint64]*call{},
		progress: make(chan Progress, 1), slots: make(chan struct{}, maxOutstanding), shared: make(chan struct{}, 1),
		stderr: &tail{each: func(line string) { p.Log.Debug("Trainer says", "line", line) }},
	}
	begin := pr.spawn
	if p.Inside != nil {
		begin = pr.host
	}
	if err := begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the trainer: %w", err), pr.discard())
	}
	raw, err := pr.ask(ctx, opInit, initArgs{Spec: p.Spec, Exchange: p.Exchange}, true, nil)
	if err == nil {
		err = json.Unmarshal(raw, &pr.ready)
	}
	if err != nil {
		if ctx.Err() != nil { // its device is wanted back
			pr.kill(ctx.Err())
		}
		return nil, errors.Join(fmt.Errorf("starting the trainer: %w", err), pr.Close())
	}
	// Both have it open: without a name it is gone with them, however they end. Windows refuses; there Close removes it.
	_ = os.Remove(p.Exchange)
	return pr, nil
}

// spawn starts the process, from a thread that lives as long as the child: Linux sends a child its death signal when the
// thread that started it ends, not the process.
func (p *Process) spawn() error {
	cmd := exec.Command(p.p.Command[0], p.p.Command[1:]...)
	cmd.Env = append(append([]string{inner.Allocator(p.p.Spec.Tight)}, os.Environ()...), p.p.Env...) // the last of a name counts
	cmd.SysProcAttr = attributes()
	cmd.Stderr = p.stderr
	cmd.Stdout = p.answers()
	cmd.WaitDelay = drainLimit
	p.end = func() { _ = cmd.Process.Kill() } // it fails only if the child has ended
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	kills := memoryKills()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			waited := cmd.Wait()
			p.finish(func() error { return ending(cmd.ProcessState, waited, p.stderr.last(), memoryKills() > kills) })
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	return nil
}

// answers takes what the child writes.
func (p *Process) answers() *lineWriter {
	return &lineWriter{limit: MaxLine, line: p.receive, broken: func(err error) { p.kill(fmt.Errorf("the trainer broke the protocol: %w", err)) }}
}

// kill ends the child for a reason; the first reason counts.
func (p *Process) kill(why error) {
	p.mu.Lock()
	if p.why == nil {
		p.why = why
	}
	p.mu.Unlock()
	p.end()
}

// finish records why the child ended and lets everyone know. cause tells it for a child that ended by itself.
func (p *Process) finish(cause func() error) {
	p.mu.Lock()
	switch {
	case p.why != nil:
		p.err = p.why
	case p.stop:
	case p.failed != "":
		p.err = fmt.Errorf("the trainer gave up: %s", p.failed)
	default:
		p.err = cause()
	}
	for _, c := range p.calls {
		c.timer.Stop()
	}
	p.mu.Unlock()
	close(p.done)
}

// Ready is what the child said about itself.
func (p *Process) Ready() Ready { return p.ready }

// Pid is the child's process id; 0 for one inside this process.
func (p *Process) Pid() int { return p.pid }

// Done is closed when the child has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says in a sentence why the child ended; nil while it lives, and after a Close that went well.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Progress gives the newest progress that was not read yet. It is never closed: wait for Done as well.
func (p *Process) Progress() <-chan Progress { return p.progress }

// Vector is the exchange file's first region, P values: what Load, Add, Heldout and Generate read and Capture writes.
// It waits for a request that uses the file and whose caller went away. The view dies with Close: do not keep it.
func (p *Process) Vector() []float32 {
	p.settle()
	p.file.head.lose(0) // the caller may write there
	return p.file.vector(0)
}

// Moments are the regions of the first and second moments, as Vector.
func (p *Process) Moments() (m, v []float32) {
	p.settle()
	return p.file.vector(1), p.file.vector(2)
}

// settle waits until no request uses the exchange file.
func (p *Process) settle() {
	select {
	case p.shared <- struct{}{}:
		<-p.shared
	case <-p.done:
	}
}

// Kill ends the child at once, for a reason that Err will give.
func (p *Process) Kill(why error) { p.kill(why) }

// Close is Stop and Release.
func (p *Process) Close() error {
	p.Stop()
	return p.Release()
}

// Stop ends the child: asks it to stop, kills it after StopLimit, and waits for its end. The vectors are still there.
func (p *Process) Stop() {
	p.closing.Do(func() {
		p.mu.Lock()
		p.stop = true
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), StopLimit)
		defer cancel()
		_, asked := p.ask(ctx, opStop, nil, false, nil)
		_ = p.stdin.Close() // fails only if the child has ended
		if asked == nil {
			select {
			case <-p.done:
			case <-ctx.Done():
			}
		}
		p.end()
		<-p.done
	})
}

// Release removes the exchange file of a stopped child. Nobody may use its vectors any more.
func (p *Process) Release() (err error) {
	p.releasing.Do(func() { err = p.discard() })
	return err
}

// discard unmaps and removes the exchange file.
func (p *Process) discard() error {
	err := p.file.close()
	if gone := os.Remove(p.p.Exchange); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
