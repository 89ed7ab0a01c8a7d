package checkpoint

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/murmurnet/murmur/trainer/model"
)

// Base is the model under an adapter, in its safetensors files.
type Base struct{ c Checkpoint }

// OpenBase looks at the files of the model under an adapter, which together have each of its tensors once.
func OpenBase(c model.Config, files []string) (*Base, error) {
	b := &Base{Checkpoint{Config: c.Base(), places: map[string]place{}}}
	for _, path := range files {
		places, err := readHeader(path)
		if err != nil {
			return nil, fmt.Errorf("the adapter's base: %w", err)
		}
		for name, p := range places {
			if twice, ok := b.c.places[name]; ok {
				return nil, fmt.Errorf("the adapter's base: tensor %s is in %s and in %s", name, filepath.Base(twice.path), filepath.Base(path))
			}
			b.c.places[name] = p
		}
	}
	if _, ok := b.c.places[embeddingName]; !ok { // a model that also sees
		if err := b.c.dropOthers(); err != nil {
			return nil, fmt.Errorf("the adapter's base: %w", err)
		}
	}
	if err := b.c.fit(); err != nil {
		return nil, fmt.Errorf("the adapter's base: %w", err)
	}
	return b, nil
}

// Read reads values of a tensor, from one on.
func (b *Base) Read(t model.Tensor, from int, values []float32) error {
	p := b.c.places[t.Name]
	p.at += int64(from * p.dtype.size())
	if err := p.read(values); err != nil {
		return fmt.Errorf("the adapter's base: tensor %s: %w", t.Name, err)
	}
	return nil
}

// Files lists the safetensors files that a checkpoint's tensors are in.
func (c *Checkpoint) Files() (paths []string) {
	for _, p := range c.places {
		if !slices.Contains(paths, p.path) {
			paths = append(paths, p.path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Merge adds an adapter to the base: float32, in the order of the base's layout. drawn are the A that follow from the seed.
func (b *Base) Merge(c model.Config, theta, drawn []float32) ([]float32, error) {
	layout := b.c.Config.Layout()
	merged := make([]float32, layout.Params())
	weights := map[string]model.Tensor{}
	for _, t := range layout {
		if err := b.Read(t, 0, merged[t.Offset:][:t.Size]); err != nil {
			return nil, err
		}
		weights[t.Name] = t
	}
	adapter := adapterTensors(c, theta, drawn)
	scale := float32(c.Adapter.Scale())
	for _, p := range c.Pairs() {
		t := weights[p.Layer+".weight"]
		rows, cols, rank := t.Shape[0], t.Shape[1], c.Adapter.Rank
		w, a, up := merged[t.Offset:][:t.Size], adapter[p.A].values, adapter[p.B].values
		sum := make([]float32, cols)
		for i := range rows {
			clear(sum)
			for r := range rank {
				f := up[i*rank+r]
				if f == 0 {
					continue
				}
				for j, x := range a[r*cols:][:cols] {
					sum[j] += f * x
				}
			}
			for j, x := range sum {
				w[i*cols+j] += scale * x
			}
		}
	}
	return merged, nil
}

// tensor is one of an adapter's.
type tensor struct {
	shape  []int
	values []float32
}

// adapterTensors are an adapter's by name, those that are trained and those that follow from the seed.
func adapterTensors(c model.Config, theta, drawn []float32) map[string]tensor {
	ts := map[string]tensor{}
	add := func(l model.Layout, values []float32) {
		for _, t := range l {
			ts[t.Name] = tensor{t.Shape, values[t.Offset:][:t.Size]}
		}
	}
	add(c.Layout(), theta)
	add(c.Drawn(), drawn)
	return ts
}
