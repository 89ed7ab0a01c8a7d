package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/x448/float16" // that of GoMLX writes 0 for subnormal halves
)

// DType is how a tensor's values are stored, as safetensors names it.
type DType string

// The types that can be read and written.
const (
	F32  DType = "F32"
	BF16 DType = "BF16"
	F16  DType = "F16"
)

// size is the bytes of a value.
func (d DType) size() int {
	switch d {
	case F32:
		return 4
	case BF16, F16:
		return 2
	}
	return 0
}

// decode reads len(dst) values, which all types hold exactly in float32.
func (d DType) decode(dst []float32, src []byte) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = bfloat16.FromBits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
		}
	case F16:
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
		}
	}
}

// encode appends values, each rounded to the nearest, ties to even. A finite value beyond what the type has is an error.
func (d DType) encode(dst []byte, src []float32) ([]byte, error) {
	for _, v := range src {
		var back float32
		switch d {
		case F32:
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
			continue
		case BF16:
			b := bfloat16.FromFloat32(v)
			dst, back = binary.LittleEndian.AppendUint16(dst, b.Bits()), b.Float32()
		case F16:
			b := float16.Fromfloat32(v)
			dst, back = binary.LittleEndian.AppendUint16(dst, b.Bits()), b.Float32()
		}
		if math.IsInf(float64(back), 0) && !math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("the value %g is too large for %s", v, d)
		}
	}
	return dst, nil
}
