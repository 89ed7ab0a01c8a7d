package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/trainer/writer"
)

// call is a request without an answer.
type call struct {
	id      uint64
	file    bool         // it uses the exchange file
	changes bool         // it changes θ
	answer  chan message // capacity 1
	texts   chan string  // of opGenerate; room for all it may send
	timer   *time.Timer  // kills the child
}

// Load has the child take θ from Vector, and with moments m and v from Moments, as the state after step steps; without,
// the moments are zero. The child does not step until Run. The first Load compiles the training step.
func (p *Process) Load(ctx context.Context, step int64, moments bool) error {
	_, err := p.ask(ctx, opLoad, loadArgs{Step: step, Moments: moments}, true, nil)
	return err
}

// Run starts to step, or changes over to another assignment.
func (p *Process) Run(ctx context.Context, r Run) error {
	_, err := p.ask(ctx, opRun, r, false, nil)
	return err
}

// Pause stops stepping after the step in progress; Run starts again.
func (p *Process) Pause(ctx context.Context) error {
	_, err := p.ask(ctx, opPause, nil, false, nil)
	return err
}

// Capture puts the state after the last finished step into Vector, and into Moments if asked.
func (p *Process) Capture(ctx context.Context, c Capture) (Captured, error) {
	return answered[Captured](p.ask(ctx, opCapture, c, true, nil))
}

// Add has the child add the delta in Vector to its θ.
func (p *Process) Add(ctx context.Context) error {
	_, err := p.ask(ctx, opAdd, nil, true, nil)
	return err
}

// Set has a child that gathers gradients replace its θ by what is in Vector.
func (p *Process) Set(ctx context.Context) error {
	_, err := p.ask(ctx, opSet, nil, true, nil)
	return err
}

// Heldout is the mean loss, in nats per token, of the θ in Vector on the spec's held-out slice.
func (p *Process) Heldout(ctx context.Context) (float64, error) {
	h, err := answered[heldout](p.ask(ctx, opHeldout, nil, true, nil))
	return h.Loss, err
}

// Generate continues a prompt by the θ in Vector, calling emit for each piece of text as it comes. Training waits meanwhile. When
// ctx ends, so does the generation, after its next token.
func (p *Process) Generate(ctx context.Context, r writer.Request, emit func(text string)) error {
	if err := r.Validate(); err != nil {
		return err
	}
	texts := make(chan string, r.N+2) // a piece a token, and what is left at the end
	c, err := p.send(ctx, opGenerate, r, true, texts)
	if err != nil {
		return err
	}
	for {
		select {
		case t := <-texts:
			emit(t)
			continue
		default:
		}
		select {
		case t := <-texts:
			emit(t)
		case m := <-c.answer:
			for len(texts) > 0 {
				emit(<-texts)
			}
			_, err := result(m)
			return err
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			c.forget(p)
			return ctx.Err()
		}
	}
}

// forget has the child break off the generation c.
func (c *call) forget(p *Process) {
	ctx, cancel := context.WithTimeout(context.Background(), StopLimit)
	defer cancel()
	// If it does not come through, the text is generated to its end, and to nobody.
	_, _ = p.send(ctx, opCancel, cancelArgs{ID: c.id}, false, nil)
}

// ask sends a request and waits for its answer. A caller that goes away leaves the request standing: its answer still
// frees what it held, and is still waited for.
func (p *Process) ask(ctx context.Context, op string, args any, file bool, texts chan string) (json.RawMessage, error) {
	c, err := p.send(ctx, op, args, file, texts)
	if err != nil {
		return nil, err
	}
	select {
	case m := <-c.answer:
		return result(m)
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the trainer's answer to %s: %w", op, ctx.Err())
	case <-p.done:
	}
	select {
	case m := <-c.answer: // the last thing it did
		return result(m)
	default:
		return nil, p.ended()
	}
}

func (p *Process) send(ctx context.Context, op string, args any, file bool, texts chan string) (*call, error) {
	r := request{Op: op}
	if args != nil {
		raw, err := json.Marshal(args)
		if err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", op, err)
		}
		r.Args = raw
	}
	if err := p.acquire(ctx, p.slots); err != nil {
		return nil, err
	}
	if file {
		if err := p.acquire(ctx, p.shared); err != nil {
			<-p.slots
			return nil, err
		}
	}
	c := &call{file: file, changes: op == opLoad || op == opAdd || op == opSet, answer: make(chan message, 1), texts: texts}
	p.mu.Lock()
	p.last++
	c.id, r.ID = p.last, p.last
	line, err := json.Marshal(r)
	if err == nil && len(line) > MaxLine {
		err = fmt.Errorf("a request to %s of %d bytes is longer than the %d that one may have", op, len(line), MaxLine)
	}
	if err != nil {
		p.mu.Unlock()
		p.release(c)
		return nil, err
	}
	c.timer = time.AfterFunc(p.p.Limit, func() {
		p.kill(fmt.Errorf("the trainer gave no answer to %s for %v and was killed", op, p.p.Limit))
	})
	p.calls[c.id] = c
	p.mu.Unlock()

	p.writing.Lock()
	defer p.writing.Unlock()
	// A write fails when the child is ending: then done is closed soon, and says why.
	_, _ = p.stdin.Write(append(line, '\n'))
	return c, nil
}

// acquire puts a token into a semaphore.
func (p *Process) acquire(ctx context.Context, s chan struct{}) error {
	select {
	case <-p.done: // first, if several are ready
		return p.ended()
	default:
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-p.done:
		return p.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Process) release(c *call) {
	if c.file {
		<-p.shared
	}
	<-p.slots
}

// ended is the error of calls on a child that is gone.
func (p *Process) ended() error {
	if err := p.Err(); err != nil {
		return err
	}
	return errStopped
}

// receive takes a line from the child. Lines that are no objects are a library's noise.
func (p *Process) receive(line []byte) error {
	if len(line) == 0 || line[0] != '{' {
		p.p.Log.Debug("Trainer prints", "line", string(line))
		return nil
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return fmt.Errorf("a line is not an answer: %w", err)
	}
	switch m.Event {
	case eventProgress:
		if m.Progress == nil {
			return errors.New("progress without content")
		}
		select {
		case <-p.progress:
		default:
		}
		p.progress <- *m.Progress // only this goroutine sends
		return nil
	case eventFailed:
		p.mu.Lock()
		p.failed = m.Error
		p.mu.Unlock()
		return nil
	case eventText, "":
	default:
		return fmt.Errorf("event %q is not known", m.Event)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[m.ID]
	if c == nil {
		return fmt.Errorf("an answer to request %d, which nobody made", m.ID)
	}
	if m.Event == "" {
		c.timer.Stop()
		delete(p.calls, m.ID)
		if c.changes && m.Error == "" {
			p.changes++
		}
		p.release(c)
		c.answer <- m
		return nil
	}
	c.timer.Reset(p.p.Limit)
	select {
	case c.texts <- m.Text:
	default:
		return fmt.Errorf("more text than request %d asked for", m.ID)
	}
	return nil
}

func result(m message) (json.RawMessage, error) {
	if m.Error != "" {
		return nil, errors.New(m.Error)
	}
	return m.Result, nil
}

func answered[A any](raw json.RawMessage, err error) (a A, _ error) {
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("the trainer's answer: %w", err)
	}
	return a, nil
}
