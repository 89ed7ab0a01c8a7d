package outer

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
)

// allreduce steps AdamW on the mean of the nodes' gradients. The shared state is θ and AdamW's moments m and v.
type allreduce struct {
	settings Settings
	tensors  []Tensor
	total    int
	values   *codec.Values
	adam     adam.AdamW
	schedule schedule.Schedule
	means    sync.Pool // of *[]float32: a gradient has no place in the state
}

func newAllReduce(p Params) (Method, error) {
	c := p.cover(all)
	v, err := codec.NewValues(c, DefaultChunk, codec.FP32)
	if err != nil {
		return nil, err
	}
	a := &allreduce{settings: p.Settings, tensors: p.Tensors, total: c.Total, values: v, adam: p.Optimizer, schedule: p.Schedule}
	a.means.New = func() any { g := make([]float32, c.Total); return &g }
	return a, nil
}

func (a *allreduce) Learning() Learning {
	return Learning{Gradients: true, Residual: Nowhere, Waits: true}
}

func (a *allreduce) State() int { return 3*a.total + a.values.Chunks() }

func (a *allreduce) MaxPayload() int { return a.values.Max() }

// maxGradient bounds the norm of a gradient: AdamW squares it, which has to stay finite in float32.
const maxGradient = 1e15

func (a *allreduce) Encode(dst []byte, _ Round, head, local []float32) ([]byte, error) {
	payload, err := a.values.Encode(dst, head, local)
	if err == nil && a.values.Norm(payload) > maxGradient {
		return nil, fmt.Errorf("%w: a gradient of more than %g", codec.ErrDiverged, maxGradient)
	}
	return payload, err
}

func (a *allreduce) Check(_ uint64, payload []byte) error {
	norm, err := a.values.CheckedNorm(payload)
	if err != nil {
		return err
	}
	if norm > maxGradient {
		return fmt.Errorf("%w: a gradient of %g, at most %g", codec.ErrPayload, norm, maxGradient)
	}
	return nil
}

func (a *allreduce) AddDecoded(dst []float32, height uint64, payload []byte, weight float32) error {
	if err := a.Check(height, payload); err != nil {
		return err
	}
	return addDecoded(a.values, dst, payload, weight)
}

// bounded holds gradients to maxGradient by the lengths of their chunks, which the mean asks for anyway: to square all values once more takes a
// quarter of Apply. A length is rounded to float32, so it refuses none that Check passes.
func bounded(lengths [][]float32, updates int) error {
	for i := range updates {
		var square float64
		for _, chunk := range lengths {
			square += float64(chunk[i]) * float64(chunk[i])
		}
		if norm := math.Sqrt(square); !(norm <= maxGradient*(1+1e-6)) {
			return fmt.Errorf("apply update %d: %w: a gradient of %g, at most %g", i, codec.ErrPayload, norm, maxGradient)
		}
	}
	return nil
}

// Apply makes step number Height of AdamW: a commit is a step.
func (a *allreduce) Apply(dst, state []float32, r Round, updates []Update) error {
	n := a.total
	if err := sized("apply", a.State(), dst, state); err != nil {
		return err
	}
	ts, err := terms(a.values, updates, -1)
	if err != nil {
		return err
	}
	mean := a.means.Get().(*[]float32)
	defer a.means.Put(mean)
	g := *mean
	clear(g)
	past := slices.Clone(state[3*n:])
	lengths := make([][]float32, a.values.Chunks())
	most := a.settings.usual(past)
	if err := a.values.Subtract(g, g, ts, func(c int, scales []float32) float32 {
		lengths[c] = slices.Clone(scales)
		if most == nil {
			return slices.Max(scales)
		}
		return most(c, scales)
	}); err != nil {
		return err
	}
	if err := bounded(lengths, len(updates)); err != nil {
		return err
	}
	if &dst[0] != &state[0] {
		copy(dst, state)
	}
	copy(dst[3*n:], past)
	theta, m, v := dst[:n:n], dst[n:2*n:2*n], dst[2*n:3*n]
	rate, at := a.schedule.Rate(int64(r.Tokens)), 0
	for _, t := range a.tensors {
		end := at + t.size()
		a.adam.Apply(theta[at:end], m[at:end], v[at:end], g[at:end], rate, int64(r.Height), a.adam.DecayAll || len(t.Shape) > 1)
		at = end
	}
	return nil
}
