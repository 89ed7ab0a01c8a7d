// Package doctor says in words what is right and wrong with murmur on a machine, and what to do about it.
//
// Look gathers facts, with a running daemon and without; Judge is a pure function of them. It changes nothing but for a
// file that it makes in the swarm's directory and removes, and asks no machine but this one.
package doctor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Verdict is how something is.
type Verdict string

// Verdicts.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning" // it works, with less
	Problem Verdict = "problem" // it does not work, or not for long
)

// Finding is what was found of one thing.
type Finding struct {
	ID      string  `json:"id"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Do      string  `json:"do,omitempty"`
}

// Report is all findings.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Problems counts what does not work.
func (r Report) Problems() (n int) {
	for _, f := range r.Findings {
		if f.Verdict == Problem {
			n++
		}
	}
	return n
}

// Table has a line for each finding, and one for what to do.
func (r Report) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Verdict, f.ID, strings.ReplaceAll(f.Text, "\n", "; "))
		if f.Do != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", f.Do)
		}
	}
	return w.Flush()
}
