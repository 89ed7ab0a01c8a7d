package model

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Frozen is on the device what an adapter's training leaves as it is: the base, and the A of each layer where that follows from the seed.
type Frozen struct {
	Embedding, Norm, Head *tensors.Tensor // a tied head is the embedding
	Blocks                [][]*tensors.Tensor
}

// Freeze uploads the base, of which read gives a tensor's values from one on, and draws the rest. The caller closes it. An embedding is read a piece at a
// time: of 156 million values all of them in float32, and rounded, would be most of what a process takes.
func (c Config) Freeze(backend compute.Backend, seed [32]byte, read func(t Tensor, from int, values []float32) error) (f *Frozen, err error) {
	f = &Frozen{Blocks: make([][]*tensors.Tensor, c.Layers)}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	base := c.Base()
	put := func(t Tensor, form form) (ts []*tensors.Tensor, err error) {
		arrays, err := form.read(t, func(from int, values []float32) error { return read(t, from, values) })
		if err != nil {
			return nil, err
		}
		for _, flat := range arrays {
			buffer, err := backend.BufferFromFlatData(Device, flat.values, flat.shape)
			if err != nil {
				return ts, fmt.Errorf("model: %s to the device: %w", t.Name, err)
			}
			tensor, err := tensors.FromBuffer(buffer)
			if err != nil {
				return ts, err
			}
			ts = append(ts, tensor)
		}
		return ts, nil
	}
	norm, head := base.Outside()
	for i, t := range base.Layout() {
		ts, err := put(t, c.form(t.Shape, t.Block >= 0))
		switch {
		case t.Block >= 0:
			f.Blocks[t.Block] = append(f.Blocks[t.Block], ts...)
		case len(ts) == 0:
		case i == 0:
			f.Embedding = ts[0]
		case i == norm:
			f.Norm = ts[0]
		case i == head:
			f.Head = ts[0]
		}
		if err != nil {
			return f, err
		}
	}
	if c.Tied {
		f.Head = f.Embedding
	}
	drawn := DrawFrozen(c, seed)
	for _, t := range c.Drawn() {
		tensor, err := t.Upload(backend, drawn[t.Offset:][:t.Size])
		if err != nil {
			return f, err
		}
		f.Blocks[t.Block] = append(f.Blocks[t.Block], tensor)
	}
	return f, nil
}

// Close frees the memory.
func (f *Frozen) Close() error {
	all := []*tensors.Tensor{f.Embedding, f.Norm}
	if f.Head != f.Embedding {
		all = append(all, f.Head)
	}
	for _, b := range f.Blocks {
		all = append(all, b...)
	}
	return Free(all)
}

// Ends are the embedding, the final norm and the head: f's, or of params in the layout's order where there is no adapter and f is nil.
func (c Config) Ends(params []*tensors.Tensor, f *Frozen) (embedding, norm, head *tensors.Tensor) {
	if f != nil {
		return f.Embedding, f.Norm, f.Head
	}
	n, h := c.Outside()
	return params[0], params[n], params[h]
}

// BlockArgs are the arguments of decoder block i's programs: what is trained of it, then what is not.
func (c Config) BlockArgs(params []*tensors.Tensor, f *Frozen, i int) (args []any) {
	from, to := c.Block(i)
	ts := params[from:to:to]
	if f != nil {
		ts = append(ts, f.Blocks[i]...)
	}
	for _, t := range ts {
		args = append(args, t)
	}
	return args
}

// FrozenShapes are those of what Freeze uploads: outside of the blocks, and of each block.
func (c Config) FrozenShapes() (embedding, norm, head shapes.Shape, block []shapes.Shape) {
	matrix := c.form([]int{c.Vocab, c.Dim}, false).shapes([]int{c.Vocab, c.Dim})[0]
	for _, t := range c.baseTensors() {
		block = append(block, c.form(t.shape, true).shapes(t.shape)...)
	}
	if c.Adapter.Train == TrainB {
		for _, t := range c.adapterTensors(true, false) {
			block = append(block, shapes.Make(dtypes.Float32, t.shape...))
		}
	}
	return matrix, shapes.Make(dtypes.Float32, c.Dim), matrix, block
}

// FrozenBytes bounds what an adapter's base takes of the device's memory: what is uploaded, the head in float32 while it is multiplied, and the
// matrices of a block, twice.
func (c Config) FrozenBytes() (n uint64) {
	embedding, norm, head, block := c.FrozenShapes()
	for _, s := range block {
		n += uint64(c.Layers) * uint64(s.ByteSize())
	}
	n += uint64(embedding.ByteSize()) + uint64(norm.ByteSize())
	if !c.Tied {
		n += uint64(head.ByteSize())
	}
	widened := 2 * (c.ofBlocks(c.baseTensors()).Params() / c.Layers)
	if c.Adapter.Base != BaseFloat32 {
		widened += c.Vocab * c.Dim
	}
	return n + 4*uint64(widened)
}

// form is how a frozen tensor lies on the device.
type form string

// form of a tensor with a shape: vectors stay float32, and what is outside of the blocks is not quantised.
func (c Config) form(shape []int, inBlock bool) form {
	switch f := form(c.Adapter.Base); {
	case len(shape) == 1:
		return BaseFloat32
	case f == BaseInt8 && !inBlock, f == BaseNF4 && (!inBlock || shape[0]*shape[1]%nf4Block != 0):
		return BaseBF16
	default:
		return f
	}
}

// array is one of those that a frozen tensor lies in.
type array struct {
	values any
	shape  shapes.Shape
}

func (f form) shapes(shape []int) []shapes.Shape {
	switch f {
	case BaseInt8:
		return []shapes.Shape{shapes.Make(dtypes.Int8, shape...), shapes.Make(dtypes.Float32, shape[0], 1)}
	case BaseNF4:
		blocks := shape[0] * shape[1] / nf4Block
		return []shapes.Shape{shapes.Make(dtypes.Uint8, blocks, nf4Block/2), shapes.Make(dtypes.Float32, blocks, 1)}
	case BaseBF16:
		return []shapes.Shape{shapes.Make(dtypes.BFloat16, shape...)}
	}
	return []shapes.Shape{shapes.Make(dtypes.Float32, shape...)}
}

// pieceValues of a tensor are rounded to bfloat16 at a time.
const pieceValues = 1 << 20

// read packs a tensor as its values come.
func (f form) read(t Tensor, read func(from int, values []float32) error) ([]array, error) {
	if f != BaseBF16 {
		values := make([]float32, t.Size)
		if err := read(0, values); err != nil {
			return nil, err
		}
		return f.pack(values, t.Shape), nil
	}
	short, piece := make([]bfloat16.BFloat16, t.Size), make([]float32, min(t.Size, pieceValues))
	for from := 0; from < t.Size; from += len(piece) {
		piece = piece[:min(len(piece), t.Size-from)]
		if err := read(from, piece); err != nil {
			return nil, err
		}
		for i, v := range piece {
			short[from+i] = bfloat16.FromFloat32(v)
		}
	}
	return []array{{short, f.shapes(t.Shape)[0]}}, nil
}

// pack rounds values to a form.
func (f form) pack(values []float32, shape []int) []array {
	as := f.shapes(shape)
	switch f {
	case BaseInt8:
		codes, scales := packInt8(values, shape[1])
		return []array{{codes, as[0]}, {scales, as[1]}}
	case BaseNF4:
		codes, scales := packNF4(values)
		return []array{{codes, as[0]}, {scales, as[1]}}
	case BaseBF16:
		short := make([]bfloat16.BFloat16, len(values))
		for i, v := range values {
			short[i] = bfloat16.FromFloat32(v)
		}
		return []array{{short, as[0]}}
	}
	return []array{{values, as[0]}}
}

// unpack builds the matrix, or vector, that the first nodes hold, and returns the others.
func (f form) unpack(shape []int, nodes []*graph.Node) (w *graph.Node, rest []*graph.Node) {
	switch f {
	case BaseInt8:
		return graph.Mul(graph.ConvertDType(nodes[0], dtypes.Float32), nodes[1]), nodes[2:]
	case BaseNF4:
		codes := graph.ConvertDType(nodes[0], dtypes.Int32)
		fifteen := graph.Scalar(codes.Graph(), dtypes.Int32, 15)
		low := graph.BitwiseAnd(codes, graph.BroadcastToShape(fifteen, codes.Shape()))
		high := graph.Div(codes, graph.Scalar(codes.Graph(), dtypes.Int32, 16))
		levels := graph.Concatenate([]*graph.Node{levelNF4(low), levelNF4(high)}, -1)
		return graph.Reshape(graph.Mul(levels, nodes[1]), shape...), nodes[2:]
	}
	return nodes[0], nodes[1:]
}

// packInt8 rounds each row of so many columns to 127 steps either way of its largest value.
func packInt8(values []float32, cols int) (codes []int8, scales []float32) {
	codes, scales = make([]int8, len(values)), make([]float32, len(values)/cols)
	for row := range scales {
		part := values[row*cols:][:cols]
		scale := largest(part) / 127
		scales[row] = scale
		for i, v := range part {
			if scale > 0 {
				codes[row*cols+i] = int8(math.RoundToEven(float64(v / scale)))
			}
		}
	}
	return codes, scales
}

// nf4Block is how many values share a scale.
const nf4Block = 64

// nf4 are the levels: quantiles of a normal distribution, with 0 among them (Dettmers et al. 2023, appendix E).
var nf4 = [16]float32{
	-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
	0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
}

// packNF4 takes the nearest level for each value over its block's largest. The first half of a block lies in the low four bits of its bytes.
func packNF4(values []float32) (codes []uint8, scales []float32) {
	codes, scales = make([]uint8, len(values)/2), make([]float32, len(values)/nf4Block)
	for b := range scales {
		part := values[b*nf4Block:][:nf4Block]
		scale := largest(part)
		scales[b] = scale
		for i, v := range part {
			if scale > 0 {
				v /= scale
			}
			code := uint8(0)
			for code < 15 && v > (nf4[code]+nf4[code+1])/2 {
				code++
			}
			at := b*nf4Block/2 + i%(nf4Block/2)
			codes[at] |= code << (4 * (i / (nf4Block / 2)))
		}
	}
	return codes, scales
}

// levelNF4 looks codes up. Fifteen selections are faster than a gather: XLA fuses them.
func levelNF4(codes *graph.Node) *graph.Node {
	g := codes.Graph()
	level := graph.BroadcastToShape(graph.Scalar(g, dtypes.Float32, nf4[0]), shapes.Make(dtypes.Float32, codes.Shape().Dimensions...))
	for code := 1; code < len(nf4); code++ {
		is := graph.Equal(codes, graph.Scalar(g, dtypes.Int32, code))
		level = graph.Where(is, graph.BroadcastToShape(graph.Scalar(g, dtypes.Float32, nf4[code]), level.Shape()), level)
	}
	return level
}

func largest(values []float32) (most float32) {
	for _, v := range values {
		most = max(most, float32(math.Abs(float64(v))))
	}
	return most
}
