package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/murmurnet/murmur/trainer/writer"
)

// MaxDevices bounds the children of an island.
const MaxDevices = 16

// Island is one peer's trainers, a child for each of its devices. It is asked like a Process: each child trains on its share of
// the peer's lane, and whoever captures gets the mean of the models, weighted by the tokens that each has learned from, which
// all children go on from. So an island is one peer, and its devices average locally before they publish.
//
// An island of one child is that child. The island ends when one of its children does.
type Island struct {
	parts    []*Process
	progress chan Progress
	group    sync.WaitGroup
	over     chan struct{} // closed when a child has ended
	once     sync.Once
}

// StartIsland starts a child for each of the params, which differ in Env and Exchange alone.
func StartIsland(ctx context.Context, ps []Params) (*Island, error) {
	if len(ps) < 1 || len(ps) > MaxDevices {
		return nil, fmt.Errorf("%d devices: 1 to %d can train for one node", len(ps), MaxDevices)
	}
	if len(ps) > 1 && ps[0].Spec.Data == DataPrivate {
		return nil, errors.New("private data are trained on by one device: name only one")
	}
	i := &Island{over: make(chan struct{})}
	for k, p := range ps {
		part, err := Start(ctx, p)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("device %d of %d: %w", k+1, len(ps), err), i.Close())
		}
		i.parts = append(i.parts, part)
	}
	if len(i.parts) == 1 {
		return i, nil
	}
	i.progress = make(chan Progress, 1)
	told := make(chan told, len(i.parts))
	for k, part := range i.parts {
		i.group.Go(func() { i.listen(k, part, told) })
	}
	i.group.Go(func() { i.merge(told) })
	return i, nil
}

// told is the progress of one child.
type told struct {
	part int
	Progress
}

// listen passes on a child's progress until the island is over.
func (i *Island) listen(k int, part *Process, all chan<- told) {
	for {
		select {
		case <-part.Done():
			i.once.Do(func() { close(i.over) })
			return
		case <-i.over:
			return
		case p := <-part.Progress():
			select {
			case all <- told{k, p}:
			case <-i.over:
				return
			}
		}
	}
}

// merge keeps the newest sum of all children's progress ready.
func (i *Island) merge(all <-chan told) {
	newest := make([]Progress, len(i.parts))
	for {
		select {
		case <-i.over:
			return
		case t := <-all:
			newest[t.part] = t.Progress
		}
		select {
		case <-i.progress: // nobody read it
		default:
		}
		i.progress <- sum(newest) // only this goroutine sends
	}
}

// sum is the progress of several children as one.
func sum(ps []Progress) (s Progress) {
	s.Idle = true
	for _, p := range ps {
		s.Steps += p.Steps
		s.Tokens += p.Tokens
		s.Step += p.Step
		s.TokensPerSec += p.TokensPerSec
		s.Loss += p.Loss * p.TokensPerSec
		s.Position = max(s.Position, p.Position)
		s.Waited += p.Waited
		s.Idle = s.Idle && p.Idle
		if s.Absent == "" {
			s.Absent = p.Absent
		}
	}
	if s.TokensPerSec > 0 {
		s.Loss /= s.TokensPerSec
	}
	return s
}

// each asks all children at once.
func (i *Island) each(ask func(k int, p *Process) error) error {
	errs := make([]error, len(i.parts))
	var group sync.WaitGroup
	for k, p := range i.parts {
		group.Go(func() { errs[k] = ask(k, p) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// share copies the first child's vector to the others'.
func (i *Island) share() {
	for _, p := range i.parts[1:] {
		copy(p.Vector(), i.parts[0].Vector())
	}
}

// Load is Process.Load; each child has its share of the steps behind it.
func (i *Island) Load(ctx context.Context, step int64, moments bool) error {
	i.share()
	if moments {
		m, v := i.parts[0].Moments()
		for _, p := range i.parts[1:] {
			m2, v2 := p.Moments()
			copy(m2, m)
			copy(v2, v)
		}
	}
	n := int64(len(i.parts))
	return i.each(func(k int, p *Process) error {
		own := step / n
		if int64(k) < step%n {
			own++
		}
		return p.Load(ctx, own, moments)
	})
}

// Run is Process.Run; each child takes every n-th sample of the lane.
func (i *Island) Run(ctx context.Context, r Run) error {
	return i.each(func(k int, p *Process) error {
		own := r
		if n := len(i.parts); n > 1 {
			own.Assignment.Part, own.Assignment.Parts = k, n
			own.Active += n - 1
		}
		return p.Run(ctx, own)
	})
}

// Capture is Process.Capture of the mean of all children, which they go on from.
func (i *Island) Capture(ctx context.Context, c Capture) (all Captured, err error) {
	first := i.parts[0]
	if len(i.parts) == 1 {
		return first.Capture(ctx, c)
	}
	counts := make([]Captured, len(i.parts))
	err = i.each(func(k int, p *Process) (err error) { counts[k], err = p.Capture(ctx, c); return err })
	if err != nil {
		return all, err
	}
	shares := make([]float32, len(i.parts))
	for _, n := range counts {
		all.Steps += n.Steps
		all.Tokens += n.Tokens
		all.Step += n.Step
		all.Position = max(all.Position, n.Position)
	}
	for k, n := range counts {
		shares[k] = 1 / float32(len(counts))
		if all.Tokens > 0 {
			shares[k] = float32(float64(n.Tokens) / float64(all.Tokens))
			all.Loss += float64(shares[k]) * n.Loss
		}
	}
	vectors := make([][]float32, len(i.parts))
	for k, p := range i.parts {
		vectors[k] = p.Vector()
	}
	if c.Gradient {
		average(vectors, shares, false)
		return all, nil
	}
	average(vectors, shares, true)
	if err := i.each(func(_ int, p *Process) error { return p.Add(ctx) }); err != nil {
		return all, err
	}
	_, err = first.Capture(ctx, Capture{Moments: c.Moments}) // what it has now is the mean
	return all, err
}

// average makes the first vector the mean of all; with apart, each becomes what it lacks to the mean.
func average(vectors [][]float32, shares []float32, apart bool) {
	for j := range vectors[0] {
		var mean float32
		for k, v := range vectors {
			mean += shares[k] * v[j]
		}
		if !apart {
			vectors[0][j] = mean
			continue
		}
		for _, v := range vectors {
			v[j] = mean - v[j]
		}
	}
}

// Add is Process.Add for all children.
func (i *Island) Add(ctx context.Context) error {
	i.share()
	return i.each(func(_ int, p *Process) error { return p.Add(ctx) })
}

// Set is Process.Set for all children.
func (i *Island) Set(ctx context.Context) error {
	i.share()
	return i.each(func(_ int, p *Process) error { return p.Set(ctx) })
}

// Heldout is the first child's; the others go on.
func (i *Island) Heldout(ctx context.Context) (float64, error) { return i.parts[0].Heldout(ctx) }

// Generate is the first child's; the others go on.
func (i *Island) Generate(ctx context.Context, r writer.Request, emit func(text string)) error {
	return i.parts[0].Generate(ctx, r, emit)
}

// Ready is what the first child said about itself.
func (i *Island) Ready() Ready { return i.parts[0].Ready() }

// Devices lists the children's devices in words.
func (i *Island) Devices() (names []string) {
	for _, p := range i.parts {
		names = append(names, p.Ready().Device)
	}
	return names
}

// Pid is the first child's.
func (i *Island) Pid() int { return i.parts[0].Pid() }

// Pids are all children's; those that train inside this process have none.
func (i *Island) Pids() (pids []int) {
	for _, p := range i.parts {
		if p.Pid() > 0 {
			pids = append(pids, p.Pid())
		}
	}
	return pids
}

// Vector is the first child's.
func (i *Island) Vector() []float32 { return i.parts[0].Vector() }

// Moments are the first child's.
func (i *Island) Moments() (m, v []float32) { return i.parts[0].Moments() }

// Kept is Process.Kept of the mean of all children.
func (i *Island) Kept() (all Kept, ok bool) {
	vectors, shares := make([][]float32, len(i.parts)), make([]float32, len(i.parts))
	for k, p := range i.parts {
		one, ok := p.Kept()
		if !ok || k > 0 && one.Added != all.Added {
			return Kept{}, false
		}
		all.Step, all.Added = all.Step+one.Step, one.Added
		vectors[k], shares[k] = one.Theta, 1/float32(len(i.parts))
	}
	if len(i.parts) > 1 {
		average(vectors, shares, false)
	}
	all.Theta = vectors[0]
	return all, true
}

// Saved is Process.Saved for all children.
func (i *Island) Saved() {
	for _, p := range i.parts {
		p.Saved()
	}
}

// Progress gives the newest progress of all children together.
func (i *Island) Progress() <-chan Progress {
	if len(i.parts) == 1 {
		return i.parts[0].Progress()
	}
	return i.progress
}

// Done is closed when a child has ended.
func (i *Island) Done() <-chan struct{} {
	if len(i.parts) == 1 {
		return i.parts[0].Done()
	}
	return i.over
}

// Err says why a child ended.
func (i *Island) Err() error {
	for k, p := range i.parts {
		if err := p.Err(); err != nil {
			if len(i.parts) > 1 {
				err = fmt.Errorf("device %d of %d: %w", k+1, len(i.parts), err)
			}
			return err
		}
	}
	return nil
}

// Kill ends the children at once, for a reason that Err will give.
func (i *Island) Kill(why error) {
	for _, p := range i.parts {
		p.Kill(why)
	}
}

// Close is Stop and Release.
func (i *Island) Close() error {
	i.Stop()
	return i.Release()
}

// Stop ends the children.
func (i *Island) Stop() {
	i.once.Do(func() { close(i.over) })
	_ = i.each(func(_ int, p *Process) error { p.Stop(); return nil })
	i.group.Wait()
}

// Release removes the exchange files of stopped children.
func (i *Island) Release() error {
	return i.each(func(_ int, p *Process) error { return p.Release() })
}
