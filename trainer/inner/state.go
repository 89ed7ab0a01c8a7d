package inner

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
)

// Load replaces parameters, moments and step count. m and v nil stand for zeros; moments that the optimizer does not
// have are not read.
func (r *replica) Load(theta, m, v []float32, step int64) error {
	if step < 0 {
		return fmt.Errorf("inner: step is %d, want 0 or more", step)
	}
	vectors := [][]float32{theta, m, v}
	for k, flat := range vectors {
		if want := r.layout.Params(); len(flat) != want && (k == 0 || flat != nil) {
			return fmt.Errorf("inner: a vector of %d values, want %d", len(flat), want)
		}
	}
	r.drop()
	largest := 0
	for _, t := range r.layout {
		largest = max(largest, t.Size)
	}
	zeros := make([]float32, largest)
	for k, flat := range vectors {
		r.state[k] = make([]*tensors.Tensor, len(r.layout))
		for i, t := range r.layout {
			if !r.holds(k, t) {
				continue
			}
			values := zeros[:t.Size]
			if flat != nil {
				values = flat[t.Offset:][:t.Size]
			}
			var err error
			if r.state[k][i], err = r.upload(t, values, r.key(forLoad+k, step, i)); err != nil {
				r.drop()
				return err
			}
		}
	}
	r.steps, r.sums = step, 0
	return nil
}

// upload copies a tensor to the device, rounded by a key where it is bfloat16 there.
func (r *replica) upload(t model.Tensor, values []float32, k key) (*tensors.Tensor, error) {
	if !r.short() {
		return t.Upload(r.params.Backend, values)
	}
	short := make([]bfloat16.BFloat16, len(values))
	k.round(short, values)
	buffer, err := r.params.Backend.BufferFromFlatData(model.Device, short, r.shapes(model.Layout{t})[0])
	if err != nil {
		return nil, fmt.Errorf("inner: %s to the device: %w", t.Name, err)
	}
	return tensors.FromBuffer(buffer)
}

// holds tells whether the device has a tensor of vector k of the state: all of θ has a gradient, and all that Muon does not train a second moment.
func (r *replica) holds(k int, t model.Tensor) bool {
	switch kind := r.params.Optimizer.Kind; {
	case k == 0:
		return true
	case kind == optimizer.None:
		return false
	}
	return k == 1 || !r.muon(t)
}

// muon tells whether Muon trains a tensor.
func (r *replica) muon(t model.Tensor) bool {
	return r.params.Optimizer.Kind == optimizer.Muon && hidden(t)
}

// Read copies parameters, moments and the count of steps done; any of the three may be nil. Moments that the optimizer
// does not have are zero.
func (r *replica) Read(theta, m, v []float32) (step int64, err error) {
	if r.state[0] == nil {
		return 0, ErrLost
	}
	for k, flat := range [][]float32{theta, m, v} {
		if flat == nil {
			continue
		}
		if want := r.layout.Params(); len(flat) != want {
			return 0, fmt.Errorf("inner: a vector of %d values, want %d", len(flat), want)
		}
		for i, t := range r.layout {
			part := flat[t.Offset:][:t.Size]
			if r.state[k][i] == nil {
				clear(part)
			} else if err := r.read(part, r.state[k][i]); err != nil {
				return 0, fmt.Errorf("inner: reading %s: %w", t.Name, err)
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
	if !r.short() {
		return buffer.ToFlatData(dst)
	}
	short := make([]bfloat16.BFloat16, len(dst))
	if err := buffer.ToFlatData(short); err != nil {
		return err
	}
	for i, x := range short {
		dst[i] = math.Float32frombits(uint32(x) << 16)
	}
	return nil
}

// Add adds a vector to the parameters, between two steps; moments stay. For errors see Step.
func (r *replica) Add(delta []float32) error {
	if r.state[0] == nil {
		return ErrLost
	}
	if want := r.layout.Params(); len(delta) != want {
		return fmt.Errorf("inner: a vector of %d values, want %d", len(delta), want)
	}
	more := make([]*tensors.Tensor, len(r.layout))
	r.sums++
	for k := range r.groups {
		g := &r.groups[k]
		var err error
		for _, i := range g.tensors {
			if err == nil {
				t := r.layout[i]
				more[i], err = t.Upload(r.params.Backend, delta[t.Offset:][:t.Size])
			}
		}
		if err == nil {
			err = r.sum(g, r.state[0], more)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%w: adding a delta: %w", r.lost(), err), model.Free(more))
		}
	}
	return nil
}

// lost drops the state after a program failed that it was given to.
func (r *replica) lost() error {
	r.drop()
	return ErrLost
}
