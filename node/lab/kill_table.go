package lab

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table writes the report for people.
func (r KillReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tRUNS\tSURVIVORS IDENTICAL\tNEXT COMMIT, MEDIAN\tWORST\tLEVEL AGAIN, MEDIAN\tWORST\tHEALTHY LOST\tFORKS")
	for _, k := range r.Kinds {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f s\t%.1f s\t%.1f s\t%.1f s\t%d\t%d\n",
			k.Kind, k.Runs, k.Identical, k.Next.Median, k.Next.Worst, k.Level.Median, k.Level.Worst, k.Lost, k.Forks)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, `
%d processes on this machine's loopback, %s parameters, %s, a learner that sleeps. A fault falls at a random
moment from a round being due to its commit being applied on all, which takes %.2f s when nothing is broken (median).
  Next commit: from the fault until the last survivor has applied the first commit that not all had. Of this grace may
  take %.0f s, and each closer that is gone %.0f s. Level: from the victim's start or SIGCONT until all have one head.
  Lost: survivors whose updates no commit took until then. Forks: commits that survivors adopted and left again.
docs/benchmarks.md has figures of other software.
`, r.Nodes, thousands(r.Params), r.Method, r.Exchange.Median, r.Grace, r.ViewTimeout)
	return err
}
