// Package fits says what a swarm takes of a machine, before anything of its model's size is fetched, made or compiled: memory, disk, and the line.
//
// It guarantees that nothing of the model's size is made. Memory goes by the estimate by which a trainer lays out its step (package inner), which measured peaks
// stay below on processors; that of graphics cards is the same estimate, and was not measured. It must not know how a machine is looked at.
package fits

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/worker"
)

// Machine is what there is, in bytes and bytes a second; 0: it is not known.
type Machine struct {
	Device string  `json:"device"` // in words
	Memory uint64  `json:"memory"` // that a step may take on the device
	Host   uint64  `json:"host"`   // that the rest may take beside it
	Disk   uint64  `json:"disk"`   // free where the swarm's directory is
	Up     float64 `json:"up"`     // of the line
	Down   float64 `json:"down"`
	Peers  int     `json:"peers"` // that take part, this one included
}

// What a node takes beside its trainer.
const (
	daemonBytes = 64 << 20 // and a byte a parameter
	workStates  = 2        // states that the daemon works on, in files
	snapshots   = 3        // two that are kept, and one that is written
	localCopies = 2        // of what was learned, when it is saved: parameters and two moments
	exchanged   = 3        // vectors that daemon and trainer share
)

// leastVectors are the vectors on disk with the smallest shared state.
const leastVectors = workStates + snapshots + 3*localCopies + exchanged

// mostMade is the largest model, in parameters, whose method is made to size up its payload where a step does not fit: it holds 7 bytes for each 1,000 of them.
const mostMade = 1 << 32

// Report is what a swarm takes, and what would make it fit.
type Report struct {
	Name    string  `json:"name"`
	Params  uint64  `json:"params"`
	Base    uint64  `json:"base,omitempty"` // parameters of the model under an adapter
	Machine Machine `json:"machine"`

	Step   worker.Plan `json:"step"` // how a step is laid out here; the least one where not even that fits
	Daemon uint64      `json:"daemon"`
	Disk   uint64      `json:"disk"`
	Fits   bool        `json:"fits"`
	Lacks  string      `json:"lacks,omitempty"` // memory or disk
	Why    string      `json:"why,omitempty"`   // what does not fit
	Ways   []string    `json:"ways,omitempty"`

	Payload  uint64  `json:"payload"`          // bytes of an update, at most
	Down     uint64  `json:"down"`             // bytes that come in a round
	Exchange float64 `json:"exchange_seconds"` // that a round's payloads need on this line; 0: it is not known
}

// Of computes what a swarm takes of a machine. s is what its trainer is told.
func Of(m manifest.Manifest, s worker.Spec, on Machine) (r Report, err error) {
	p := uint64(m.Model.Layout().Params())
	r = Report{Name: m.Name, Params: p, Machine: on, Daemon: daemonBytes + p}
	var base uint64 // files that a node has, or fetches
	if m.Adapter != nil {
		r.Base = uint64(m.Model.Config.Base().Layout().Params())
		for _, b := range m.Model.BaseFiles {
			base += b.Size
		}
	}
	if r.step(s); r.Lacks != "" && p > mostMade {
		r.Disk = 4 * leastVectors * p
		return r, nil
	}
	method, err := m.Outer()
	if err != nil {
		return r, err
	}
	r.Payload = uint64(method.MaxPayload())
	r.Disk = 4*((workStates+snapshots)*uint64(method.State())+(3*localCopies+exchanged)*p) + r.Payload*uint64(max(on.Peers, 1))*uint64(m.Rounds.SnapshotEvery) + base
	r.Down = r.Payload * uint64(max(on.Peers-1, 0))
	if on.Up > 0 && on.Down > 0 {
		r.Exchange = max(float64(r.Payload)/on.Up, float64(r.Down)/on.Down)
	}
	switch {
	case r.Lacks != "":
	case on.Host > 0 && r.Daemon > on.Host:
		r.Lacks, r.Why = "memory", fmt.Sprintf("the daemon takes %s of memory, and %s are free", Size(r.Daemon), Size(on.Host))
	case on.Disk > 0 && r.Disk > on.Disk:
		r.Lacks, r.Why = "disk", fmt.Sprintf("it takes up to %s of disk, and %s are free", Size(r.Disk), Size(on.Disk))
	default:
		r.Fits = true
	}
	return r, nil
}

// step lays out the training step, and finds what else would fit.
func (r *Report) step(s worker.Spec) {
	plan, err := s.Plan(r.Machine.Memory)
	if r.Step = plan; err == nil {
		return
	}
	r.Step = s.Least()
	r.Lacks, r.Why = "memory", fmt.Sprintf("a training step takes %s of memory, one sample of %d tokens at a time and each block computed twice, and may take %s",
		Size(r.Step.Memory), s.Model.SeqLen, Size(r.Machine.Memory))
	if half, err := s.Half().Plan(r.Machine.Memory); err == nil && r.Step.Precision != half.Precision {
		r.Ways = append(r.Ways, fmt.Sprintf("inner.precision = %q in the swarm's file takes %s", half.Precision, Size(half.Memory)))
	}
	if a := s.Model.Adapter; a != nil && a.Base != model.BaseNF4 {
		packed, adapter := s, *a
		adapter.Base = model.BaseNF4
		packed.Model.Adapter = &adapter
		if less := packed.Least(); less.Memory <= r.Machine.Memory {
			r.Ways = append(r.Ways, fmt.Sprintf("adapter.base = %q in the swarm's file takes %s", adapter.Base, Size(less.Memory)))
		}
	}
	short := s
	for short.Model.SeqLen > 64 {
		short.Model.SeqLen /= 2
		if less := short.Least(); less.Memory <= r.Machine.Memory {
			r.Ways = append(r.Ways, fmt.Sprintf("samples of %d tokens take %s", short.Model.SeqLen, Size(less.Memory)))
			break
		}
	}
	r.Ways = append(r.Ways, fmt.Sprintf("a device or machine of which a step may take %s", Size(r.Step.Memory)))
}

// Line says in one line what does not fit, and what would; "" where all does.
func (r Report) Line() string {
	if r.Fits {
		return ""
	}
	line := r.Name + " does not fit here: " + r.Why
	if len(r.Ways) > 0 {
		line += "; " + r.Ways[0] + " (murmur fits says more)"
	}
	return line
}

// Table writes the report for people.
func (r Report) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	what := Count(r.Params) + " parameters"
	if r.Base > 0 {
		what = fmt.Sprintf("an adapter of %s parameters on a model of %s", Count(r.Params), Count(r.Base))
	}
	fmt.Fprintf(w, "%s\t%s\n", r.Name, what)
	fmt.Fprintf(w, "memory\t%s for a step on %s%s\n", Size(r.Step.Memory), r.Machine.Device, of(r.Machine.Memory))
	fmt.Fprintf(w, "\t%s, %d samples at once%s%s\n", r.Step.Precision, r.Step.AtOnce,
		when(r.Step.Remat, ", each block computed twice"), when(r.Step.Tight, ", memory given back at once"))
	fmt.Fprintf(w, "\t%s for the daemon%s\n", Size(r.Daemon), of(r.Machine.Host))
	fmt.Fprintf(w, "disk\tup to %s%s\n", Size(r.Disk), of(r.Machine.Disk))
	if r.Payload > 0 {
		fmt.Fprintf(w, "a round\tsends up to %s, and takes in up to %s of %d peers\n", Size(r.Payload), Size(r.Down), max(r.Machine.Peers-1, 0))
	}
	if r.Exchange > 0 {
		fmt.Fprintf(w, "\t%.1f s for that on a line of %.0f Mbit/s up and %.0f down; training goes on meanwhile\n", r.Exchange, r.Machine.Up*8/1e6, r.Machine.Down*8/1e6)
	}
	if r.Fits {
		fmt.Fprintln(w, "it fits")
		return w.Flush()
	}
	fmt.Fprintf(w, "it does not fit\t%s\n", r.Why)
	for _, way := range r.Ways {
		fmt.Fprintf(w, "what would\t%s\n", way)
	}
	return w.Flush()
}

func of(free uint64) string {
	if free == 0 {
		return ""
	}
	return fmt.Sprintf(", of %s", Size(free))
}

func when(is bool, words string) string {
	if is {
		return words
	}
	return ""
}

// Size writes bytes for people.
func Size(n uint64) string {
	switch {
	case n < 10_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Count writes a number of parameters for people.
func Count(n uint64) string {
	if n < 1_000_000_000 {
		return fmt.Sprintf("%.2f million", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f billion", float64(n)/1e9)
}
