package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
)

// SoakParams say how a soak runs.
type SoakParams struct {
	Exe  string
	For  time.Duration
	Step time.Duration // an inner step; 20 make a round
	Out  io.Writer     // the story
}

// Validate says what is wrong with p.
func (p SoakParams) Validate() error {
	switch {
	case p.Exe == "" || p.Out == nil:
		return errors.New("a soak needs a program and somewhere to tell of it")
	case p.For < time.Minute:
		return fmt.Errorf("a soak of %v says nothing: it takes a minute at least", p.For)
	case p.Step < time.Millisecond || p.Step > time.Second:
		return fmt.Errorf("a step of %v: it takes 1ms to 1s", p.Step)
	}
	return nil
}

// SoakReport is what a soak found.
type SoakReport struct {
	Seconds float64    `json:"seconds"`
	Commits uint64     `json:"commits"`
	Samples int        `json:"samples"`
	Same    bool       `json:"same_state"` // on all nodes, at the end
	Root    proto.ID   `json:"state_root"`
	Nodes   []SoakNode `json:"nodes"`
}

// SoakNode is how one daemon's needs developed.
type SoakNode struct {
	Name       string `json:"name"`
	Memory     Trend  `json:"memory_bytes"`
	Heap       Trend  `json:"heap_bytes"`
	Goroutines Trend  `json:"goroutines"`
	Disk       Trend  `json:"disk_bytes"`
}

// Trend compares the second quarter of a soak with its last; the first is
// left out, while caches and diaries fill.
type Trend struct {
	Early float64 `json:"early"` // median
	Late  float64 `json:"late"`
	Grows bool    `json:"grows"`
}

const (
	soakNodes = 4
	soakLook  = 2 * time.Second
	// A tenth more is growth; so are fewer bytes or goroutines than these not, whatever their share.
	soakShare      = 0.10
	soakBytes      = 4 << 20
	soakGoroutines = 8
	soakRest       = time.Minute // for all to come to one head at the end
)

// Holds tells whether the soak went well.
func (r SoakReport) Holds() bool {
	return r.Same && !slices.ContainsFunc(r.Nodes, func(n SoakNode) bool {
		return n.Memory.Grows || n.Heap.Grows || n.Goroutines.Grows || n.Disk.Grows
	})
}

// Soak lets four daemons do short rounds for a long time and watches what they
// take.
func Soak(ctx context.Context, p SoakParams) (r SoakReport, err error) {
	if err := p.Validate(); err != nil {
		return r, err
	}
	m, err := benchManifest("tiny", "bitloco")
	if err != nil {
		return r, err
	}
	m.Rounds.MinMS = uint32((steps * p.Step * 3 / 4).Milliseconds())
	s, err := foundSwarm(p.Exe, "toy:"+p.Step.String(), m, soakNodes)
	if err != nil {
		return r, err
	}
	defer func() { err = s.finish(err) }()
	if err := s.begin(ctx); err != nil {
		return r, err
	}
	began, first := time.Now(), s.height()
	samples := make([][]api.Process, len(s.nodes))
	told := began
	for time.Since(began) < p.For {
		if err := s.until(ctx, 2*soakLook, func() bool { return true }); err != nil {
			return r, err
		}
		for i, d := range s.nodes {
			samples[i] = append(samples[i], d.state.Process)
		}
		if time.Since(told) >= time.Minute {
			told = time.Now()
			fmt.Fprintf(p.Out, "%4.0f s  %d commits  %.1f MB  %d goroutines\n", time.Since(began).Seconds(), s.height()-first,
				float64(s.nodes[0].state.Process.Memory)/1e6, s.nodes[0].state.Process.Goroutines)
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(soakLook):
		}
	}
	r.Seconds, r.Commits, r.Samples = millis(time.Since(began).Seconds()), s.height()-first, len(samples[0])
	for i, d := range s.nodes {
		of := func(f func(api.Process) float64, least float64) Trend { return trendOf(samples[i], f, least) }
		r.Nodes = append(r.Nodes, SoakNode{
			Name:       d.name,
			Memory:     of(func(p api.Process) float64 { return float64(p.Memory) }, soakBytes),
			Heap:       of(func(p api.Process) float64 { return float64(p.Heap) }, soakBytes),
			Goroutines: of(func(p api.Process) float64 { return float64(p.Goroutines) }, soakGoroutines),
			Disk:       of(func(p api.Process) float64 { return float64(p.Disk) }, soakBytes),
		})
	}
	for _, d := range s.nodes {
		if _, err := d.client.Pause(ctx, "", true); err != nil {
			return r, fmt.Errorf("holding node %s: %w", d.name, err)
		}
	}
	err = s.until(ctx, soakRest, func() bool {
		r.Root = s.nodes[0].state.Head.StateRoot
		r.Same = s.all(func(d *daemon) bool {
			return d.state.Head.ID == s.nodes[0].state.Head.ID && d.state.Head.StateRoot == r.Root
		})
		return r.Same
	})
	return r, err
}

func trendOf(samples []api.Process, of func(api.Process) float64, least float64) Trend {
	middle := func(ps []api.Process) float64 {
		var xs []float64
		for _, p := range ps {
			xs = append(xs, of(p))
		}
		return spreadOf(xs).Median
	}
	n := len(samples)
	t := Trend{Early: middle(samples[n/4 : n/2]), Late: middle(samples[n*3/4:])}
	t.Grows = t.Late-t.Early > max(soakShare*t.Early, least)
	return t
}

// Table prints the report for people.
func (r SoakReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d commits in %.0f s; same state on all: %v\n\n", r.Commits, r.Seconds, r.Same)
	fmt.Fprintln(w, "NODE\tMEMORY MB\tHEAP MB\tGOROUTINES\tDISK MB\tGROWS")
	for _, n := range r.Nodes {
		mb := func(t Trend) string { return fmt.Sprintf("%.1f → %.1f", t.Early/1e6, t.Late/1e6) }
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f → %.0f\t%s\t%v\n", n.Name, mb(n.Memory), mb(n.Heap), n.Goroutines.Early, n.Goroutines.Late,
			mb(n.Disk), n.Memory.Grows || n.Heap.Grows || n.Goroutines.Grows || n.Disk.Grows)
	}
	return w.Flush()
}
