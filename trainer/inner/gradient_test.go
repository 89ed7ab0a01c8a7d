package inner

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// openGradient makes a gradient with initial weights.
func openGradient(t testing.TB, backend compute.Backend, p Params) *Gradient {
	t.Helper()
	p.Backend = backend
	g, err := NewGradient(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	if err := g.Load(model.Init(p.Model, [32]byte{1}), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	return g
}

// batch is text, another for each k.
func batch(p Params, k int) []int32 {
	tokens := text(p)
	for i := range tokens {
		tokens[i] = (tokens[i] + int32(k*(i%5))) % int32(p.Model.Vocab)
	}
	return tokens
}

// AdamW on the host on the gradients that are taken is the compiled step of AdamW, on the pure-Go backend to the bit.
func TestGradientWithApplyIsAdamW(t *testing.T) {
	const (
		rate  = 1e-2
		steps = 8
	)
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		var worst float64
		compiled, gradient := open(t, backend, tiny), openGradient(t, backend, of(optimizer.None))
		layout := tiny.Model.Layout()
		n := layout.Params()
		vector := func() []float32 { return make([]float32, n) }
		theta, m, v, grad, was := model.Init(tiny.Model, [32]byte{1}), vector(), vector(), vector(), vector()
		for step := int64(1); step <= steps; step++ {
			tokens := batch(tiny, int(step))
			want, err := compiled.Step(tokens, rate)
			if err != nil {
				t.Fatal(err)
			}
			loss, err := gradient.Step(tokens, math.NaN()) // the rate is not used
			if err != nil {
				t.Fatal(err)
			}
			if taken, err := gradient.Take(grad); err != nil || taken != 1 {
				t.Fatalf("took %d steps, %v", taken, err)
			}
			copy(was, theta)
			for _, tensor := range layout {
				part := func(x []float32) []float32 { return x[tensor.Offset:][:tensor.Size] }
				tiny.Optimizer.Apply(part(theta), part(m), part(v), part(grad), rate, step, tensor.Decays())
			}
			theta2, m2, v2 := vector(), vector(), vector()
			if _, err := compiled.Read(theta2, m2, v2); err != nil {
				t.Fatal(err)
			}
			if backend.Name() == backendtest.Go {
				if loss != want {
					t.Errorf("step %d: the loss is %v, want %v", step, loss, want)
				}
				if !sameBits(theta, theta2) || !sameBits(m, m2) || !sameBits(v, v2) {
					t.Errorf("step %d: other bits than the compiled step", step)
				}
			}
			worst = max(worst, apart(theta, theta2))
			// θ moves by loading it anew, which a commit does by Add.
			if err := gradient.Load(theta, nil, nil, step); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("up to %.2g from the compiled step", worst)
		if slices.Equal(theta, was) || !(worst <= 1e-4) {
			t.Errorf("up to %g from the compiled step", worst)
		}
	})
}

// Take gives the mean over steps, once; θ stands still until Add.
func TestTake(t *testing.T) {
	p := of(optimizer.None)
	p.Optimizer.ClipNorm = 0
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		g := openGradient(t, backend, p)
		n := p.Model.Layout().Params()
		before := model.Init(p.Model, [32]byte{1})
		sum, grad := make([]float32, n), make([]float32, n)
		take := func(want int64) {
			t.Helper()
			if taken, err := g.Take(grad); err != nil || taken != want {
				t.Fatalf("took %d steps, %v, want %d", taken, err, want)
			}
		}
		step := func(k int) {
			t.Helper()
			if _, err := g.Step(batch(p, k), 1); err != nil {
				t.Fatal(err)
			}
		}
		for k := range 3 {
			step(k)
			take(1)
			for i, x := range grad {
				sum[i] += x
			}
		}
		for i := range sum {
			sum[i] /= 3
		}
		for k := range 3 {
			step(k)
		}
		take(3)
		if !sameBits(grad, sum) {
			t.Errorf("the mean of three is up to %g from the mean of each", apart(grad, sum))
		}
		if slices.Max(grad) == 0 {
			t.Error("no gradient")
		}
		take(0)
		if slices.Max(grad) != 0 || slices.Min(grad) != 0 {
			t.Error("a gradient of no step")
		}

		theta, m, v := make([]float32, n), slices.Clone(sum), slices.Clone(sum)
		if at, err := g.Read(theta, m, v); err != nil || at != 6 {
			t.Errorf("at step %d, %v, want 6", at, err)
		}
		if !slices.Equal(theta, before) {
			t.Error("θ moved")
		}
		if slices.Max(m) != 0 || slices.Max(v) != 0 {
			t.Error("it has moments")
		}
		if err := g.Add(sum); err != nil {
			t.Fatal(err)
		}
		for i, x := range sum {
			before[i] += x
		}
		if _, err := g.Read(theta, nil, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(theta, before) {
			t.Error("θ is not the sum")
		}

		step(0)
		if err := g.Load(theta, nil, nil, 9); err != nil {
			t.Fatal(err)
		}
		take(0)
		step(0)
		if at, err := g.Read(nil, nil, nil); err != nil || at != 10 {
			t.Errorf("at step %d, %v, want 10", at, err)
		}
		take(1)
	})
}

func TestGradientIsClipped(t *testing.T) {
	p := of(optimizer.None)
	p.Optimizer.ClipNorm = 1e-3
	g := openGradient(t, backendtest.Open(t, backendtest.Go), p)
	if _, err := g.Step(text(p), 0); err != nil {
		t.Fatal(err)
	}
	grad := make([]float32, p.Model.Layout().Params())
	if _, err := g.Take(grad); err != nil {
		t.Fatal(err)
	}
	if norm := math.Sqrt(dot(grad, grad)); math.Abs(norm-1e-3) > 1e-6 {
		t.Errorf("a norm of %g, want 1e-3", norm)
	}
}

// Parameters are replaced to the bit, and what was gathered before stays.
func TestGradientSet(t *testing.T) {
	p := of(optimizer.None)
	backend := backendtest.Open(t, backendtest.Go)
	g, other := openGradient(t, backend, p), openGradient(t, backend, p)
	n := p.Model.Layout().Params()
	theta, got, want, sum := model.Init(p.Model, [32]byte{9}), make([]float32, n), make([]float32, n), make([]float32, n)
	if _, err := g.Step(text(p), 0); err != nil {
		t.Fatal(err)
	}
	if err := g.Set(theta); err != nil {
		t.Fatal(err)
	}
	if step, err := g.Read(got, nil, nil); err != nil || step != 1 || !slices.Equal(got, theta) {
		t.Fatalf("after step %d, %v, it has other parameters than it was given", step, err)
	}
	if taken, err := g.Take(got); err != nil || taken != 1 {
		t.Fatalf("took %d steps, %v", taken, err)
	}
	if _, err := other.Step(text(p), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Take(want); err != nil || !slices.Equal(got, want) {
		t.Errorf("the gradient that was gathered before has changed (%v)", err)
	}
	if _, err := g.Step(text(p), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Take(sum); err != nil || slices.Equal(sum, want) {
		t.Errorf("the gradient at other parameters is the same (%v)", err)
	}
}

func TestGradientRefusesBadArguments(t *testing.T) {
	p := of(optimizer.None)
	g := openGradient(t, backendtest.Open(t, backendtest.Go), p)
	if _, err := g.Step(text(p), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Step(text(p)[1:], 0); err == nil {
		t.Error("a step on too few tokens")
	}
	if _, err := g.Take(make([]float32, 3)); err == nil {
		t.Error("took into a vector of the wrong size")
	}
	if taken, err := g.Take(make([]float32, p.Model.Layout().Params())); err != nil || taken != 1 {
		t.Errorf("took %d steps after refused arguments, %v, want 1", taken, err)
	}
	if err := g.Load(make([]float32, 3), nil, nil, 0); err == nil {
		t.Error("loaded a vector of the wrong size")
	}
	if _, err := g.Step(text(p), 0); err != nil {
		t.Errorf("a step after a vector was refused: %v", err)
	}
	g.drop()
	if _, err := g.Step(text(p), 0); !errors.Is(err, ErrLost) {
		t.Errorf("a step without parameters gives %v, want ErrLost", err)
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// apart is the largest difference.
func apart(a, b []float32) (worst float64) {
	for i, x := range a {
		worst = max(worst, math.Abs(float64(x)-float64(b[i])))
	}
	return worst
}
