package eval

import (
	"errors"
	"maps"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// pass is a forward pass of so many samples at once. All blocks of a kind share a program, so that it compiles in the same time at any depth, and of
// a base that is packed one block at a time is unpacked.
type pass struct {
	config  model.Config
	frozen  *model.Frozen // what an adapter leaves as it is; nil without one
	embed   *graph.Exec
	forward map[model.Kind]*graph.Exec
	head    *graph.Exec // of the final norm, the head, hidden states [samples·seq, dim] and what else it needs
}

// headFunc builds what becomes of hidden states.
type headFunc = func(norm, head, hidden, more *graph.Node) *graph.Node

func (e *Evaluator) newPass(samples int, head headFunc) (p *pass, err error) {
	c, how := e.model, model.Compute{}
	p = &pass{config: c, frozen: e.frozen, forward: map[model.Kind]*graph.Exec{}}
	made := func(build func(in []*graph.Node) *graph.Node) (exec *graph.Exec) {
		if err == nil {
			exec, err = graph.NewExec(e.backend, build)
		}
		return exec
	}
	p.embed = made(func(in []*graph.Node) *graph.Node { return model.Embed(c, in[0], in[1]) })
	from, to := c.Block(0)
	trained := to - from
	for i := range c.Layers {
		if kind := c.Kind(i); p.forward[kind] == nil {
			p.forward[kind] = made(func(in []*graph.Node) *graph.Node {
				last := len(in) - 1
				return model.Block(c, how, kind, in[:trained], in[trained:last], in[last], samples)
			})
		}
	}
	p.head = made(func(in []*graph.Node) *graph.Node { return head(in[0], in[1], in[2], in[3]) })
	return p, err
}

func (p *pass) close() {
	for _, exec := range append(slices.Collect(maps.Values(p.forward)), p.embed, p.head) {
		if exec != nil {
			exec.Finalize()
		}
	}
}

// run hands over what the head makes of tokens [samples, seq] and one more input, and frees both.
func (p *pass) run(params []*tensors.Tensor, tokens, more *tensors.Tensor, use func(flat []float32)) (err error) {
	embedding, norm, head := p.config.Ends(params, p.frozen)
	var x *tensors.Tensor
	defer func() { err = errors.Join(err, model.Free([]*tensors.Tensor{tokens, more, x})) }()
	step := func(exec *graph.Exec, args ...any) error {
		out, err := exec.Call(args...)
		if err != nil {
			return err
		}
		before := x
		x = out[0]
		return model.Free([]*tensors.Tensor{before})
	}
	if err := step(p.embed, embedding, tokens); err != nil {
		return err
	}
	for i := range p.config.Layers {
		if err := step(p.forward[p.config.Kind(i)], append(p.config.BlockArgs(params, p.frozen, i), x)...); err != nil {
			return err
		}
	}
	if err := step(p.head, norm, head, x, more); err != nil {
		return err
	}
	return tensors.ConstFlatData(x, use)
}
