package outer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/murmurnet/murmur/trainer/codec"
)

const (
	denseSpan = 1 << 16 // parameters whose squares are summed together, whatever the number of CPUs
	denseMost = 1 << 64 // of a value: sums of 1024 of them stay finite in float32
)

// Dense sends every coordinate as a little-endian float32: z = d. It is the plain average that the methods which send
// less are measured against. It keeps no state and may be used from many goroutines.
type Dense struct{ n int }

var _ Method = (*Dense)(nil)

// NewDense prepares for vectors of p's layout.
func NewDense(p Params) (*Dense, error) {
	if p.Bits != 32 {
		return nil, fmt.Errorf("dense: %d bits a parameter: it is 32", p.Bits)
	}
	n := 0
	for _, size := range p.Sizes {
		n += size
	}
	if n < 1 {
		return nil, errors.New("dense: no parameters")
	}
	return &Dense{n: n}, nil
}

// PayloadSize is 4 bytes a parameter.
func (d *Dense) PayloadSize() int { return 4 * d.n }

// Encode returns the payload of head − local. It fails with codec.ErrDiverged where that is not finite or absurdly large.
func (d *Dense) Encode(dst []byte, head, local []float32) ([]byte, error) {
	if len(head) != d.n || len(local) != d.n {
		return nil, fmt.Errorf("encode: vectors of %d and %d parameters, want %d", len(head), len(local), d.n)
	}
	if cap(dst) < 4*d.n {
		dst = make([]byte, 4*d.n)
	}
	dst = dst[:4*d.n]
	err := d.each(func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			v := head[i] - local[i]
			if !bounded(v) {
				return fmt.Errorf("parameter %d: %w", i, codec.ErrDiverged)
			}
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
		return nil
	})
	return dst, err
}

// Check says whether bytes from a peer are a payload; an error is codec.ErrPayload.
func (d *Dense) Check(payload []byte) error {
	if len(payload) != 4*d.n {
		return fmt.Errorf("%w: %d bytes, want %d", codec.ErrPayload, len(payload), 4*d.n)
	}
	return d.each(func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			if !bounded(value(payload, i)) {
				return fmt.Errorf("%w: parameter %d is no finite number of a sane size", codec.ErrPayload, i)
			}
		}
		return nil
	})
}

// Apply sets dst to θ(C) as the package comment states it: the terms are subtracted one after the other, each rounded to
// float32 by itself. dst may be head, and is untouched after an error.
func (d *Dense) Apply(dst, head []float32, updates []Update) error {
	norms := make([]float64, len(updates))
	for i, u := range updates {
		if err := d.Check(u.Payload); err != nil {
			return fmt.Errorf("apply update %d: %w", i, err)
		}
		norms[i] = d.norm(u.Payload)
	}
	weights, err := weigh(updates, norms)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return d.subtract(dst, head, updates, weights)
}

// AddDecoded sets dst to dst + sign·z, with sign 1 or −1.
func (d *Dense) AddDecoded(dst []float32, payload []byte, sign float32) error {
	if sign != 1 && sign != -1 {
		return fmt.Errorf("add payload: sign %g is neither 1 nor -1", sign)
	}
	if err := d.Check(payload); err != nil {
		return err
	}
	return d.subtract(dst, dst, []Update{{Payload: payload}}, []float64{float64(-sign)})
}

func (d *Dense) subtract(dst, src []float32, updates []Update, weights []float64) error {
	if len(dst) != d.n || len(src) != d.n {
		return fmt.Errorf("subtract: vectors of %d and %d parameters, want %d", len(dst), len(src), d.n)
	}
	return d.each(func(lo, hi int) error {
		copy(dst[lo:hi], src[lo:hi])
		for k, u := range updates {
			w := float32(weights[k])
			for i := lo; i < hi; i++ {
				dst[i] -= float32(w * value(u.Payload, i)) // rounded before it is subtracted, on every CPU
			}
		}
		return nil
	})
}

// norm is √ Σ z², summed in float64 by spans, in order.
func (d *Dense) norm(payload []byte) float64 {
	sums := make([]float64, (d.n+denseSpan-1)/denseSpan)
	_ = d.each(func(lo, hi int) error {
		var sum float64
		for i := lo; i < hi; i++ {
			v := float64(value(payload, i))
			sum += float64(v * v)
		}
		sums[lo/denseSpan] = sum
		return nil
	})
	var all float64
	for _, s := range sums {
		all += s
	}
	return math.Sqrt(all)
}

// each calls do for every span, on all CPUs, and returns the error of the lowest one.
func (d *Dense) each(do func(lo, hi int) error) error {
	spans := (d.n + denseSpan - 1) / denseSpan
	split := min(runtime.GOMAXPROCS(0), spans)
	errs := make([]error, split)
	var group sync.WaitGroup
	for k := range split {
		group.Go(func() {
			for s := spans * k / split; s < spans*(k+1)/split && errs[k] == nil; s++ {
				errs[k] = do(s*denseSpan, min((s+1)*denseSpan, d.n))
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func value(payload []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(payload[4*i:]))
}

// bounded is false for NaN, too.
func bounded(v float32) bool { return v > -denseMost && v < denseMost }
