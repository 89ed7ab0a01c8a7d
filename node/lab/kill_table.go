package lab

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// hivemindKill is what became of Hivemind's survivors: notes and figures of one machine with two cores, 4 processes on
// loopback, 25M float32 parameters, faults 0.3 to 1.8 s into an exchange that takes 4.1 to 4.9 s.
type hivemindKill struct {
	kind            string
	runs, identical int
	next            Spread // until the last survivor's step returned
	failed          int    // survivors whose step failed, of three a run
}

var hivemindKills = []hivemindKill{
	{kind: "kill", runs: 10, next: Spread{Median: 59, Worst: 60}, failed: 17},
	{kind: "stop", runs: 5, next: Spread{Median: 59, Worst: 60}, failed: 14},
}

// Table writes the report for people, beside Hivemind's figures.
func (r KillReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tFAULT\tRUNS\tSURVIVORS IDENTICAL\tNEXT COMMIT, MEDIAN\tWORST\tLEVEL AGAIN, MEDIAN\tWORST\tHEALTHY LOST\tFORKS")
	for _, k := range r.Kinds {
		fmt.Fprintf(w, "murmur\t%s\t%d\t%d\t%.1f s\t%.1f s\t%.1f s\t%.1f s\t%d\t%d\n",
			k.Kind, k.Runs, k.Identical, k.Next.Median, k.Next.Worst, k.Level.Median, k.Level.Worst, k.Lost, k.Forks)
	}
	for _, h := range hivemindKills {
		fmt.Fprintf(w, "Hivemind\t%s\t%d\t%d\t%.0f s\t%.0f s\t\t\t%d\n", h.kind, h.runs, h.identical, h.next.Median, h.next.Worst, h.failed)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, `
murmur: %d processes on this machine's loopback, %s parameters, %s, a learner that sleeps. A fault falls at a random
moment from a round being due to its commit being applied on all, which takes %.2f s when nothing is broken (median).
  Next commit: from the fault until the last survivor has applied the first commit that not all had. Of this grace may
  take %.0f s, and each closer that is gone %.0f s. Level: from the victim's start or SIGCONT until all have one head.
  Lost: survivors whose updates no commit took until then. Forks: commits that survivors adopted and left again.
Hivemind at 1.2: 4 processes on loopback, 25M float32 parameters, Optimizer's defaults, measured once on two cores. Faults
0.3 to 1.8 s into an all-reduce of 4.1 to 4.9 s. Next commit: until the last survivor's step returned. Lost: survivors
whose step failed.
`, r.Nodes, thousands(r.Params), r.Method, r.Exchange.Median, r.Grace, r.ViewTimeout)
	return err
}
