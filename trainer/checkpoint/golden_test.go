package checkpoint

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

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
	"github.com/murmurnet/murmur/trainer/model"
)

// expected is what Hugging Face's LlamaForCausalLM gives for testdata/model.safetensors.
type expected struct {
	Inputs, Targets [][]int32
	Logits          string // base64 of little-endian float32 [2, 32, 256]
	Loss            float64
	GradL2          map[string]float64 `json:"grad_l2"`
}

func loadGolden(t *testing.T) (model.Config, []float32, expected) {
	t.Helper()
	checked, err := Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	theta, err := checked.Theta()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var want expected
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	return checked.Config, theta, want
}

func TestGolden(t *testing.T) {
	c, theta, want := loadGolden(t)
	layout := c.Layout()
	rawLogits, err := base64.StdEncoding.DecodeString(want.Logits)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			params := in[:len(layout)]
			logits := model.Logits(c, model.Compute{}, params, in[len(layout)])
			loss := model.Loss(logits, in[len(layout)+1])
			return append([]*graph.Node{logits, loss}, graph.Gradient(loss, params...)...)
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Call(append(args(t, backend, layout, theta),
			tensors.FromValue(want.Inputs), tensors.FromValue(want.Targets))...)
		if err != nil {
			t.Fatal(err)
		}

		var worst float64
		logits := tensors.MustCopyFlatData[float32](out[0])
		if len(rawLogits) != 4*len(logits) {
			t.Fatalf("%d logits, want %d", len(logits), len(rawLogits)/4)
		}
		for i, got := range logits {
			w := math.Float32frombits(binary.LittleEndian.Uint32(rawLogits[4*i:]))
			worst = max(worst, math.Abs(float64(got)-float64(w)))
		}
		if !(worst <= 1e-4) {
			t.Errorf("logits differ by up to %g, want at most 1e-4", worst)
		}
		loss := float64(tensors.ToScalar[float32](out[1]))
		if !(math.Abs(loss-want.Loss) <= 1e-5) {
			t.Errorf("loss %.8f, want %.8f within 1e-5", loss, want.Loss)
		}
		var worstNorm float64
		for i, tensor := range layout {
			var sum float64
			for _, g := range tensors.MustCopyFlatData[float32](out[2+i]) {
				sum += float64(g) * float64(g)
			}
			off := math.Abs(math.Sqrt(sum)/want.GradL2[tensor.Name] - 1)
			worstNorm = max(worstNorm, off)
			if !(off <= 1e-3) {
				t.Errorf("gradient norm of %s is %g, want %g within 0.1 %%", tensor.Name, math.Sqrt(sum), want.GradL2[tensor.Name])
			}
		}
		t.Logf("largest differences: logits %.2g, loss %.2g, gradient norms %.2g (relative)", worst, math.Abs(loss-want.Loss), worstNorm)
	})
}

// args uploads theta as the first arguments of an Exec call.
func args(t *testing.T, backend compute.Backend, layout model.Layout, theta []float32) []any {
	t.Helper()
	params, err := layout.Upload(backend, theta)
	if err != nil {
		t.Fatal(err)
	}
	args := make([]any, len(params))
	for i, p := range params {
		args[i] = p
	}
	return args
}
