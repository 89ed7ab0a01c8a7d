package model

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Device is where graphs of this package run: the backend's first.
const Device = compute.DeviceNum(0)

// Upload copies a flat vector to the device, one tensor for each of the layout. The caller frees them.
func (l Layout) Upload(backend compute.Backend, theta []float32) ([]*tensors.Tensor, error) {
	if len(theta) != l.Params() {
		return nil, fmt.Errorf("model: a vector of %d values, want %d", len(theta), l.Params())
	}
	uploaded := make([]*tensors.Tensor, 0, len(l))
	for _, t := range l {
		tensor, err := t.Upload(backend, theta[t.Offset:][:t.Size])
		if err != nil {
			return nil, errors.Join(err, Free(uploaded))
		}
		uploaded = append(uploaded, tensor)
	}
	return uploaded, nil
}

// Upload copies the tensor's values to the device. The caller frees it.
func (t Tensor) Upload(backend compute.Backend, values []float32) (*tensors.Tensor, error) {
	buffer, err := backend.BufferFromFlatData(Device, values, shapes.Make(dtypes.Float32, t.Shape...))
	if err != nil {
		return nil, fmt.Errorf("model: %s to the device: %w", t.Name, err)
	}
	return tensors.FromBuffer(buffer)
}

// Free releases tensors; those already given away are left alone.
func Free(ts []*tensors.Tensor) error {
	var errs []error
	for _, t := range ts {
		if t.Ok() {
			errs = append(errs, t.FinalizeAll())
		}
	}
	return errors.Join(errs...)
}
