package codec

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/murmurnet/murmur/trainer/codec/dct"
	"github.com/murmurnet/murmur/trainer/codec/pack"
)

// chosen is what a payload will hold: of block u, the coefficients from blocks[u].first on, and their mean.
type chosen struct {
	at     []uint16
	values []uint32 // bits of the float32s
	means  []float32
}

// Encode returns the payload of d = head − local, or of d = head where local is nil, in dst's storage where that is
// large enough. It fails with ErrDiverged where some coefficient is not finite or above MaxScale.
func (o *Cosine) Encode(dst []byte, head, local []float32) ([]byte, error) {
	if n := o.grid.total; len(head) != n || local != nil && len(local) != n {
		return nil, fmt.Errorf("encode: vectors of %d and %d parameters, want %d", len(head), len(local), n)
	}
	last := &o.blocks[len(o.blocks)-1]
	kept := last.first + min(o.keep, last.numbers())
	to := chosen{make([]uint16, kept), make([]uint32, kept), make([]float32, len(o.blocks))}
	largest, bad := o.choose(&to, head, local)
	if bad >= 0 {
		b := &o.blocks[bad]
		return nil, fmt.Errorf("%w: the block of %d x %d from parameter %d on differs by something not finite or absurdly large",
			ErrDiverged, b.rows, b.cols, b.at)
	}
	exponent := 0
	if o.format != CosineFP32 {
		exponent = exponentOf(largest)
	}
	unit := math.Ldexp(1, 15-exponent)
	half := func(v float32) uint32 { return uint32(toHalf(math.Float32bits(float32(float64(v) * unit)))) }
	return o.encode(dst, int8(exponent), func() func(*pack.Writer, int) {
		return func(w *pack.Writer, u int) {
			b := &o.blocks[u]
			n := b.numbers()
			at, values := to.at[b.first:], to.values[b.first:]
			at, values = at[:min(o.keep, n)], values[:min(o.keep, n)]
			switch o.format {
			case CosineFP32:
				w.Set(at, n)
				for _, v := range values {
					w.Bits(v, 32)
				}
			case CosineFP16:
				w.Set(at, n)
				for _, v := range values {
					w.Bits(half(math.Float32frombits(v)), 16)
				}
			case CosineBit:
				mean := half(to.means[u])
				w.Bits(mean, 16)
				w.Set(at, n)
				for _, v := range values {
					if mean == 0 {
						v = 0
					}
					w.Bits(v>>31, 1)
				}
			}
		}
	}), nil
}

// choose transforms every block and takes its largest coefficients. It returns the bits of the largest magnitude that is
// to be written, and the first block that has diverged, or −1.
func (o *Cosine) choose(to *chosen, head, local []float32) (largest uint32, bad int) {
	var most, left atomic.Int64 // bits of a magnitude; blocks from the first bad one to the end
	spread(o.split, o.spans(), func() func(int) {
		p := newPicker(dct.Area)
		var x [dct.Size][dct.Size]float64
		var c [dct.Area]float32
		var bits [dct.Area]uint32
		return func(span int) {
			for u := span * spanUnits; u < min((span+1)*spanUnits, o.units); u++ {
				b := &o.blocks[u]
				b.load(&x, head, local)
				if b.line {
					o.dct.Line((*[dct.Size]float32)(c[:]), &x[0])
				} else {
					o.dct.Forward(&c, &x)
				}
				bits := bits[:b.numbers()]
				for i := range bits {
					bits[i] = math.Float32bits(c[i] + 0) // −0 becomes 0
				}
				var sum float64
				top := uint32(0)
				at := p.pick(bits, min(o.keep, len(bits)))
				for i, j := range at {
					v := bits[j]
					to.at[b.first+i], to.values[b.first+i] = j, v
					top = max(top, v&^(1<<31))
					sum += float64(math.Float32frombits(v &^ (1 << 31)))
				}
				if top > math.Float32bits(MaxScale) {
					atLeast(&left, int64(o.units-u))
				}
				if o.format == CosineBit {
					to.means[u] = float32(sum / float64(len(at)))
					top = math.Float32bits(to.means[u])
				}
				atLeast(&most, int64(top))
			}
		}
	})
	if n := int(left.Load()); n > 0 {
		return 0, o.units - n
	}
	return uint32(most.Load()), -1
}

// load sets x to what the block covers of head − local, with zeros around it.
func (b *block) load(x *[dct.Size][dct.Size]float64, head, local []float32) {
	for i := range x {
		row := &x[i]
		if i >= b.rows {
			if b.line {
				return
			}
			*row = [dct.Size]float64{}
			continue
		}
		from := b.at + i*b.stride
		h := head[from : from+b.cols]
		if local == nil {
			for j, v := range h {
				row[j&63] = float64(v)
			}
		} else {
			for j, v := range local[from : from+b.cols] {
				row[j&63] = float64(h[j] - v)
			}
		}
		clear(row[b.cols:])
	}
}
