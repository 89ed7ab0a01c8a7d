package codec

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/murmurnet/murmur/trainer/codec/pack"
)

// words are base64 of little-endian float32s or int32s.
type words []uint32

func (w *words) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	for ; len(raw) >= 4; raw = raw[4:] {
		*w = append(*w, binary.LittleEndian.Uint32(raw))
	}
	return err
}

// flat joins tensors to one vector of floats.
func flat(tensors []words) (v []float32) {
	for _, t := range tensors {
		for _, b := range t {
			v = append(v, math.Float32frombits(b))
		}
	}
	return v
}

// The DeMo authors' optimizer: two peers, three steps.
type demo struct {
	Shapes [][]int
	Config struct {
		LR     float64 `json:"lr"`
		Decay  float64 `json:"compression_decay"`
		Keep   int     `json:"compression_topk"`
		Weight float64 `json:"weight_decay"`
	}
	Init   []words
	Params [][]words // after each step, the same on both
	Peers  [][]struct {
		Grads, Delta []words
		Sent         []struct{ Idx, Val words }
	}
}

func readDemo(t *testing.T) (d demo, c Cover) {
	raw, err := os.ReadFile("testdata/demo.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	for _, shape := range d.Shapes {
		r := Range{From: c.Total, To: c.Total + shape[0]}
		if len(shape) == 2 {
			r.To, r.Cols = c.Total+shape[0]*shape[1], shape[1]
		}
		c.Total = r.To
		c.Ranges = append(c.Ranges, r)
	}
	return d, c
}

// The same coefficients are sent, values are within 1e-5 of themselves, residuals (of the order of the rate) within 1e-5
// of the rate, and parameters within 1e-6. No sum here is so near to 0 that its sign hangs on rounding.
func TestCosineIsDeMo(t *testing.T) {
	d, cover := readDemo(t)
	codec, err := NewCosine(cover, d.Config.Keep, CosineFP32)
	if err != nil {
		t.Fatal(err)
	}
	rate, decay := float32(d.Config.LR), float32(1-d.Config.LR*d.Config.Weight)
	params := flat(d.Init)
	deltas := [][]float32{make([]float32, cover.Total), make([]float32, cover.Total)}
	for step := range d.Params {
		var terms []Term
		for p, peer := range d.Peers {
			delta, grad := deltas[p], flat(peer[step].Grads)
			for i := range delta {
				delta[i] = float32(float32(d.Config.Decay)*delta[i]) + float32(rate*grad[i])
			}
			payload, err := codec.Encode(nil, delta, nil)
			if err != nil || codec.Check(payload) != nil {
				t.Fatal(err, codec.Check(payload))
			}
			var idx, val words
			for _, s := range peer[step].Sent {
				idx, val = append(idx, s.Idx...), append(val, s.Val...)
			}
			sameCoefficients(t, codec, payload, idx, val)
			terms = append(terms, Term{payload, .5})
			if err := codec.Subtract(delta, delta, []Term{{payload, 1}}, nil); err != nil {
				t.Fatal(err)
			}
			if want := flat(peer[step].Delta); len(want) > 0 {
				for i := range want {
					if off := math.Abs(float64(delta[i] - want[i])); off > 1e-5*float64(rate) {
						t.Fatalf("step %d, peer %d: residual %d is %g, want %g", step, p, i, delta[i], want[i])
					}
				}
			}
		}
		if err := codec.Step(params, params, terms, nil, rate, decay, true); err != nil {
			t.Fatal(err)
		}
		for i, want := range flat(d.Params[step]) {
			if off := math.Abs(float64(params[i] - want)); off > 1e-6 {
				t.Fatalf("step %d: parameter %d is %g, want %g", step, i, params[i], want)
			}
		}
	}
}

// sameCoefficients compares what a payload holds with rows of d.Config.Keep indices, in any order, and values.
func sameCoefficients(t *testing.T, c *Cosine, payload []byte, idx, val words) {
	from := c.from(payload)
	c.split = 1
	c.each([]Term{{Payload: payload}}, func() func([]pack.Reader, int) {
		return func(readers []pack.Reader, u int) {
			from.read(&readers[0], &c.blocks[u])
			for i, at := range from.at {
				k := slices.Index(idx[c.blocks[u].first:][:len(from.at)], uint32(at))
				if k < 0 {
					t.Fatalf("block %d: coefficient %d is not sent by the reference", u, at)
				}
				want := math.Float32frombits(val[c.blocks[u].first+k])
				if off := math.Abs(from.values[i] - float64(want)); off > 1e-5*math.Abs(float64(want)) {
					t.Fatalf("block %d: coefficient %d is %g, want %g", u, at, from.values[i], want)
				}
			}
		}
	})
}
