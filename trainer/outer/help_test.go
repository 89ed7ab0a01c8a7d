package outer

import (
	"math"
	"testing"

	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
)

// noise is a stream of floats in ±2^-exponent made of integers alone, so equal on every CPU.
type noise uint64

func (s *noise) next(exponent int) float32 {
	*s = *s*6364136223846793005 + 1442695040888963407
	return float32(int32(*s>>32)) / float32(uint64(1)<<(31+exponent))
}

func (s *noise) vector(n, exponent int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = s.next(exponent)
	}
	return v
}

// tensors are those of a small decoder: an embedding, three blocks of two matrices and a norm, and a last norm.
func tensors() []Tensor {
	ts := []Tensor{{Shape: []int{40, 96}, Layer: -1}}
	for l := range 3 {
		ts = append(ts, Tensor{[]int{96, 70}, l}, Tensor{[]int{70, 96}, l}, Tensor{[]int{96}, l})
	}
	return append(ts, Tensor{Shape: []int{96}, Layer: -1})
}

func size(ts []Tensor) (n int) {
	for _, t := range ts {
		n += t.size()
	}
	return n
}

// params are those of a method with its defaults, changed.
func params(t testing.TB, name string, change func(*Settings)) Params {
	t.Helper()
	s, err := Defaults(name)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&s)
	}
	return Params{
		Tensors: tensors(), Settings: s,
		Optimizer: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1},
		Schedule:  schedule.Schedule{Kind: schedule.Cosine, LR: 1e-3, LRFloor: .1, WarmupTokens: 100, TotalTokens: 100_000},
	}
}

func method(t testing.TB, name string, change func(*Settings)) Method {
	t.Helper()
	m, err := New(params(t, name, change))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// variant is a method with settings that go another way through the code.
type variant struct {
	name, method string
	change       func(*Settings)
}

func variants() []variant {
	return []variant{
		{"bitloco", Bitloco, nil},
		{"bitloco, 2 bits", Bitloco, func(s *Settings) { s.Bits = 2 }},
		{"bitloco, momentum", Bitloco, func(s *Settings) { s.Momentum, s.OuterLR = .5, .8 }},
		{"bitloco, apart", Bitloco, func(s *Settings) { s.Norms, s.Embedding = "int8", "fp4" }},
		{"sparseloco, apart", SparseLoCo, func(s *Settings) { s.Norms = "fp16" }},
		{"bitloco, buffer", Bitloco, func(s *Settings) { s.Residual = ResidualBuffer }},
		{"sparseloco", SparseLoCo, nil},
		{"sparseloco, in the model", SparseLoCo, func(s *Settings) { s.Residual = ResidualModel }},
		{"distro", DisTrO, nil},
		{"distro, fp16", DisTrO, func(s *Settings) { s.Values = "fp16" }},
		{"diloco", DiLoCo, nil},
		{"diloco, fp16", DiLoCo, func(s *Settings) { s.Values = "fp16" }},
		{"diloco, int8", DiLoCo, func(s *Settings) { s.Values = "int8" }},
		{"diloco, fp4", DiLoCo, func(s *Settings) { s.Values = "fp4" }},
		{"streaming", Streaming, nil},
		{"fedavg", FedAvg, nil},
		{"allreduce", AllReduce, nil},
	}
}

// each runs a test for every variant.
func each(t *testing.T, test func(t *testing.T, m Method)) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) { test(t, method(t, v.method, v.change)) })
	}
}

// state is a shared state: θ, and what the method keeps beside it, which AdamW's second moment needs to be positive.
func state(m Method, s *noise) []float32 {
	n := size(tensors())
	v := s.vector(m.State(), 4)
	for i := range v[n:] {
		v[n+i] = float32(math.Abs(float64(v[n+i]))) / 256
	}
	return v
}

// grown is θ with what a method keeps beside it, at the beginning.
func grown(m Method, theta []float32) []float32 {
	v := make([]float32, m.State())
	copy(v, theta)
	return v
}

func equalBits(t interface{ Fatalf(string, ...any) }, got, want []float32) {
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("parameter %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// off is how far two vectors are apart at most.
func off(a, b []float32) (most float64) {
	for i := range a {
		most = max(most, math.Abs(float64(a[i])-float64(b[i])))
	}
	return most
}
