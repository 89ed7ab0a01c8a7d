package speed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

const (
	// lookEvery is how often a process's memory is looked at: a step of the smallest model takes as long.
	lookEvery = 2 * time.Millisecond
	// memorySteps are taken before a process is taken to hold all that it will: what it has grows by a third in its first
	// steps, and no more in 300.
	memorySteps = 16
)

// MemoryModels are those that memory is given for: one sample of 64 tokens a step.
func MemoryModels() []Model {
	c := model.Config{SeqLen: 64, RopeTheta: 10000, NormEps: 1e-5, Tied: true}
	small, middle, large := c, c, c
	small.Vocab, small.Layers, small.Dim, small.Heads, small.KVHeads, small.HeadDim, small.FFN = 256, 4, 128, 4, 4, 32, 352
	middle.Vocab, middle.Layers, middle.Dim, middle.Heads, middle.KVHeads, middle.HeadDim, middle.FFN = 8192, 6, 512, 8, 8, 64, 1376
	large.Vocab, large.Layers, large.Dim, large.Heads, large.KVHeads, large.HeadDim, large.FFN = 32000, 14, 768, 12, 12, 64, 2048
	small.Tied = false
	return []Model{{"0.87M", small, 1}, {"25M", middle, 1}, {"124M", large, 1}}
}

// Footprint is the anonymous memory of a trainer, in bytes. What its exchange file has in memory is told apart: the kernel may write it back.
type Footprint struct {
	Backend   string  `json:"backend"` // the configuration that opened
	Model     string  `json:"model"`
	Params    int     `json:"params"`
	Optimizer string  `json:"optimizer"`
	Precision string  `json:"precision"`
	Planned   uint64  `json:"planned"`  // the estimate by which the step was laid out
	Peak      uint64  `json:"peak"`     // the most at any time
	Resident  uint64  `json:"resident"` // after some steps
	PerParam  float64 `json:"peak_per_param"`
	Exchange  uint64  `json:"exchange"`             // the size of the mapped file
	Rival     uint64  `json:"rival_peak,omitempty"` // of the rival's process, with AdamW
}

// Memory measures what trainers of all models hold on all backends in each precision, and a rival with the same models.
func Memory(ctx context.Context, p Params, precisions []string) (all []Footprint, err error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	for _, m := range p.Models {
		var other uint64
		if len(p.Rival) > 0 {
			if other, err = rivalMemory(ctx, p, m); err != nil {
				return all, err
			}
		}
		for _, backend := range p.Backends {
			for _, precision := range precisions {
				f, err := footprint(ctx, p, backend, precision, m)
				if err != nil {
					return all, fmt.Errorf("memory of %s on %s in %s: %w", m.Name, backend, precision, err)
				}
				f.Rival = other
				all = append(all, f)
			}
		}
	}
	return all, nil
}

func footprint(ctx context.Context, p Params, backend, precision string, m Model) (f Footprint, err error) {
	s := spec(backend, m)
	s.Optimizer.Kind, s.Optimizer.Momentum, s.Optimizer.ClipNorm, s.Optimizer.Precision = optimizer.Muon, .95, 1, precision
	plan, err := s.Plan(worker.Share(worker.Free()))
	if err != nil {
		return f, err
	}
	f = Footprint{
		Model: m.Name, Params: m.Config.Layout().Params(), Optimizer: s.Optimizer.Kind, Precision: precision, Planned: plan.Memory,
	}
	w, err := startThrough(ctx, p, s)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	mom, second := w.p.Moments()
	f.Backend, f.Exchange = w.p.Ready().Backend, 4*uint64(len(w.p.Vector())+len(mom)+len(second))
	g := watch(w.p.Pid())
	if err = w.load(ctx, model.Init(m.Config, [32]byte{})); err == nil {
		_, err = w.run(ctx, memorySteps)
	}
	f.Peak, f.Resident = g.stop()
	f.PerParam = float64(f.Peak) / float64(f.Params)
	return f, err
}

func rivalMemory(ctx context.Context, p Params, m Model) (peak uint64, err error) {
	other, err := newRival(ctx, p.Rival, spec("", m))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	g := watch(other.cmd.Process.Pid)
	_, err = other.run(ctx, memorySteps)
	peak, _ = g.stop()
	return peak, err
}

// gauge looks at a process's anonymous memory.
type gauge struct {
	pid        int
	peak, last uint64
	end        chan struct{}
	running    sync.WaitGroup
}

func watch(pid int) *gauge {
	g := &gauge{pid: pid, end: make(chan struct{})}
	g.running.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			if bytes, err := anonymous(g.pid); err == nil { // the process may have ended
				g.last, g.peak = bytes, max(g.peak, bytes)
			}
			select {
			case <-tick.C:
			case <-g.end:
				return
			}
		}
	})
	return g
}

// stop returns the most that was seen, and what was seen last.
func (g *gauge) stop() (peak, last uint64) {
	close(g.end)
	g.running.Wait()
	return g.peak, g.last
}
