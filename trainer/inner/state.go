package inner

import (
	"errors"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// Load replaces parameters, moments and step count. m and v nil stand for zeros; moments that the optimizer does not
// have are not read.
func (r *replica) Load(theta, m, v []float32, step int64) error {
	if step < 0 {
		return fmt.Errorf("inner: step is %d, want 0 or more", step)
	}
	r.drop()
	var state []*tensors.Tensor
	for k, flat := range [][]float32{theta, m, v} {
		if len(r.regions[k]) == 0 {
			continue
		}
		if k > 0 && flat == nil {
			flat = make([]float32, r.layout.Params())
		}
		uploaded, err := r.regions[k].Upload(r.params.Backend, flat)
		if err != nil {
			return errors.Join(err, model.Free(state))
		}
		state = append(state, uploaded...)
	}
	r.state, r.steps = state, step
	return nil
}

// Read copies parameters, moments and the count of steps done; any of the three may be nil. Moments that the optimizer
// does not have are zero.
func (r *replica) Read(theta, m, v []float32) (step int64, err error) {
	if r.state == nil {
		return 0, ErrLost
	}
	state := r.state
	for k, flat := range [][]float32{theta, m, v} {
		kept := state[:len(r.regions[k])]
		state = state[len(kept):]
		if flat == nil {
			continue
		}
		if want := r.layout.Params(); len(flat) != want {
			return 0, fmt.Errorf("inner: a vector of %d values, want %d", len(flat), want)
		}
		if len(kept) < len(r.layout) {
			clear(flat)
		}
		for i, tensor := range r.regions[k] {
			if err := r.read(flat[tensor.Offset:][:tensor.Size], kept[i]); err != nil {
				return 0, fmt.Errorf("inner: reading %s: %w", tensor.Name, err)
			}
		}
	}
	return r.steps, nil
}

// read copies a tensor from the device.
func (r *replica) read(dst []float32, t *tensors.Tensor) error {
	buffer, err := t.Buffer(r.params.Backend, model.Device)
	if err != nil {
		return err
	}
	return buffer.ToFlatData(dst)
}

// Add adds a vector to the parameters, between two steps; moments stay. After an error see Step.
func (r *replica) Add(delta []float32) error {
	if r.state == nil {
		return ErrLost
	}
	uploaded, err := r.layout.Upload(r.params.Backend, delta)
	if err != nil {
		return err
	}
	n := len(r.layout)
	out, err := r.run(r.add, append(r.state[:n:n], uploaded...))
	if err != nil {
		return fmt.Errorf("inner: adding a delta: %w", err)
	}
	copy(r.state, out)
	return nil
}
