package toy

import (
	"fmt"
	"strings"
	"time"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

// prefix begins the backend's name; the step time follows.
const prefix = "toy:"

// MaxStep bounds the time of a step: a child that does not answer for worker.AnswerLimit is taken for hung.
const MaxStep = time.Minute

// Names tells whether a backend's name is the toy's.
func Names(backend string) bool { return strings.HasPrefix(backend, prefix) }

// StepTime reads a backend's name.
func StepTime(backend string) (time.Duration, error) {
	step, err := time.ParseDuration(strings.TrimPrefix(backend, prefix))
	if err != nil || !Names(backend) || step < 0 || step > MaxStep {
		return 0, fmt.Errorf("backend %q: want %s and a step time of at most %v, such as %s100ms", backend, prefix, MaxStep, prefix)
	}
	return step, nil
}

// Engine is the toy for every backend that is named like it.
func Engine() worker.Engine {
	return worker.Engine{
		Open: func(want string) (worker.Device, error) {
			if _, err := StepTime(want); err != nil {
				return worker.Device{}, err
			}
			return worker.Device{Config: want, Name: "nothing: it learns a toy problem"}, nil
		},
		Learner: func(_ worker.Device, s worker.Spec) (worker.Learner, error) {
			step, err := StepTime(s.Backend)
			if err != nil {
				return nil, err
			}
			params := s.Model.Layout().Params()
			if s.Optimizer.Kind == optimizer.None {
				return &gatherer{learner: *newLearner(params, step), sum: make([]float32, params)}, nil
			}
			return newLearner(params, step), nil
		},
		Judge: func(_ worker.Device, s worker.Spec) (worker.Judge, error) {
			return judge{params: s.Model.Layout().Params()}, nil
		},
	}
}

// Or is the toy for backends that are named like it and e for all others.
func Or(e worker.Engine) worker.Engine {
	t := Engine()
	return worker.Engine{
		Open: func(want string) (worker.Device, error) {
			if Names(want) {
				return t.Open(want)
			}
			return e.Open(want)
		},
		Learner: func(d worker.Device, s worker.Spec) (worker.Learner, error) {
			if Names(s.Backend) {
				return t.Learner(d, s)
			}
			return e.Learner(d, s)
		},
		Judge: func(d worker.Device, s worker.Spec) (worker.Judge, error) {
			if Names(s.Backend) {
				return t.Judge(d, s)
			}
			return e.Judge(d, s)
		},
		Freeze: func(d worker.Device, s worker.Spec) (*model.Frozen, error) {
			if Names(s.Backend) || e.Freeze == nil {
				return nil, nil // it adapts nothing
			}
			return e.Freeze(d, s)
		},
	}
}
