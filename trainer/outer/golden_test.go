package outer

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// DiLoCo's outer step is torch.optim.SGD with Nesterov's momentum, which takes the mean update for its gradient.
func TestNesterovIsTorchs(t *testing.T) {
	raw, err := os.ReadFile("testdata/nesterov.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Shape    []int
		Nesterov struct {
			Init  string
			Steps []struct{ Grad, Params string }
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	p := params(t, DiLoCo, nil)
	p.Tensors = []Tensor{{Shape: golden.Shape, Layer: 0}}
	m, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	theta := floats(t, golden.Nesterov.Init)
	head := grown(m, theta)
	if len(golden.Nesterov.Steps) == 0 {
		t.Fatal("no steps to compare")
	}
	for i, step := range golden.Nesterov.Steps {
		head = commit(t, m, head, Round{Height: uint64(i + 1)}, floats(t, step.Grad))
		if far := off(head[:len(theta)], floats(t, step.Params)); far > 1e-6 {
			t.Errorf("step %d: parameters differ by %g", i, far)
		}
	}
}

func floats(t *testing.T, encoded string) []float32 {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}
