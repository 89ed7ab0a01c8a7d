package inner

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

// The update graph of the training step against torch.optim.AdamW: four steps on given gradients.
func TestAdamWMatchesTorch(t *testing.T) {
	var want struct {
		Shape []int
		Init  string
		Steps []struct{ Grad, Params string }
	}
	readJSON(t, "testdata/adamw.json", &want)
	opt := adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1}
	const rate = 3e-3

	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			p, m, v := adamw(opt, in[0], in[1], in[2], in[3], in[4], in[5], in[6])
			return []*graph.Node{p, m, v}
		})
		if err != nil {
			t.Fatal(err)
		}
		p := tensors.FromFlatDataAndDimensions(floats(t, want.Init), want.Shape...)
		m := tensors.FromFlatDataAndDimensions(make([]float32, p.Size()), want.Shape...)
		v := tensors.FromFlatDataAndDimensions(make([]float32, p.Size()), want.Shape...)
		var worst float64
		for i, step := range want.Steps {
			f := opt.Factors(rate, int64(i+1))
			grad := tensors.FromFlatDataAndDimensions(floats(t, step.Grad), want.Shape...)
			out, err := exec.Call(p, grad, m, v, f.Rate, f.Decay, f.Correction)
			if err != nil {
				t.Fatal(err)
			}
			p, m, v = out[0], out[1], out[2]
			got := tensors.MustCopyFlatData[float32](p)
			wanted := floats(t, step.Params)
			if len(wanted) != len(got) {
				t.Fatalf("%d parameters, want %d", len(got), len(wanted))
			}
			for j, w := range wanted {
				worst = max(worst, math.Abs(float64(got[j])-float64(w)))
			}
		}
		t.Logf("largest difference %.2g", worst)
		if !(worst <= 1e-6) {
			t.Errorf("parameters differ by up to %g, want at most 1e-6", worst)
		}
	})
}

func TestClip(t *testing.T) {
	for _, test := range []struct {
		name        string
		share, clip float64
		want        float32 // of sums {3, 0} and {4}: norm 5
	}{
		{"above the norm", 1, 10, 1},
		{"below the norm", 1, 1, .2},
		{"the mean of four is above the norm", .25, 2, 1},
		{"the mean of two is below the norm", .5, 2, .8},
	} {
		t.Run(test.name, func(t *testing.T) {
			exec, err := graph.NewExec(backendtest.Open(t, backendtest.Go), func(in []*graph.Node) []*graph.Node {
				return []*graph.Node{clip(in, test.share, test.clip)}
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call([]float32{3, 0}, []float32{4})
			if err != nil {
				t.Fatal(err)
			}
			if got := tensors.MustCopyFlatData[float32](out[0])[0]; math.Abs(float64(got-test.want)) > 1e-6 {
				t.Errorf("clipped by %v, want %v", got, test.want)
			}
		})
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// floats decodes base64 of little-endian float32.
func floats(t *testing.T, encoded string) []float32 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}
