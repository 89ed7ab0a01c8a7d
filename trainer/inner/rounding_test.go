package inner

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

func widened(short []bfloat16.BFloat16) []float32 {
	out := make([]float32, len(short))
	for i, x := range short {
		out[i] = math.Float32frombits(uint32(x) << 16)
	}
	return out
}

// TestRoundingOnDevice rounds a vector on the device and here, with the same bits.
func TestRoundingOnDevice(t *testing.T) {
	values := make([]float32, 3000)
	for i := range values {
		values[i] = float32(math.Sin(float64(i))) * float32(math.Exp(float64(i%80-40)))
	}
	values[7], values[8] = float32(math.Inf(-1)), 0
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{rounded(in[0], draws(in[0], keyOf(in[1], 1))[0])}
		})
		if err != nil {
			t.Fatal(err)
		}
		k := key{0xfedcba98, 0x12345678}
		out, err := exec.Call(tensors.FromFlatDataAndDimensions(values, 50, 60), tensors.FromFlatDataAndDimensions([]uint32{1, 2, k[0], k[1]}, 2, 2))
		if err != nil {
			t.Fatal(err)
		}
		want := make([]bfloat16.BFloat16, len(values))
		k.round(want, values)
		if got := tensors.MustCopyFlatData[bfloat16.BFloat16](out[0]); !slices.Equal(got, want) {
			t.Error("rounded otherwise than on the host")
		}
	})
}

// TestRoundingIsFair: of many roundings, each to a neighbour, the mean is the value, for all three draws, and they have nothing to do with each other.
func TestRoundingIsFair(t *testing.T) {
	const n = 1 << 16
	sums, products := [3]float64{}, [3]float64{}
	k := (&replica{params: Params{Seed: 3}}).key(forUpdate, 5, 2)
	for i := range uint32(n) {
		var d [3]float64
		a, b, c := k.noise(i)
		for j, x := range []uint32{a, b, c} {
			d[j] = float64(x)/(1<<16) - .5
			sums[j] += d[j]
		}
		for j := range d {
			products[j] += d[j] * d[(j+1)%3]
		}
	}
	for j := range sums {
		if mean := sums[j] / n; math.Abs(mean) > 4*math.Sqrt(1./12/n) {
			t.Errorf("draw %d is %.4f off in the mean", j, mean)
		}
		if r := 12 * products[j] / n; math.Abs(r) > 4/math.Sqrt(n) {
			t.Errorf("draws %d and %d correlate by %.4f", j, (j+1)%3, r)
		}
	}
	values, got := slices.Repeat([]float32{1.001}, n), make([]bfloat16.BFloat16, n)
	k.round(got, values)
	var sum float64
	for _, x := range widened(got) {
		if x != 1 && x != 1.0078125 {
			t.Fatalf("1.001 became %g", x)
		}
		sum += float64(x)
	}
	if mean := sum / n; math.Abs(mean-1.001) > 5e-5 {
		t.Errorf("1.001 is %.5f in the mean", mean)
	}
}

// TestBF16 learns nearly what float32 does, reads back what it holds, and goes on from that bit for bit; another peer rounds otherwise.
func TestBF16(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		for _, kind := range []string{optimizer.AdamW, optimizer.Muon} {
			if kind == optimizer.AdamW && backend.Name() != backendtest.Go {
				continue // compiling takes seconds, and Muon has AdamW for the embedding
			}
			p := of(kind)
			p.Batch = 4
			want, _ := learned(t, open(t, backend, p))
			p.Optimizer.Precision, p.Remat = optimizer.BF16, true
			first := open(t, backend, p)
			loss, theta := learned(t, first)
			if math.Abs(float64(loss-want)) > .03*float64(want) {
				t.Errorf("%s: the loss is %.4f, in float32 %.4f", kind, loss, want)
			}
			m, v := make([]float32, len(theta)), make([]float32, len(theta))
			step, err := first.Read(nil, m, v)
			if err != nil {
				t.Fatal(err)
			}
			second := open(t, backend, p)
			if err := second.Load(theta, m, v, step); err != nil {
				t.Fatal(err)
			}
			_, a := learned(t, first)
			_, b := learned(t, second)
			if !slices.Equal(a, b) {
				t.Errorf("%s: it goes on otherwise from what was read, %.3g apart", kind, apart(a, b))
			}
			p.Seed = 1
			if _, other := learned(t, open(t, backend, p)); slices.Equal(other, theta) {
				t.Errorf("%s: two peers round alike", kind)
			}
			p.Micro, p.Remat = 2, false
			if parts, _ := learned(t, open(t, backend, p)); math.Abs(float64(parts-want)) > .03*float64(want) {
				t.Errorf("%s, in parts and whole: the loss is %.4f, in float32 %.4f", kind, parts, want)
			}
		}
	})
}

// TestSmallStepsAreNotLost adds to parameters of bfloat16 what is a hundredth of their spacing, and a thousand times.
func TestSmallStepsAreNotLost(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		p := tiny
		p.Optimizer.Precision = optimizer.BF16
		trainer := open(t, backend, p)
		n := p.Model.Layout().Params()
		theta, delta := slices.Repeat([]float32{1}, n), slices.Repeat([]float32{1. / 12800}, n)
		if err := trainer.Load(theta, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			if err := trainer.Add(delta); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := trainer.Read(theta, nil, nil); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, x := range theta {
			sum += float64(x)
		}
		if mean := sum / float64(n); math.Abs(mean-1-1000./12800) > 2e-3 {
			t.Errorf("1 and a thousand times 1/12800 are %.4f in the mean", mean)
		}
	})
}

// TestGradientBF16 gathers nearly the gradients that float32 has.
func TestGradientBF16(t *testing.T) {
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		take := func(precision string) []float32 {
			p := of(optimizer.None)
			p.Backend, p.Optimizer.Precision, p.Remat = backend, precision, precision == optimizer.BF16
			g, err := NewGradient(p)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if err := g.Load(model.Init(p.Model, [32]byte{1}), nil, nil, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Step(text(p), 0); err != nil {
				t.Fatal(err)
			}
			dst := make([]float32, len(g.sum))
			if _, err := g.Take(dst); err != nil {
				t.Fatal(err)
			}
			return dst
		}
		want, got := take(optimizer.Float32), take(optimizer.BF16)
		var dot, a, b float64
		for i := range want {
			dot, a, b = dot+float64(want[i]*got[i]), a+float64(want[i]*want[i]), b+float64(got[i]*got[i])
		}
		if c := dot / math.Sqrt(a*b); c < .999 {
			t.Errorf("gradients have a cosine of %.4f", c)
		}
	})
}
