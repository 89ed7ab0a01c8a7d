package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/murmurnet/murmur/trainer/token"
	"github.com/murmurnet/murmur/trainer/writer"
)

// ServeParams are a child's surroundings.
type ServeParams struct {
	In     io.Reader // requests
	Out    io.Writer // answers and events
	Engine Engine
	Exit   func(code int) // ends the process at once; os.Exit outside tests
	Log    *slog.Logger
}

// Validate says what is missing.
func (p ServeParams) Validate() error {
	if p.In == nil || p.Out == nil || p.Exit == nil || p.Log == nil {
		return errors.New("a trainer needs an input, an output, a way to exit, and a log")
	}
	return p.Engine.Validate()
}

// Serve is the child: it answers requests until one says stop. When In ends before that, it calls Exit, whatever it is
// doing. The goroutine that reads In lives until In ends, which may be after Serve has returned.
func Serve(ctx context.Context, p ServeParams) error {
	if err := p.Validate(); err != nil {
		return err
	}
	c := &child{p: p, out: newOutbox(p.Out)}
	defer c.out.close()
	over := make(chan struct{})
	defer close(over)
	arrivals := make(chan arrival, maxOutstanding+1)
	go c.read(arrivals, over)

	err := c.loop(ctx, arrivals)
	if err != nil {
		c.out.fail(err)
	}
	return errors.Join(err, c.release())
}

// arrival is a request, or why no more will be read.
type arrival struct {
	request request
	err     error
}

// read passes requests on and watches for the end of In. It never blocks on anything but In: arrivals has room for all
// that may be outstanding and one error.
func (c *child) read(arrivals chan<- arrival, over <-chan struct{}) {
	lines := bufio.NewScanner(c.p.In)
	lines.Buffer(nil, MaxLine)
	broken := false
	refuse := func(err error) {
		if !broken {
			arrivals <- arrival{err: err}
		}
		broken = true
	}
	for lines.Scan() {
		if broken {
			continue
		}
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			refuse(fmt.Errorf("a control line is not a request: %w", err))
		} else if r.ID == 0 {
			refuse(errors.New("a request has no id"))
		} else if !c.out.expect() {
			refuse(fmt.Errorf("more than %d requests wait for an answer", maxOutstanding))
		} else if r.Op == opCancel {
			c.out.answer(r.ID, nil, c.cancel(r))
		} else {
			arrivals <- arrival{request: r}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		refuse(overlong(MaxLine))
		_, _ = io.Copy(io.Discard, c.p.In) // until it ends
	}
	select {
	case <-over:
	default:
		c.p.Exit(0)
	}
}

// cancel has the generation that the request names break off after its next token. It is the one thing that does not
// wait for its turn.
func (c *child) cancel(r request) error {
	_, err := with(r, func(a cancelArgs) (any, error) { c.cancelled.Store(a.ID); return nil, nil })
	return err
}

// child is one running trainer. Only the goroutine of Serve touches it, but for out and cancelled.
type child struct {
	p         ServeParams
	out       *outbox
	cancelled atomic.Uint64 // the generation that nobody waits for any more

	spec   Spec
	device Device
	set    dataset
	held   []int32          // out of it
	tokens *token.Tokenizer // nil until first needed
	file   *exchange
	feeder *feeder

	learner Learner // nil until the first load
	judge   Judge   // nil until first needed
	loaded  bool
	stepper stepper
	keeping keeping
}

// errStop ends the loop in peace.
var errStop = errors.New("stop")

// loop serves requests as they come, and steps whenever none waits and there is something to train on.
func (c *child) loop(ctx context.Context, arrivals <-chan arrival) error {
	for {
		var a arrival
		if c.stepper.active {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case a = <-arrivals:
			default:
				if err := c.step(); err != nil {
					return err
				}
				continue
			}
		} else {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case a = <-arrivals:
			}
		}
		if a.err != nil {
			return a.err
		}
		result, err := c.serve(ctx, a.request)
		if errors.Is(err, errStop) {
			c.out.answer(a.request.ID, nil, nil)
			return nil
		}
		c.out.answer(a.request.ID, result, err)
	}
}

// serve carries one request out, between two steps.
func (c *child) serve(ctx context.Context, r request) (any, error) {
	switch {
	case r.Op == opStop:
		return nil, errStop
	case r.Op == opInit:
		return with(r, c.init)
	case c.file == nil:
		return nil, fmt.Errorf("%s before init", r.Op)
	case !c.loaded && (r.Op == opRun || r.Op == opCapture || r.Op == opAdd || r.Op == opSet):
		return nil, fmt.Errorf("%s before load: there is no model to work on", r.Op)
	}
	switch r.Op {
	case opLoad:
		return with(r, c.load)
	case opRun:
		return with(r, c.run)
	case opPause:
		c.stepper.pause()
		return nil, nil
	case opCapture:
		return with(r, c.capture)
	case opSet:
		g, err := c.gatherer()
		if err != nil {
			return nil, err
		}
		c.forget()
		return nil, g.Set(c.file.vector(0))
	case opAdd:
		if err := c.learner.Add(c.file.vector(0)); err != nil {
			return nil, err
		}
		c.moved()
		return nil, nil
	case opHeldout:
		return c.heldout()
	case opGenerate:
		return with(r, func(w writer.Request) (any, error) { return nil, c.generate(ctx, r.ID, w) })
	}
	return nil, fmt.Errorf("operation %q is not known", r.Op)
}

// with decodes a request's arguments for f.
func with[A any](r request, f func(A) (any, error)) (any, error) {
	var args A
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", r.Op, err)
	}
	return f(args)
}

func (c *child) init(a initArgs) (any, error) {
	if c.file != nil {
		return nil, errors.New("init twice")
	}
	if err := a.Spec.Validate(); err != nil {
		return nil, err
	}
	set, held, err := a.Spec.dataset()
	if err != nil {
		return nil, err
	}
	params := a.Spec.Model.Layout().Params()
	file, err := openExchange(a.Exchange, params)
	if err != nil {
		return nil, err
	}
	device, err := c.p.Engine.Open(a.Spec.Backend)
	if err != nil {
		return nil, errors.Join(err, file.close())
	}
	c.spec, c.set, c.held, c.file, c.device = a.Spec, set, held, file, device
	c.feeder = newFeeder(set, a.Spec.Batch, a.Spec.Model.SeqLen)
	c.feeder.own = a.Spec.Data == DataPrivate
	return Ready{Backend: device.Config, Device: device.Name, Refusals: device.Refusals, Params: params}, nil
}

// freeze uploads what an adapter leaves as it is, when it is first needed.
func (c *child) freeze() (err error) {
	if e := c.p.Engine; c.spec.Model.Adapter != nil && c.device.Frozen == nil && e.Freeze != nil {
		c.device.Frozen, err = e.Freeze(c.device, c.spec)
		debug.FreeOSMemory() // what was read on the way is as large as what stays
	}
	return err
}

func (c *child) load(a loadArgs) (any, error) {
	if c.learner == nil {
		if err := c.freeze(); err != nil {
			return nil, err
		}
		l, err := c.p.Engine.Learner(c.device, c.spec)
		if err != nil {
			return nil, err
		}
		c.learner = l
		if p, ok := l.(interface{ Plan() string }); ok {
			c.p.Log.Info("The training step is laid out", "batch", p.Plan())
		}
	}
	var m, v []float32
	if a.Moments {
		m, v = c.file.vector(1), c.file.vector(2)
	}
	c.loaded, c.stepper.active = false, false
	c.forget()
	if err := c.learner.Load(c.file.vector(0), m, v, a.Step); err != nil {
		return nil, err
	}
	c.loaded = true
	c.stepper.restart(a.Step)
	c.feeder.from = uint64(a.Step) * uint64(c.spec.Batch)
	return nil, nil
}

func (c *child) capture(a Capture) (any, error) {
	if !a.Gradient {
		if _, err := c.learner.Read(c.file.vector(0), nil, nil); err != nil {
			return nil, err
		}
		if !a.Moments {
			c.copied()
		} else { // θ is kept where they do not go
			c.note(0)
			c.file.head.lose(1, 2)
			atomic.StoreUint32(&c.file.head.lent, 1)
			if _, err := c.learner.Read(nil, c.file.vector(1), c.file.vector(2)); err != nil {
				return nil, err
			}
		}
		return c.stepper.captured(a.Reset), nil
	}
	g, err := c.gatherer()
	if err != nil {
		return nil, err
	}
	if _, err := g.Take(c.file.vector(0)); err != nil {
		return nil, err
	}
	return c.stepper.captured(a.Reset), nil
}

func (c *child) gatherer() (Gatherer, error) {
	g, ok := c.learner.(Gatherer)
	if !ok {
		return nil, fmt.Errorf("optimizer %q gathers no gradients", c.spec.Optimizer.Kind)
	}
	return g, nil
}

// opened makes the judge when it is first needed.
func (c *child) opened() (Judge, error) {
	if c.judge == nil {
		if err := c.freeze(); err != nil {
			return nil, err
		}
		j, err := c.p.Engine.Judge(c.device, c.spec)
		if err != nil {
			return nil, err
		}
		c.judge = j
	}
	return c.judge, nil
}

func (c *child) heldout() (any, error) {
	j, err := c.opened()
	if err != nil {
		return nil, err
	}
	loss, err := j.Loss(c.file.vector(0), c.held)
	if err == nil && !finite(loss) {
		err = errors.New("the held-out loss is not a finite number: the model has diverged")
	}
	return heldout{Loss: loss}, err
}

func (c *child) generate(ctx context.Context, id uint64, r writer.Request) error {
	j, err := c.opened()
	if err != nil {
		return err
	}
	if c.tokens == nil {
		if c.tokens, err = c.spec.tokens(); err != nil {
			return err
		}
	}
	return writer.Write(ctx, j, c.tokens, c.file.vector(0), r, func(piece string) bool {
		c.out.text(id, piece)
		return c.cancelled.Load() != id
	})
}

// release gives back what the child holds.
func (c *child) release() error {
	if c.file == nil {
		return nil
	}
	c.feeder.close()
	if c.learner != nil {
		c.learner.Close()
	}
	if c.judge != nil {
		c.judge.Close()
	}
	var err error
	if c.device.Frozen != nil {
		err = c.device.Frozen.Close()
	}
	return errors.Join(err, c.file.close())
}
