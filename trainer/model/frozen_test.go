package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

// weights are values between −1 and 1, a block of zeros among them.
func weights(n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		if i/nf4Block != 1 {
			w[i] = float32(math.Sin(float64(i*i%977))) / float32(1+i/nf4Block)
		}
	}
	return w
}

// TestForms: what the device makes of a packed matrix is each value rounded as the form says, on each backend.
func TestForms(t *testing.T) {
	shape := []int{6, 128}
	values := weights(6 * 128)
	backendtest.Each(t, func(t *testing.T, backend compute.Backend) {
		for f, far := range map[form]func(v, most float32) float32{
			BaseFloat32: func(float32, float32) float32 { return 0 },
			BaseBF16:    func(v, _ float32) float32 { return float32(math.Abs(float64(v))) / 256 },
			BaseInt8:    func(_, most float32) float32 { return most / 254 * 1.0001 },
			BaseNF4:     func(_, most float32) float32 { return most * (1 - .6961928) / 2 * 1.0001 }, // half the widest step
		} {
			var args []any
			for _, a := range f.pack(values, shape) {
				buffer, err := backend.BufferFromFlatData(Device, a.values, a.shape)
				if err != nil {
					t.Fatal(err)
				}
				tensor, err := tensors.FromBuffer(buffer)
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, tensor)
			}
			exec, err := graph.NewExec(backend, func(in []*graph.Node) *graph.Node {
				w, rest := f.unpack(shape, in)
				if len(rest) != 0 {
					t.Errorf("%s leaves %d nodes", f, len(rest))
				}
				return widened(w)
			})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call(args...)
			if err != nil {
				t.Fatal(err)
			}
			group := nf4Block
			if f == BaseInt8 {
				group = shape[1]
			}
			for i, got := range tensors.MustCopyFlatData[float32](out[0]) {
				from := i / group * group
				most := largest(values[from : from+group])
				if off := float32(math.Abs(float64(got - values[i]))); off > far(values[i], most) {
					t.Fatalf("%s: value %d of %g is %g", f, i, values[i], got)
				}
			}
		}
	})
}

// TestNF4Codes: levels keep their codes, as in bitsandbytes' tables, and what lies between goes to the nearer.
func TestNF4Codes(t *testing.T) {
	values := make([]float32, nf4Block)
	for i := range values {
		values[i] = nf4[i%16] * 3
	}
	codes, scales := packNF4(values)
	if scales[0] != 3 {
		t.Errorf("the scale is %g, want 3", scales[0])
	}
	for i := range values {
		code := codes[i%32] >> (4 * (i / 32)) & 15
		if int(code) != i%16 {
			t.Errorf("level %d has the code %d", i%16, code)
		}
	}
	values[5] = 3 * (nf4[8] + .01)
	if codes, _ := packNF4(values); codes[5]&15 != 8 {
		t.Errorf("just above level 8 is %d", codes[5]&15)
	}
}

func adapting(c Config, a Adapter) Config {
	c.Adapter = &a
	return c
}

func TestAdapterLayout(t *testing.T) {
	a := Adapter{Rank: 3, Alpha: 6, Train: TrainBoth, Base: BaseFloat32}
	c := adapting(small(), a)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	layout := c.Layout()
	if len(layout) != 2*7*2 || layout[1].Name != "model.layers.0.self_attn.q_proj.lora_B.weight" || !slices.Equal(layout[1].Shape, []int{32, 3}) {
		t.Errorf("A and B of seven layers in two blocks are %d tensors, the second %+v", len(layout), layout[1])
	}
	if from, to := c.Block(1); from != 14 || to != 28 || layout[from].Block != 1 {
		t.Errorf("block 1 has tensors %d to %d", from, to)
	}
	theta := Init(c, [32]byte{4})
	for _, x := range layout {
		zero := slices.Max(theta[x.Offset:][:x.Size]) == 0
		if zero != strings.Contains(x.Name, "lora_B") {
			t.Errorf("%s begins at zero: %v", x.Name, zero)
		}
	}
	a.Train, a.Targets = TrainB, []string{"q_proj", "down_proj"}
	c = adapting(small(), a)
	if len(c.Layout()) != 4 || len(c.Drawn()) != 4 || len(c.Pairs()) != 4 || c.Pairs()[1].A != "model.layers.0.mlp.down_proj.lora_A.weight" {
		t.Errorf("B alone of two layers: %d trained, %d drawn, %+v", len(c.Layout()), len(c.Drawn()), c.Pairs())
	}
	if s := (Adapter{Rank: 16, Alpha: 32, RSLoRA: true}).Scale(); s != 8 {
		t.Errorf("rslora's scale is %g, want 8", s)
	}
}

func TestAdapterRefusals(t *testing.T) {
	for want, change := range map[string]func(*Adapter){
		"adapter.rank = 0":                          func(a *Adapter) { a.Rank = 0 },
		"adapter.rank = 30 is more than q_proj of":  func(a *Adapter) { a.Rank = 30 },
		"adapter.alpha = 0":                         func(a *Adapter) { a.Alpha = 0 },
		"adapter.train = a is out of range":         func(a *Adapter) { a.Train = "a" },
		"adapter.base = int4 is out of range":       func(a *Adapter) { a.Base = "int4" },
		`adapter.targets has "qkv_proj", and`:       func(a *Adapter) { a.Targets = []string{"qkv_proj"} },
		`adapter.targets has "q_proj" twice`:        func(a *Adapter) { a.Targets = []string{"q_proj", "q_proj"} },
		"has an adapter in 1 of 2 blocks, want all": func(a *Adapter) { _ = a },
	} {
		a := Adapter{Rank: 4, Alpha: 8, Train: TrainB, Base: BaseNF4}
		change(&a)
		err := adapting(small(), a).Validate()
		if strings.HasPrefix(want, "has an adapter in") {
			err = a.Targeting(small(), []string{"layers.1.self_attn.q_proj"})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	a := Adapter{Rank: 4}
	if err := a.Targeting(small(), []string{"o_proj", "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"}); err != nil || !slices.Equal(a.Targets, []string{"q_proj", "o_proj"}) {
		t.Errorf("targets are %q, %v", a.Targets, err)
	}
	_, err := adapting(small(), Adapter{Rank: 4, Alpha: 8, Train: TrainB, Base: BaseNF4}).Freeze(backendtest.Open(t, backendtest.Go), [32]byte{}, func(Tensor, int, []float32) error { return errBase })
	if !errors.Is(err, errBase) {
		t.Errorf("a base that cannot be read: %v", err)
	}
}

var errBase = errors.New("no base")
