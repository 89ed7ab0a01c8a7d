package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
)

// The test binary is also the child, and the daemon that gets killed: roleEnv says which.
const (
	roleEnv = "MURMUR_WORKER_TEST_ROLE"
	// hangEnv is the step that never ends, panicEnv, failEnv and nanEnv the steps that do worse.
	hangEnv  = "MURMUR_WORKER_TEST_HANG"
	panicEnv = "MURMUR_WORKER_TEST_PANIC"
	failEnv  = "MURMUR_WORKER_TEST_FAIL"
	nanEnv   = "MURMUR_WORKER_TEST_NAN"
	// gateEnv names a file: no capture is done while it is there.
	gateEnv = "MURMUR_WORKER_TEST_GATE"
	// noiseEnv has the learner print to stdout.
	noiseEnv = "MURMUR_WORKER_TEST_NOISE"
	// exchangeEnv is where the daemon that gets killed puts its exchange file.
	exchangeEnv = "MURMUR_WORKER_TEST_EXCHANGE"
)

func TestMain(m *testing.M) {
	ctx := context.Background()
	open := func(string) (Device, error) { return fakeDevice, nil }
	var err error
	switch role := os.Getenv(roleEnv); role {
	case "":
		goleak.VerifyTestMain(m)
		return
	case "fake":
		err = Main(ctx, fakeEngine(open, envInt))
	case "gomlx":
		err = Main(ctx, GoMLX(func(string) (Device, error) {
			b, err := compute.NewWithConfig("go:parallelism=-1")
			return Device{Backend: b, Config: "go", Name: "pure Go"}, err
		}))
	case "no device":
		err = Main(ctx, fakeEngine(func(string) (Device, error) { return Device{}, errors.New("every backend refused") }, envInt))
	case "garbage":
		fmt.Println(`{"id":1,`)
		time.Sleep(time.Minute) // until it is killed
	case "stranger":
		fmt.Println(`{"id":99}`)
		time.Sleep(time.Minute)
	case "quits":
		fmt.Fprintln(os.Stderr, "cannot open libexample.so")
		os.Exit(3)
	case "panics":
		panic("the roof is on fire")
	case "daemon":
		err = doomedDaemon(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// doomedDaemon starts a child that hangs in its second step, says its pid, and waits to be killed.
func doomedDaemon(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := Start(ctx, Params{
		Command: []string{self}, Env: []string{roleEnv + "=fake", hangEnv + "=2"},
		Exchange: os.Getenv(exchangeEnv), Spec: tiny(), Log: silent(),
	})
	if err != nil {
		return err
	}
	if err := p.Load(ctx, 0, false); err != nil {
		return err
	}
	if err := p.Run(ctx, Run{Active: 1}); err != nil {
		return err
	}
	<-p.Progress()
	fmt.Println(p.Pid())
	<-p.Done()
	return p.Err()
}

var fakeDevice = Device{Config: "fake", Name: "a fake device", Refusals: []string{"xla:cuda: no such card"}}

func envInt(name string) int64 {
	n, _ := strconv.ParseInt(os.Getenv(name), 10, 64)
	return n
}

// fakeEngine learns without a model: a step adds 1 to every θ, 2 to m and 3 to v, exactly, and its loss is 1/step.
func fakeEngine(open func(string) (Device, error), setting func(string) int64) Engine {
	return Engine{
		Open: open,
		Learner: func(_ Device, s Spec) (Learner, error) {
			n := s.Model.Layout().Params()
			return &fakeLearner{setting: setting, state: [3][]float32{make([]float32, n), make([]float32, n), make([]float32, n)}}, nil
		},
		Judge: func(Device, Spec) (Judge, error) { return fakeJudge{}, nil },
	}
}

type fakeLearner struct {
	setting func(string) int64
	state   [3][]float32
	steps   int64
	stdout  *os.File
	step    func(tokens []int32, rate float64) // in-process tests look on
}

func (f *fakeLearner) Load(theta, m, v []float32, step int64) error {
	for i, from := range [][]float32{theta, m, v} {
		clear(f.state[i])
		copy(f.state[i], from)
	}
	f.steps = step
	return nil
}

func (f *fakeLearner) Step(tokens []int32, rate float64) (float32, error) {
	f.steps++
	switch f.steps {
	case f.setting(hangEnv):
		select {}
	case f.setting(panicEnv):
		panic("the roof is on fire")
	case f.setting(failEnv):
		return 0, errors.New("RESOURCE_EXHAUSTED: out of device memory")
	case f.setting(nanEnv):
		return float32(math.NaN()), nil
	}
	if f.setting(noiseEnv) != 0 {
		fmt.Println("a library says hello on stdout")
		if f.stdout == nil {
			f.stdout = os.NewFile(1, "what C calls stdout")
		}
		_, _ = f.stdout.WriteString("{\"and so does C\n")
	}
	if f.step != nil {
		f.step(tokens, rate)
	}
	for i, s := range f.state {
		for j := range s {
			s[j] += float32(i + 1)
		}
	}
	return 1 / float32(f.steps), nil
}

func (f *fakeLearner) Read(theta, m, v []float32) (int64, error) {
	for gate := os.Getenv(gateEnv); gate != ""; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(gate); err != nil {
			break
		}
	}
	for i, to := range [][]float32{theta, m, v} {
		copy(to, f.state[i])
	}
	return f.steps, nil
}

func (f *fakeLearner) Add(delta []float32) error {
	for i, d := range delta {
		f.state[0][i] += d
	}
	return nil
}

func (f *fakeLearner) Close() {}

// fakeJudge finds a loss equal to θ's first value, and continues a prompt by counting up from its last token.
type fakeJudge struct{}

func (fakeJudge) Loss(theta []float32, _ []int32) (float64, error) { return float64(theta[0]), nil }

func (fakeJudge) Generate(_ context.Context, _ []float32, prompt []int32, n int, s eval.Sampling, emit func(int32) bool) error {
	for i := range n {
		if !emit(prompt[len(prompt)-1] + int32(i) + 1) {
			return nil
		}
		time.Sleep(time.Duration(s.Temperature * float64(time.Millisecond))) // so that a text can take its time
	}
	return nil
}

func (fakeJudge) Close() {}

// tiny is the smallest model that makes sense: 24,736 parameters.
func tiny() Spec {
	return Spec{
		Model: model.Config{
			Vocab: 256, Dim: 32, Layers: 1, Heads: 2, KVHeads: 2, HeadDim: 16, FFN: 64, SeqLen: 16,
			RopeTheta: 10000, NormEps: 1e-5, Tied: true,
		},
		Optimizer: optimizer.Optimizer{Precision: optimizer.Float32, Kind: optimizer.AdamW, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, ClipNorm: 1}},
		Schedule:  schedule.Schedule{Kind: schedule.Cosine, LR: 1e-2, LRFloor: .1, WarmupTokens: 64, TotalTokens: 1 << 20, DecayFrom: .8},
		Batch:     4,
		Data:      DataOpticks,
		Heldout:   1024,
	}
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// params start the test binary in a role. env are further settings, name=value.
func params(t testing.TB, role string, env ...string) Params {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Params{
		Command: []string{self}, Env: append(env, roleEnv+"="+role),
		Exchange: filepath.Join(t.TempDir(), "exchange"), Spec: tiny(), Log: silent(),
	}
}

// start starts a child that is closed with the test.
func start(t testing.TB, p Params) *Process {
	t.Helper()
	proc, err := Start(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proc.Close(); err != nil {
			t.Errorf("closing the trainer: %v", err)
		}
	})
	return proc
}
