package inner

import (
	"errors"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// blocks are the programs of a backward pass that goes block by block. All blocks of a kind share them, so they compile in the same time at any depth. Of
// a block only its input is held for the way back, where the rest is computed again: about a third more work.
type blocks struct {
	embed     *graph.Exec
	forward   map[model.Kind]*graph.Exec
	tail      *graph.Exec                // the loss, and gradients for the last block's result, the final norm and the head
	backward  map[model.Kind]*graph.Exec // a block's gradients, and that for its input
	embedding *graph.Exec                // the gradient of what was looked up, added to the head's where that is tied; nil where it is frozen
}

func (r *replica) newBlocks() (*blocks, error) {
	c, how, b := r.params.Model, r.params.Compute, r.params.atOnce()
	tokens, x := shapes.Make(dtypes.Int32, b, c.SeqLen+1), shapes.Make(dtypes.Float32, b*c.SeqLen, c.Dim)
	params := r.shapes(r.layout)
	from, to := c.Block(0)
	block, n := slices.Clone(params[from:to]), to-from
	var embedding, norm, head shapes.Shape
	if c.Adapter != nil {
		var frozen []shapes.Shape
		embedding, norm, head, frozen = c.FrozenShapes()
		block = append(block, frozen...)
	} else {
		at, headAt := c.Outside()
		embedding, norm, head = params[0], params[at], params[headAt]
	}
	all := len(block)
	embed := func(in []*graph.Node) []*graph.Node {
		inputs, _ := model.Sides(in[1])
		return []*graph.Node{model.Embed(c, in[0], inputs)}
	}
	tail := func(in []*graph.Node) []*graph.Node {
		_, targets := model.Sides(in[3])
		loss, dx, dNorm, dHead := model.Tail(c, how, in[0], in[1], in[2], targets)
		if c.Adapter != nil {
			return []*graph.Node{loss, dx}
		}
		return []*graph.Node{loss, dx, dNorm, dHead}
	}
	p := blocks{forward: map[model.Kind]*graph.Exec{}, backward: map[model.Kind]*graph.Exec{}}
	var err error
	for i := range c.Layers {
		kind := c.Kind(i)
		if p.forward[kind] != nil {
			continue
		}
		forward := func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{model.Block(c, how, kind, in[:n], in[n:all], in[all], b)}
		}
		backward := func(in []*graph.Node) []*graph.Node {
			dx, grads := model.BlockGradients(c, how, kind, in[:n], in[n:all], in[all], in[all+1], b)
			return append(grads, dx)
		}
		if p.forward[kind], err = r.program(forward, append(slices.Clone(block), x)); err != nil {
			return nil, err
		}
		if p.backward[kind], err = r.program(backward, append(slices.Clone(block), x, x)); err != nil {
			return nil, err
		}
	}
	if p.embed, err = r.program(embed, []shapes.Shape{embedding, tokens}); err != nil {
		return nil, err
	}
	if p.tail, err = r.program(tail, []shapes.Shape{norm, head, x, tokens}); err != nil || c.Adapter != nil {
		return &p, err
	}
	lookedUp := func(in []*graph.Node) []*graph.Node {
		inputs, _ := model.Sides(in[0])
		sums := graph.Zeros(in[0].Graph(), embedding)
		if c.Tied {
			sums = in[2]
		}
		return []*graph.Node{model.EmbedGradient(c, sums, inputs, in[1])}
	}
	in := []shapes.Shape{tokens, x}
	if c.Tied {
		in = append(in, embedding)
	}
	p.embedding, err = r.program(lookedUp, in)
	return &p, err
}

// byBlocks computes the gradients of samples on the device, in the layout's order, and their loss. The caller frees the gradients, after an error too.
func (r *replica) byBlocks(tokens *tensors.Tensor) (grads []*tensors.Tensor, loss *tensors.Tensor, err error) {
	c, p := r.params.Model, r.blocks
	grads = make([]*tensors.Tensor, len(r.layout))
	xs := make([]*tensors.Tensor, c.Layers+1) // the blocks' inputs, and the last one's result
	var dx *tensors.Tensor
	defer func() { err = errors.Join(err, model.Free(append(xs, dx))) }()

	embedding, finalNorm, finalHead := c.Ends(r.state[0], r.params.Frozen)
	out, err := p.embed.Call(embedding, tokens)
	for i := 0; err == nil; i++ {
		xs[i] = out[0]
		if i == c.Layers {
			break
		}
		out, err = p.forward[c.Kind(i)].Call(append(c.BlockArgs(r.state[0], r.params.Frozen, i), xs[i])...)
	}
	if err != nil {
		return grads, nil, err
	}
	with, err := r.given(&xs[c.Layers])
	if err == nil {
		out, err = p.tail.Call(finalNorm, finalHead, with[0], tokens)
	}
	if err != nil {
		return grads, nil, err
	}
	loss, dx = out[0], out[1]
	if c.Adapter == nil {
		norm, head := c.Outside()
		grads[norm], grads[head] = out[2], out[3]
	}
	for i := c.Layers - 1; i >= 0; i-- {
		from, to := c.Block(i)
		with, err := r.given(&xs[i], &dx)
		if err == nil {
			out, err = p.backward[c.Kind(i)].Call(append(c.BlockArgs(r.state[0], r.params.Frozen, i), with...)...)
		}
		if err != nil {
			return grads, loss, err
		}
		copy(grads[from:to], out)
		dx = out[to-from]
	}
	if c.Adapter != nil {
		return grads, loss, nil
	}
	args := []any{tokens, dx}
	if c.Tied {
		sums, err := r.given(&grads[0])
		if err != nil {
			return grads, loss, err
		}
		args = append(args, sums...)
	}
	if out, err = p.embedding.Call(args...); err == nil {
		grads[0] = out[0]
	}
	return grads, loss, err
}

// given hands tensors to a program, which may overwrite their memory.
func (r *replica) given(ts ...**tensors.Tensor) (args []any, err error) {
	for _, t := range ts {
		arg, err := graph.DonateTensorBuffer(*t, r.params.Backend, model.Device)
		if err != nil {
			return nil, err
		}
		*t, args = nil, append(args, arg)
	}
	return args, nil
}
