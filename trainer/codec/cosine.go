package codec

import (
	"fmt"
	"math"

	"github.com/murmurnet/murmur/trainer/codec/dct"
	"github.com/murmurnet/murmur/trainer/codec/pack"
)

const kindCosine kind = 'c'

// CosineFormat is how a coefficient's value is written, named by the bits that it takes.
type CosineFormat byte

const (
	// CosineFP32 is the coefficient as a float32.
	CosineFP32 CosineFormat = 32
	// CosineFP16 is the coefficient as a half, as a fraction of a power of two that the payload names.
	CosineFP16 CosineFormat = 16
	// CosineBit is the sign alone; the magnitude is the mean of what a block keeps, written once a block as a half, as
	// above.
	CosineBit CosineFormat = 1
)

// Cosine keeps the largest coefficients of the discrete cosine transform of each block (DeMo, arXiv 2411.19870). It may
// be used from many goroutines.
//
// A matrix is cut into blocks of 64x64, a tensor of one dimension into lines of 64; what sticks out over an edge is
// zeros, so that no dimension makes blocks smaller. Of each, the keep largest |c| are sent (of equal ones the first; all
// 64 of a line where keep is more). Payloads are streams with 64 for the chunk and the format for the variant. A block's
// bits are
//
//	16     CosineBit: mean |c| of those kept
//	…      the set of k of 4096 (or 64) indices, as package pack writes it; see package dct for their order
//	…      CosineFP32: k float32s, up to [MaxScale]; CosineFP16: k halves; CosineBit: k bits, 1 where c < 0
//
// Halves stand for half·2^(e−15), where e is the payload's exponent, −126 … 16: the largest of the payload lies between
// 2^14 and 2^15, so coefficients down to a billionth of it keep 11 bits. For CosineFP32, e is 0. No value is −0, and
// a mean of 0 has no signs.
type Cosine struct {
	stream
	grid   grid // tensors, for all but blocks
	format CosineFormat
	blocks []block
	dct    *dct.Transform
}

// block is a part of a matrix or of a tensor of one dimension.
type block struct {
	at, stride int // of its first parameter, and from one of its rows to the next
	rows, cols int // parameters that it holds; the rest are zeros
	first      int // how many coefficients the blocks before keep
	line       bool
}

// numbers is how many coefficients the block has.
func (b *block) numbers() int {
	if b.line {
		return dct.Size
	}
	return dct.Area
}

// NewCosine prepares for vectors of which c is covered. At most keep coefficients, 1 to 4096, are sent of a block.
func NewCosine(c Cover, keep int, format CosineFormat) (*Cosine, error) {
	if format != CosineFP32 && format != CosineFP16 && format != CosineBit {
		return nil, fmt.Errorf("cosine codec: there is no format of %d bits", format)
	}
	if keep < 1 || keep > dct.Area {
		return nil, fmt.Errorf("cosine codec: keeping %d coefficients: it must be 1 to %d", keep, dct.Area)
	}
	g, err := newGrid(c, maxChunk)
	if err != nil {
		return nil, fmt.Errorf("cosine codec: %w", err)
	}
	o := &Cosine{grid: g, format: format, dct: dct.New()}
	kept := 0
	for t, r := range c.Ranges {
		rows, cols, side := 1, r.To-r.From, 1
		if r.Cols > 0 {
			rows, cols, side = cols/r.Cols, r.Cols, dct.Size
		}
		if ((rows-1)/side+1)*((cols-1)/dct.Size+1) > maxChunks-len(o.blocks) {
			return nil, fmt.Errorf("cosine codec: tensor %d has %d parameters: there are at most %d blocks", t, r.To-r.From, maxChunks)
		}
		for i := 0; i < rows; i += side {
			for j := 0; j < cols; j += dct.Size {
				b := block{at: r.From + i*cols + j, stride: cols, rows: min(side, rows-i), cols: min(dct.Size, cols-j), first: kept, line: r.Cols == 0}
				kept += min(keep, b.numbers())
				o.blocks = append(o.blocks, b)
			}
		}
	}
	o.stream, err = newStream(newHeader(kindCosine, dct.Size, &g), byte(format), keep, len(o.blocks), func(u int) int {
		n := o.blocks[u].numbers()
		k := min(keep, n)
		bits := pack.MaxBits(n, k) + k*int(format)
		if format == CosineBit {
			bits += 16
		}
		return bits
	})
	if err != nil {
		return nil, fmt.Errorf("cosine codec: %w", err)
	}
	return o, nil
}

const (
	leastExponent = -126
	mostExponent  = 16     // 2^16 is MaxScale
	halfMost      = 0x7800 // bits of 2^15
)

// exponentOf is the e of a payload whose largest magnitude has these bits: it is above 2^(e−1), up to 2^e.
func exponentOf(largest uint32) int {
	return max(leastExponent, int((largest+1<<23-1)>>23)-127)
}

// Check says whether payload has the form of what Encode makes, for this or a smaller number of coefficients kept. Its
// cost is bounded by the layout, not by the bytes.
func (o *Cosine) Check(payload []byte) error {
	if len(payload) >= streamHeader {
		e := int(int8(payload[header+3]))
		if o.format == CosineFP32 && e != 0 || e < leastExponent || e > mostExponent {
			return fmt.Errorf("%w: exponent %d", ErrPayload, e)
		}
	}
	return o.check(payload, func() func(*pack.Reader, int) bool {
		from := o.from(payload)
		return func(r *pack.Reader, u int) bool { return from.read(r, &o.blocks[u]) }
	})
}

// coefficients are those of one block of a payload. They serve one goroutine at a time.
type coefficients struct {
	format CosineFormat
	keep   int
	unit   float64 // what halves are multiples of
	at     []uint16
	values []float64
}

// from prepares to read a payload with a header.
func (o *Cosine) from(payload []byte) *coefficients {
	keep := o.keeps(payload)
	return &coefficients{
		format: o.format, keep: keep, unit: math.Ldexp(1, int(int8(payload[header+3]))-15),
		at: make([]uint16, keep), values: make([]float64, keep),
	}
}

// read reads the coefficients of a block, and says whether the bits are such as Encode writes.
func (c *coefficients) read(r *pack.Reader, b *block) bool {
	n := b.numbers()
	k := min(c.keep, n)
	c.at, c.values = c.at[:k], c.values[:k]
	good := true
	switch c.format {
	case CosineFP32:
		good = r.Set(c.at, n)
		for i := range c.values {
			v := r.Bits(32)
			good = good && v&^(1<<31) <= math.Float32bits(MaxScale) && v != 1<<31
			c.values[i] = float64(math.Float32frombits(v))
		}
	case CosineFP16:
		good = r.Set(c.at, n)
		for i := range c.values {
			v := r.Bits(16)
			good = good && v&^(1<<15) <= halfMost && v != 1<<15
			c.values[i] = float64(fromHalf(v) * c.unit)
		}
	case CosineBit:
		v := r.Bits(16)
		mean := float64(fromHalf(v) * c.unit)
		good = v <= halfMost && r.Set(c.at, n)
		for i := 0; i < k; i += 32 {
			signs := r.Bits(min(32, k-i))
			good = good && (v > 0 || signs == 0)
			for j := i; j < min(i+32, k); j++ {
				c.values[j] = mean
				if signs&1 == 1 {
					c.values[j] = -mean
				}
				signs >>= 1
			}
		}
	}
	return good
}

// length is √Σ c² of what was read.
func (c *coefficients) length() float32 {
	var sum float64
	for _, v := range c.values {
		sum += float64(v * v)
	}
	return float32(math.Sqrt(sum))
}

// fromHalf is the half with these bits, which is finite.
func fromHalf(v uint32) float64 {
	m, e := int(v&1023), max(v>>10&31, 1)
	if v>>10&31 > 0 {
		m |= 1024
	}
	if v>>15 == 1 {
		m = -m
	}
	return float64(m) * math.Float64frombits(uint64(1023-25+e)<<52)
}
