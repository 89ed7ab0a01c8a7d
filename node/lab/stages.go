package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// time fills in how long the rounds above from took, to a height.
func (s *swarm) time(ctx context.Context, r *RoundResult, from, to uint64) error {
	t, err := s.ask(ctx, from)
	if err != nil {
		return err
	}
	var applied []float64
	stages := map[*float64][]float64{}
	for h := from + 1; h <= to; h++ {
		var due, published time.Time
		last := map[*float64]time.Time{}
		built := time.Time{}
		whole := true
		for _, d := range s.nodes {
			o, _ := t.at(d, h)
			st := o.Stages
			whole = whole && len(o.Included) == len(s.nodes) && !st.Applied.IsZero()
			due, published = earlier(due, st.Due), later(published, st.Published)
			built = earlier(built, st.Known) // the closer has it first
			for field, at := range map[*float64]time.Time{
				&r.Stages.Fetched: st.Held, &r.Stages.Pulled: st.Known, &r.Stages.Verified: st.Verified,
				&r.Stages.Adopted: st.Adopted, &r.Stages.Applied: st.Applied,
			} {
				last[field] = later(last[field], at)
			}
		}
		if !whole {
			continue // somebody was late, which is another matter
		}
		last[&r.Stages.Built] = built
		for field, at := range last {
			stages[field] = append(stages[field], at.Sub(published).Seconds())
		}
		stages[&r.Stages.Published] = append(stages[&r.Stages.Published], published.Sub(due).Seconds())
		applied = append(applied, last[&r.Stages.Applied].Sub(published).Seconds())
	}
	if len(applied) == 0 {
		return errors.New("no round had an update of each node")
	}
	for field, times := range stages {
		*field = spreadOf(times).Median
	}
	r.Rounds, r.Applied = len(applied), spreadOf(applied)
	return nil
}

// used is what all nodes have taken of the machine.
type used struct {
	sent, cpu, trainerCPU, memory, anonymous, trainerMem, heap, goroutines float64
}

func (s *swarm) used() (u used, err error) {
	for _, d := range s.nodes {
		u.sent += float64(d.state.Traffic.BytesOut)
		u.heap += float64(d.state.Process.Heap)
		u.goroutines += float64(d.state.Process.Goroutines)
		cpu, memory, err := usage(d.cmd.Process.Pid)
		if err != nil {
			return u, err
		}
		trainerCPU, trainerMem, err := usage(d.state.Trainer.Pid)
		if err != nil {
			return u, err
		}
		own, err := anonymous(d.cmd.Process.Pid)
		if err != nil {
			return u, err
		}
		u.cpu, u.memory, u.anonymous = u.cpu+cpu, u.memory+float64(memory), u.anonymous+float64(own)
		u.trainerCPU, u.trainerMem = u.trainerCPU+trainerCPU, u.trainerMem+float64(trainerMem)
	}
	return u, nil
}

// payload is the size of a payload that the node holds.
func (d *daemon) payload() (int64, error) {
	dir := filepath.Join(string(d.dir), "payloads")
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(files, func(f os.DirEntry) bool { return !strings.Contains(f.Name(), ".") })
	if i < 0 {
		return 0, fmt.Errorf("there is no payload in %s", dir)
	}
	info, err := files[i].Info()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// RoundReport is what came of the round bench.
type RoundReport struct {
	Cases []RoundResult `json:"cases"`
}

// Table writes the report for people.
func (r RoundReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "NODES\tPARAMETERS\tMETHOD\tAPPLIED ON ALL\tWORST\tMB A ROUND\tOF NECESSARY\tCPU A ROUND\tTRAINER\tMEMORY\tTRAINER\t")
	for _, c := range r.Cases {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.2f s\t%.2f s\t%.1f\t%.2fx\t%.2f s\t%.2f s\t%d MiB\t%d MiB\t\n",
			c.Nodes, thousands(c.Params), c.Method, c.Applied.Median, c.Applied.Worst, c.Bytes/1e6, c.Ratio, c.CPU, c.TrainerCPU,
			c.Memory>>20, c.TrainerMem>>20)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nNODES\tPARAMETERS\tMETHOD\tDUE\tPUBLISHED\tFETCHED\tBUILT\tPULLED\tVERIFIED\tADOPTED\tAPPLIED\t")
	for _, c := range r.Cases {
		s := c.Stages
		fmt.Fprintf(w, "%d\t%s\t%s\t%.2f\t0\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n",
			c.Nodes, thousands(c.Params), c.Method, -s.Published, s.Fetched, s.Built, s.Pulled, s.Verified, s.Adopted, s.Applied)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, `
Real processes on this machine's loopback, a learner that sleeps. Applied on all: from the last update of a round
being published until the last trainer has the commit; stages are medians of the last node to come so far, in seconds.
Necessary: each payload once to each other node. Processor time and memory are a node's, memory the proportional share (PSS).
docs/benchmarks.md has figures of other software.
`)
	return err
}
