package adam

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

var usual = AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1, ClipNorm: 1}

// Four steps of torch.optim.AdamW on given gradients.
func TestApplyMatchesTorch(t *testing.T) {
	raw, err := os.ReadFile("../testdata/adamw.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Init  string
		Steps []struct{ Grad, Params string }
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	theta := floats(t, want.Init)
	m, v := make([]float32, len(theta)), make([]float32, len(theta))
	var worst float64
	for i, step := range want.Steps {
		usual.Apply(theta, m, v, floats(t, step.Grad), 3e-3, int64(i+1), true)
		for j, w := range floats(t, step.Params) {
			worst = max(worst, math.Abs(float64(theta[j])-float64(w)))
		}
	}
	t.Logf("largest difference %.2g", worst)
	if !(worst <= 1e-6) {
		t.Errorf("parameters differ by up to %g, want at most 1e-6", worst)
	}
}

// The same bits on every processor, and however the tensor is split.
func TestApplyBits(t *testing.T) {
	const n = 3*span + 12345
	run := func(parts int) (theta, m, v []float32) {
		theta, m, v = noise(n, 1), make([]float32, n), make([]float32, n)
		for step := int64(1); step <= 3; step++ {
			grad := noise(n, uint64(step+1))
			for i := range parts {
				from, to := n/parts*i, n/parts*(i+1)
				if i == parts-1 {
					to = n
				}
				usual.Apply(theta[from:to], m[from:to], v[from:to], grad[from:to], 2e-3, step*1000, step > 1)
			}
		}
		return theta, m, v
	}
	theta, m, v := run(1)
	theta2, m2, v2 := run(7)
	if !slices.Equal(theta, theta2) || !slices.Equal(m, m2) || !slices.Equal(v, v2) {
		t.Error("parts give other bits than the whole")
	}
	for name, got := range map[string]struct {
		sum, want uint64
	}{"θ": {sum(theta), 0x782575201ad4aaf4}, "m": {sum(m), 0x92c09ea7671d8788}, "v": {sum(v), 0xd0f41f42f643b8d2}} {
		if got.sum != got.want {
			t.Errorf("%s has the sum %#x, want %#x", name, got.sum, got.want)
		}
	}
}

func TestApplyWithoutDecay(t *testing.T) {
	theta, grad := []float32{3, -2}, make([]float32, 2)
	usual.Apply(theta, make([]float32, 2), make([]float32, 2), grad, .5, 1, false)
	if theta[0] != 3 || theta[1] != -2 {
		t.Errorf("a zero gradient moved an undecayed tensor to %v", theta)
	}
	usual.Apply(theta, make([]float32, 2), make([]float32, 2), grad, .5, 1, true)
	if theta[0] != 3*float32(1-.5*.1) {
		t.Errorf("decayed to %v", theta)
	}
}

func TestPower(t *testing.T) {
	for _, b := range []float64{0, .5, .9, .95, .999, 1 - 1e-9} {
		for _, n := range []int64{0, 1, 2, 3, 10, 1000, 123_457, 1 << 40} {
			want := math.Pow(b, float64(n))
			if got := power(b, n); !(math.Abs(got-want) <= 2e-16*float64(n)*want) {
				t.Errorf("%v^%d is %v, want %v", b, n, got, want)
			}
		}
	}
	if got, want := math.Float64bits(power(.999, 12345)), uint64(0x3ed22391fb9458b0); got != want {
		t.Errorf("0.999^12345 has the bits %#x, want %#x", got, want)
	}
}

func TestValidate(t *testing.T) {
	if err := usual.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*AdamW){
		"beta1":  func(a *AdamW) { a.Beta1 = 1 },
		"beta2":  func(a *AdamW) { a.Beta2 = math.NaN() },
		"eps":    func(a *AdamW) { a.Eps = 0 },
		"decay":  func(a *AdamW) { a.WeightDecay = -1 },
		"clip":   func(a *AdamW) { a.ClipNorm = math.Inf(1) },
		"negate": func(a *AdamW) { a.Beta1 = -.1 },
	} {
		bad := usual
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: %+v is valid", name, bad)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	const n = 25_000_000
	theta, m, v, grad := noise(n, 1), make([]float32, n), make([]float32, n), noise(n, 2)
	b.SetBytes(4 * n)
	b.ReportAllocs()
	for b.Loop() {
		usual.Apply(theta, m, v, grad, 1e-6, 10, true)
	}
}

// noise is n numbers between −1 and 1 that follow from the seed, some of them zero.
func noise(n int, seed uint64) []float32 {
	x := make([]float32, n)
	z := seed * 0x9e3779b97f4a7c15
	for i := range x {
		z = z*6364136223846793005 + 1442695040888963407
		if z>>60 != 0 {
			x[i] = float32(int32(z>>32)) / (1 << 31)
		}
	}
	return x
}

// sum changes with any bit of x.
func sum(x []float32) (s uint64) {
	for _, f := range x {
		s = s*0x100000001b3 ^ uint64(math.Float32bits(f))
	}
	return s
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
