package toy

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small has 197,696 parameters: six windows and a rest.
func small(backend string) worker.Spec {
	return worker.Spec{Backend: backend, Model: model.Config{
		Vocab: 256, Dim: 128, Layers: 1, Heads: 4, KVHeads: 4, HeadDim: 32, FFN: 256, SeqLen: 16, RopeTheta: 10000, NormEps: 1e-5, Tied: true,
	}}
}

func learnerOf(t testing.TB, s worker.Spec) worker.Learner {
	t.Helper()
	l, err := Engine().Learner(worker.Device{}, s)
	must(t, err)
	t.Cleanup(l.Close)
	return l
}

func lossOf(t testing.TB, s worker.Spec, theta []float32) float64 {
	t.Helper()
	j, err := Engine().Judge(worker.Device{}, s)
	must(t, err)
	defer j.Close()
	loss, err := j.Loss(theta, nil)
	must(t, err)
	return loss
}

// Gradients are gathered, taken as their mean, and lead to the target.
func TestGatherer(t *testing.T) {
	const n = 100
	g := &gatherer{learner: *newLearner(n, 0), sum: make([]float32, n)}
	if err := g.Load(make([]float32, n), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	mean := make([]float32, n)
	var first, last float32
	for round := range 50 {
		for range 3 {
			loss, err := g.Step([]int32{1, 2}, 9)
			if err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				first = loss
			}
			last = loss
		}
		if steps, err := g.Take(mean); err != nil || steps != 3 {
			t.Fatalf("%d steps were taken, %v", steps, err)
		}
		for i := range mean {
			mean[i] *= -.5
		}
		if err := g.Add(mean); err != nil {
			t.Fatal(err)
		}
	}
	if last > first/1000 {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	if steps, err := g.Take(mean); err != nil || steps != 0 || mean[0] != 0 {
		t.Errorf("taken again, %d steps and %g are left, %v", steps, mean[0], err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]time.Duration{"toy:100ms": 100 * time.Millisecond, "toy:0s": 0, "toy:1m": time.Minute} {
		if got, err := StepTime(name); err != nil || got != want || !Names(name) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "toy", "toy:", "toy:5", "toy:-1s", "toy:2m", "100ms", "xla:cpu"} {
		if _, err := StepTime(name); err == nil {
			t.Errorf("%q is taken for the toy", name)
		}
		if _, err := Engine().Open(name); err == nil {
			t.Errorf("%q opens", name)
		}
	}
}

// Two learners with one history hold the same bits, whatever way they came by it; other tokens lead elsewhere.
func TestDeterministicAndExact(t *testing.T) {
	s := small("toy:0s")
	theta := model.Init(s.Model, [32]byte{1})
	n := len(theta)
	a, b := learnerOf(t, s), learnerOf(t, s)
	must(t, a.Load(theta, nil, nil, 7))
	for i := range 5 {
		_, err := a.Step([]int32{1, 2, int32(i)}, 0.01)
		must(t, err)
	}
	half := make([]float32, n)
	m, v := slices.Repeat([]float32{9}, n), slices.Repeat([]float32{9}, n)
	step, err := a.Read(half, m, v)
	must(t, err)
	if step != 12 || slices.Equal(half, theta) {
		t.Errorf("at step %d, want 12 and another θ", step)
	}
	if slices.Max(m) != 0 || slices.Max(v) != 0 {
		t.Error("moments that it does not have are not zero")
	}
	must(t, b.Load(half, m, v, step))
	delta := slices.Repeat([]float32{0.25}, n)
	got := [2][]float32{make([]float32, n), make([]float32, n)}
	for k, l := range []worker.Learner{a, b} {
		must(t, l.Add(delta))
		_, err := l.Step([]int32{3}, 0.01)
		must(t, err)
		_, err = l.Read(got[k], nil, nil)
		must(t, err)
	}
	if !slices.Equal(got[0], got[1]) {
		t.Error("a learner that was loaded differs from the one that went on")
	}
	moved := 0
	for i, x := range got[0] {
		if x != half[i]+0.25 {
			moved++
		}
	}
	if moved == 0 || moved > window {
		t.Errorf("a step moved %d parameters, want 1 to %d", moved, window)
	}
	if got, err := a.Read(nil, nil, nil); err != nil || got != 13 {
		t.Errorf("reading nothing but the step gives %d, %v", got, err)
	}
	for what, err := range map[string]error{
		"a short θ": a.Load(theta[1:], nil, nil, 0), "a step below 0": a.Load(theta, nil, nil, -1), "a short delta": a.Add(delta[1:]),
	} {
		if err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// What two learners with different tokens learned adds up.
func TestLearnsWhatOthersCanUse(t *testing.T) {
	s := small("toy:0s")
	theta := model.Init(s.Model, [32]byte{2})
	n := len(theta)
	first := lossOf(t, s, theta)
	if first < 0.3 || first > 1.5 {
		t.Errorf("the loss begins at %v", first)
	}
	var first100, last100 float64
	both := slices.Clone(theta)
	var alone float64
	for k := range 2 {
		l := learnerOf(t, s)
		must(t, l.Load(theta, nil, nil, 0))
		for i := range 200 {
			loss, err := l.Step([]int32{int32(k), int32(i)}, 0.003)
			must(t, err)
			if i < 100 {
				first100 += float64(loss)
			} else {
				last100 += float64(loss)
			}
		}
		own := make([]float32, n)
		_, err := l.Read(own, nil, nil)
		must(t, err)
		for i := range both {
			both[i] += (own[i] - theta[i]) / 2
		}
		alone = lossOf(t, s, own)
	}
	if last100 > 0.9*first100 || alone > 0.6*first {
		t.Errorf("losses of steps %v then %v, held out from %v to %v", first100, last100, first, alone)
	}
	if mean := lossOf(t, s, both); mean > 0.6*first {
		t.Errorf("the mean of two has a loss of %v, the beginning %v", mean, first)
	}
}

func TestStepTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small("toy:250ms")
		l := learnerOf(t, s)
		began := time.Now()
		for range 4 {
			_, err := l.Step(nil, 0.1)
			must(t, err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("four steps of 250ms took %v", took)
		}
	})
}

func TestJudgeSpeaks(t *testing.T) {
	j, err := Engine().Judge(worker.Device{}, small("toy:0s"))
	must(t, err)
	var said []int32
	must(t, j.Generate(t.Context(), nil, []int32{1, 2, 3}, 100, eval.Sampling{}, func(x int32) bool { said = append(said, x); return len(said) < 5 }))
	if !slices.Equal(said, []int32{1, 2, 3, 1, 2}) {
		t.Errorf("it said %v", said)
	}
	if err := j.Generate(t.Context(), nil, nil, 1, eval.Sampling{}, func(int32) bool { return true }); err == nil {
		t.Error("it speaks without a prompt")
	}
	if _, err := j.Loss(make([]float32, 3), nil); err == nil {
		t.Error("it measures a short θ")
	}
	bad := make([]float32, small("").Model.Layout().Params())
	bad[0] = float32(math.NaN())
	if loss, err := j.Loss(bad, nil); err != nil || !math.IsNaN(loss) {
		t.Errorf("a θ that is not finite has a loss of %v, %v", loss, err)
	}
}

// Or leaves every other backend to the engine that it is given.
func TestOr(t *testing.T) {
	other := errors.New("the other one")
	e := Or(worker.Engine{
		Open:    func(string) (worker.Device, error) { return worker.Device{}, other },
		Learner: func(worker.Device, worker.Spec) (worker.Learner, error) { return nil, other },
		Judge:   func(worker.Device, worker.Spec) (worker.Judge, error) { return nil, other },
	})
	for backend, want := range map[string]error{"toy:1ms": nil, "": other, "xla:cpu": other} {
		_, opened := e.Open(backend)
		_, learner := e.Learner(worker.Device{}, small(backend))
		_, judge := e.Judge(worker.Device{}, small(backend))
		for _, err := range []error{opened, learner, judge} {
			if !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", backend, err, want)
			}
		}
	}
}

// A step of a large model costs as much as one of a small one.
func BenchmarkStep25M(b *testing.B) {
	l := newLearner(25_000_000, 0)
	for i := range b.N {
		if _, err := l.Step([]int32{int32(i)}, 1e-3); err != nil {
			b.Fatal(err)
		}
	}
}
