package inner

import (
	"errors"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// Load replaces parameters, moments and step count. m and v nil stand for zeros.
func (t *Trainer) Load(theta, m, v []float32, step int64) error {
	if step < 0 {
		return fmt.Errorf("inner: step is %d, want 0 or more", step)
	}
	n := t.layout.Params()
	if m == nil {
		m = make([]float32, n)
	}
	if v == nil {
		v = make([]float32, n)
	}
	t.drop()
	state := make([]*tensors.Tensor, 0, 3*len(t.layout))
	for _, flat := range [][]float32{theta, m, v} {
		uploaded, err := t.layout.Upload(t.params.Backend, flat)
		if err != nil {
			return errors.Join(err, model.Free(state))
		}
		state = append(state, uploaded...)
	}
	t.state, t.steps = state, step
	return nil
}

// Read copies parameters, moments and the count of steps done; any of the three may be nil.
func (t *Trainer) Read(theta, m, v []float32) (step int64, err error) {
	if t.state == nil {
		return 0, ErrLost
	}
	n := len(t.layout)
	for k, flat := range [][]float32{theta, m, v} {
		if flat == nil {
			continue
		}
		if want := t.layout.Params(); len(flat) != want {
			return 0, fmt.Errorf("inner: a vector of %d values, want %d", len(flat), want)
		}
		for i, tensor := range t.layout {
			buffer, err := t.state[k*n+i].Buffer(t.params.Backend, model.Device)
			if err != nil {
				return 0, fmt.Errorf("inner: reading %s: %w", tensor.Name, err)
			}
			if err := buffer.ToFlatData(flat[tensor.Offset:][:tensor.Size]); err != nil {
				return 0, fmt.Errorf("inner: reading %s: %w", tensor.Name, err)
			}
		}
	}
	return t.steps, nil
}

// Add adds a vector to the parameters, between two steps; moments stay. After an error see Step.
func (t *Trainer) Add(delta []float32) error {
	if t.state == nil {
		return ErrLost
	}
	uploaded, err := t.layout.Upload(t.params.Backend, delta)
	if err != nil {
		return err
	}
	n := len(t.layout)
	out, err := t.run(t.add, append(t.state[:n:n], uploaded...))
	if err != nil {
		return fmt.Errorf("inner: adding a delta: %w", err)
	}
	copy(t.state, out)
	return nil
}

func (t *Trainer) drop() {
	// Nothing can be done about a buffer that does not free.
	_ = model.Free(t.state)
	t.state = nil
}
