package round

import (
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/proto"
)

// Contract holds a driver's answers to the table of the package comment, in Config of a test. It is read when the driver rests.
type Contract struct {
	open   map[question]int
	broken error // the first
}

// question is what an effect asks and an event answers: once for each time that it was asked.
type question struct {
	effect string
	id     proto.ID
}

// Err says what was answered that was not asked, or not any more; nil: nothing.
func (c *Contract) Err() error { return c.broken }

// Open is how many questions of a kind, named as its effect, have no answer yet.
func (c *Contract) Open(effect string) (n int) {
	for q, times := range c.open {
		if q.effect == effect {
			n += times
		}
	}
	return n
}

func (c *Contract) asked(effects []Effect) {
	for _, e := range effects {
		q, ok := questionOf(e)
		if !ok {
			continue
		}
		if c.open == nil {
			c.open = map[question]int{}
		}
		c.open[q]++
	}
}

func (c *Contract) told(ev Event) {
	q, must := answerOf(ev)
	switch {
	case q.effect == "":
	case c.open[q] > 0:
		if c.open[q]--; c.open[q] == 0 {
			delete(c.open, q)
		}
	case must && c.broken == nil:
		c.broken = fmt.Errorf("%T for %s answers no %s", ev, q.id.Short(), q.effect)
	}
	if _, ok := ev.(Foreign); ok && c.Open("CatchUp") == 0 && c.broken == nil {
		c.broken = errors.New("a foreign branch came though no catch-up was under way")
	}
}

// questionOf returns what an effect asks, if anything ends it.
func questionOf(e Effect) (question, bool) {
	switch e := e.(type) {
	case Publish:
		return question{"Publish", e.Parent}, true
	case Build:
		return question{"Build", e.Draft.Parent}, true
	case Verify:
		return question{"Verify", e.Commit.ID}, true
	case Fetch:
		return question{"Fetch", e.Update.Payload}, true
	case Pull:
		return question{"Pull", e.Commit}, true
	case CatchUp:
		return question{"CatchUp", e.Target}, true
	case Enter:
		return question{"Enter", e.Commit.ID}, true
	default:
		return question{}, false
	}
}

// answerOf returns what an event ends, and whether it may come for nothing else.
func answerOf(ev Event) (q question, must bool) {
	switch e := ev.(type) {
	case Published:
		return question{"Publish", e.Update.Parent}, true
	case Unpublished:
		return question{"Publish", e.Parent}, true
	case Built:
		return question{"Build", e.Commit.Parent}, true
	case Unbuilt:
		return question{"Build", e.Parent}, true
	case Verified:
		return question{"Verify", e.Commit}, true
	case Unverified:
		return question{"Verify", e.Commit}, true
	case Held:
		return question{"Fetch", e.Payload}, true
	case Unfit:
		return question{"Fetch", e.Payload}, true
	case Missed:
		return question{"Fetch", e.Payload}, true
	case Pulled:
		if len(e.Commits) == 1 { // more come by a catch-up
			return question{"Pull", e.Commits[0].ID}, false
		}
		return question{}, false
	case PullFailed: // the commit may have come by a catch-up meanwhile, which ended the question
		return question{"Pull", e.Commit}, false
	case CaughtUp:
		return question{"CatchUp", e.Target}, true
	case Landed:
		return question{"Enter", e.Commit.ID}, true
	case NotLanded:
		return question{"Enter", e.Commit}, true
	default:
		return question{}, false
	}
}
