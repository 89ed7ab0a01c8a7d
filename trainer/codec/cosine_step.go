package codec

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/murmurnet/murmur/trainer/codec/dct"
	"github.com/murmurnet/murmur/trainer/codec/pack"
)

// Chunks is how many blocks a payload has whose lengths are bounded.
func (o *Cosine) Chunks() int { return len(o.blocks) }

// Subtract sets dst = src − Σ weight·z, the same bits on every CPU. dst may be src, and is untouched after an error.
//
// A block's Ĉ = Σ float64(weight·share·c), over the terms in their order, is scaled by a power of two so that the largest
// lies between 2^27 and 2^28, and rounded to integers, ties to even; a block whose largest is below 2^-900 is zero.
// Package dct transforms these exactly. Its integers, as float64 times the power of two that takes the scaling back, and
// then as float32, are subtracted.
//
// What most is given is √Σ c² as float32, the sum in float64 in order, every operation rounded by itself: the length of the
// block's z and of what z would be in the zeros around a block at the edges. share is what most says over that, at most 1.
func (o *Cosine) Subtract(dst, src []float32, terms []Term, most Most) error {
	if err := checkTerms(o.grid.total, o.Check, dst, src, terms); err != nil {
		return err
	}
	o.apply(dst, src, terms, most, false, func(dst, src []float32, z []int64, unit float64) {
		for i, v := range z {
			dst[i] = src[i] - float32(float64(v)*unit)
		}
	})
	return nil
}

// Step is DeMo's: it sets dst = float32(src·decay) − rate·sign(IDCT(Ĉ)), the same bits on every CPU, where Ĉ is Σ
// weight·C over the terms and the transform exact, as for Subtract, and the sign of 0 is 0. With senders, Ĉ is not
// weighted, and each coefficient is the mean over the terms that sent it. dst may be src, and is untouched after an
// error; parameters that are not covered stay as they are.
func (o *Cosine) Step(dst, src []float32, terms []Term, most Most, rate, decay float32, senders bool) error {
	if !(rate >= 0 && rate <= math.MaxFloat32) || !(decay >= 0 && decay <= 1) {
		return fmt.Errorf("step: rate %g, decay %g: they must be finite and at least 0, the decay at most 1", rate, decay)
	}
	if err := checkTerms(o.grid.total, o.Check, dst, src, terms); err != nil {
		return err
	}
	step := math.Float32bits(rate)
	o.apply(dst, src, terms, most, senders, func(dst, src []float32, z []int64, _ float64) {
		for i, v := range z {
			some := uint32((v | -v) >> 63) // all ones unless v = 0
			dst[i] = float32(src[i]*decay) - math.Float32frombits((step|uint32(v>>63)<<31)&some)
		}
	})
	return nil
}

// apply mixes the coefficients of each block, transforms them, and calls do for each row of parameters, with z in units.
func (o *Cosine) apply(dst, src []float32, terms []Term, most Most, senders bool, do func(dst, src []float32, z []int64, unit float64)) {
	o.grid.rest(dst, src)
	o.each(terms, func() func([]pack.Reader, int) {
		m := newMixer(o, terms, most)
		var z [dct.Area]int64
		return func(readers []pack.Reader, u int) {
			b := &o.blocks[u]
			at, values, unit := m.mix(readers, u, b, senders)
			if b.line {
				o.dct.InverseLine((*[dct.Size]int64)(z[:]), at, values)
			} else {
				o.dct.Inverse(&z, at, values)
			}
			for i := range b.rows {
				from := b.at + i*b.stride
				to := from + b.cols
				do(dst[from:to], src[from:to], z[i*dct.Size:][:b.cols], unit)
			}
		}
	})
}

// mixer adds up the coefficients of a block. It serves one goroutine at a time.
type mixer struct {
	terms  []Term
	limit  *limit
	from   []*coefficients
	sum    [dct.Area]float64
	sent   [dct.Area]int32  // how many terms hold it
	some   [dct.Size]uint64 // bit j of number i: index 64i+j is held by a term
	at     []uint16
	values []int64
}

func newMixer(o *Cosine, terms []Term, most Most) *mixer {
	m := &mixer{terms: terms, limit: newLimit(most, terms)}
	for _, t := range terms {
		m.from = append(m.from, o.from(t.Payload))
	}
	return m
}

// mix reads a block of every term and returns which coefficients of Ĉ are not zero, these as integers, and what one
// stands for, over 2^dct.Fraction. What it returns is good until the next call.
func (m *mixer) mix(readers []pack.Reader, u int, b *block, senders bool) ([]uint16, []int64, float64) {
	for i, c := range m.from {
		c.read(&readers[i], b)
		if m.limit.most != nil {
			m.limit.scales[i] = c.length()
		}
	}
	shares := m.limit.shares(u)
	for i, c := range m.from {
		w := m.terms[i].Weight
		if shares != nil {
			w = float64(w * float64(shares[i]))
		}
		if senders {
			w = 1
		}
		for k, j := range c.at {
			v := float64(w * c.values[k])
			if word, bit := &m.some[j/64&63], uint64(1)<<(j%64); *word&bit == 0 {
				*word |= bit
				m.sum[j&4095], m.sent[j&4095] = v, 1
			} else {
				m.sum[j&4095] += v
				m.sent[j&4095]++
			}
		}
	}
	m.at, m.values = m.at[:0], m.values[:0]
	var most float64
	for i := range m.some {
		for word := m.some[i]; word != 0; word &= word - 1 {
			j := uint16(64*i + bits.TrailingZeros64(word))
			if senders {
				m.sum[j] /= float64(m.sent[j])
			}
			most = max(most, math.Abs(m.sum[j]))
			m.at = append(m.at, j)
		}
		m.some[i] = 0
	}
	if most < 0x1p-900 {
		return nil, nil, 0
	}
	_, e := math.Frexp(most)
	scale := math.Ldexp(1, 28-e)
	for _, j := range m.at {
		m.values = append(m.values, int64(math.RoundToEven(m.sum[j]*scale)))
	}
	return m.at, m.values, math.Ldexp(1, e-28-dct.Fraction)
}
