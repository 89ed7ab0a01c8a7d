package inner

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// groupParams bounds the parameters of decoder blocks that are updated together: 32 MiB, of which an update holds old and new, moments, and a few
// more on the way. Fewer would take more programs than a small model's step is worth.
const groupParams = 1 << 23

// group is a part of the model that one program updates.
type group struct {
	tensors []int       // numbers in the layout
	add     *graph.Exec // sums of two vectors' tensors
	update  *graph.Exec // the optimizer's; nil where there is none
}

// grouped shares a layout out: whole blocks together, as many in one group as in another; where they are too many for groupParams, of each block the
// tensors of one size, for glibc's heap stays whole where what is freed is as large as what is asked for. What is in no block goes tensor by tensor, and last, when
// the gradients of the blocks are gone: embedding and head are the largest.
func grouped(l model.Layout) (groups []group) {
	size := 0
	for _, t := range l {
		if t.Block >= 0 {
			size += t.Size
		}
	}
	type key struct{ block, size int }
	at := map[key]int{}
	var outside []group
	for i, t := range l {
		if t.Block < 0 {
			outside = append(outside, group{tensors: []int{i}})
			continue
		}
		k := key{t.Block, t.Size}
		if size <= groupParams {
			k = key{}
		}
		if _, ok := at[k]; !ok {
			at[k] = len(groups)
			groups = append(groups, group{})
		}
		g := &groups[at[k]]
		g.tensors = append(g.tensors, i)
	}
	return append(groups, outside...)
}

// part is the group's tensors.
func (r *replica) part(g *group) model.Layout {
	part := make(model.Layout, len(g.tensors))
	for k, i := range g.tensors {
		part[k] = r.layout[i]
	}
	return part
}

// programs makes a program for each group, the same for those alike, by inputs and a graph of the group's tensors.
func (r *replica) programs(inputs func(part model.Layout) []shapes.Shape, build func(part model.Layout) graphFunc, set func(g *group, exec *graph.Exec)) error {
	made := map[string]*graph.Exec{}
	for i := range r.groups {
		g := &r.groups[i]
		part := r.part(g)
		key := ""
		for _, t := range part {
			key += fmt.Sprint(t.Shape, t.Block >= 0)
		}
		if made[key] == nil {
			exec, err := r.program(build(part), inputs(part))
			if err != nil {
				return err
			}
			made[key] = exec
		}
		set(g, made[key])
	}
	return nil
}

// run gives the group's tensors of some vectors to a program, which may overwrite their memory, and then the rest, which it may not. What the
// program returns takes their place in turn; those for which nothing is left are gone, and all are after an error.
func (r *replica) run(g *group, exec *graph.Exec, vectors [][]*tensors.Tensor, rest ...any) error {
	var args []any
	var places []**tensors.Tensor
	for _, v := range vectors {
		for _, i := range g.tensors {
			if v[i] == nil {
				continue
			}
			given, err := graph.DonateTensorBuffer(v[i], r.params.Backend, model.Device)
			if err != nil {
				return err
			}
			v[i] = nil
			args, places = append(args, given), append(places, &v[i])
		}
	}
	out, err := exec.Call(append(args, rest...)...)
	for k, t := range out {
		*places[k] = t
	}
	return err
}
