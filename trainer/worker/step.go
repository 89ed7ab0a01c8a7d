package worker

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/murmurnet/murmur/trainer/data"
)

const (
	// reportEvery is the least time between two progress lines: at most 5 a second.
	reportEvery = 200 * time.Millisecond
	// rateSpan is the time constant of the moving tokens/s: a change shows to 63 % after it.
	rateSpan = 5 * time.Second
)

// stepper is where a child stands in its training.
type stepper struct {
	active bool   // stepping, unless a request waits
	first  bool   // no step done since stepping began
	idle   bool   // the lane has no full batch left, or no data yet
	absent string // the shard that is not there
	run    Run
	own    uint64 // tokens trained on since run.Committed was told, for the schedule
	done   uint64 // steps in the assignment, against run.Most

	since Captured // counts since the last capture with Reset; Loss is their sum
	loss  float64  // sum since the last progress line
	steps int64    // steps in that sum
	rate  float64  // moving tokens/s; 0 before there is one

	waited   time.Duration // for batches
	stepped  time.Time     // end of the last step, or when stepping began
	reported time.Time
	warm     bool // a step has been done: the first of a child may hold a compilation and says nothing of its speed
}

// restart counts anew after a load.
func (s *stepper) restart(step int64) {
	*s = stepper{rate: s.rate, warm: s.warm, waited: s.waited, run: s.run, since: Captured{Step: step, Position: s.since.Position}}
}

func (s *stepper) pause() { s.active = false }

// captured are the counts so far.
func (s *stepper) captured(reset bool) Captured {
	told := s.since
	if told.Steps > 0 {
		told.Loss /= float64(told.Steps)
	}
	if reset {
		s.since = Captured{Position: told.Position, Step: told.Step}
	}
	return told
}

// run begins to step, or changes over to another assignment.
func (c *child) run(r Run) (any, error) {
	if r.Active < 1 {
		return nil, fmt.Errorf("%d active peers: there is at least this one", r.Active)
	}
	s := &c.stepper
	high, changed := c.feeder.assign(r.Assignment, r.Until)
	if changed {
		s.since.Position, s.done = high, 0
	}
	s.absent = ""
	if r.Committed != s.run.Committed {
		s.own = 0
	}
	if r.Epochs > 0 {
		batch := uint64(c.spec.Batch)
		if most := (r.Epochs*uint64(c.set.Samples()) + batch - 1) / batch; r.Most == 0 || most < r.Most {
			r.Most = most
		}
	}
	s.run, s.idle = r, r.Most > 0 && s.done >= r.Most
	started := !r.Paused && !s.idle
	if started && !s.active {
		s.first, s.stepped = true, time.Now()
	}
	s.active = started
	return nil, nil
}

// step does one step and counts it. The rate follows the tokens that the swarm has committed plus what all active peers
// are likely to have done since: this one's own times their number.
func (c *child) step() error {
	s := &c.stepper
	asked := time.Now()
	b := c.feeder.next()
	s.waited += time.Since(asked)
	if !b.ok {
		s.active, s.idle = false, true
		var absent *data.AbsentError
		if errors.As(b.err, &absent) {
			s.absent = absent.ID.String()
			c.p.Log.Warn("Data cannot be read", "error", b.err)
		} else if b.err != nil {
			return b.err
		}
		c.report()
		return nil
	}
	at := int64(s.run.Committed + s.own*uint64(s.run.Active))
	loss, err := c.learner.Step(b.tokens, c.spec.Schedule.Rate(at))
	if err != nil {
		return fmt.Errorf("training step %d: %w", s.since.Step+1, err)
	}
	if !finite(float64(loss)) {
		c.file.head.lose(0, 1, 2) // θ is of no use
		return fmt.Errorf("training step %d: the loss is not a finite number: the model has diverged; a lower learning rate may help", s.since.Step+1)
	}
	tokens := uint64(c.spec.Batch) * uint64(c.spec.Model.SeqLen)
	s.own += tokens
	s.done++
	s.since.Steps++
	s.since.Step++
	s.since.Tokens += tokens
	s.since.Loss += float64(loss)
	s.since.Position = b.high
	s.loss += float64(loss)
	s.steps++

	now := time.Now()
	s.measure(tokens, now.Sub(s.stepped))
	s.stepped = now
	if err := c.keep(now); err != nil {
		return fmt.Errorf("keeping what was learned: %w", err)
	}
	if s.run.Most > 0 && s.done >= s.run.Most {
		s.active, s.idle = false, true
	}
	if s.first || s.idle || now.Sub(s.reported) >= reportEvery {
		s.first = false
		s.reported = now
		c.report()
	}
	return nil
}

// measure takes a step into the moving rate. Requests served since the step before count as time: what a peer wants to
// know is how fast this node comes on.
func (s *stepper) measure(tokens uint64, took time.Duration) {
	if !s.warm {
		s.warm = true
		return
	}
	now := float64(tokens) / max(took.Seconds(), 1e-9)
	if s.rate == 0 {
		s.rate = now
		return
	}
	s.rate += (1 - math.Exp(-took.Seconds()/rateSpan.Seconds())) * (now - s.rate)
}

func (c *child) report() {
	s := &c.stepper
	p := Progress{
		Steps: s.since.Steps, Tokens: s.since.Tokens, TokensPerSec: s.rate,
		Position: s.since.Position, Step: s.since.Step, Idle: s.idle, Absent: s.absent, Waited: s.waited.Seconds(),
	}
	if s.steps > 0 {
		p.Loss = s.loss / float64(s.steps)
	}
	s.loss, s.steps = 0, 0
	c.out.report(p)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
