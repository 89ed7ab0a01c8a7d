package trial

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is a table with what it shows.
type Report struct {
	Params  int     `json:"params"` // of the model
	Steps   int     `json:"steps"`  // of a peer
	Batch   int     `json:"batch"`  // samples of a peer's step
	SeqLen  int     `json:"seq_len"`
	Heldout int     `json:"heldout"` // tokens measured
	Tune    int     `json:"tune"`    // steps of the trials that chose the learning rates; 0: none did
	Backend string  `json:"backend"`
	Rows    []Row   `json:"rows"`
	Claims  []Claim `json:"claims"`
}

// head names the columns of cells.
var head = [...]string{
	"line", "what", "inner", "peers", "H", "lr", "held-out loss", "lowest", "seeds", "bytes/step", "reduction", "sent, MB", "at the host, MB", "time, s",
}

// cells is a row as texts.
func (r Report) cells(x Row) []string {
	loss := "diverged"
	if mean, spread, ok := x.Loss(); ok {
		if loss = fmt.Sprintf("%.3f", mean); len(x.Results) > 1 {
			loss += fmt.Sprintf(" ± %.3f", spread)
		}
	}
	lowest := "–"
	if p, ok := x.lowest(); ok {
		lowest = fmt.Sprintf("%.3f at %d", p.Loss, p.Steps)
	}
	h, step, times, sent, host := "–", "–", "–", "–", "–"
	if x.H > 0 {
		h = fmt.Sprint(x.H)
	}
	if x.Sent() > 0 {
		step, times = fmt.Sprintf("%.0f", x.PerStep()), brief(x.Reduction(r.Params))
		sent, host = brief(x.Sent()/1e6), brief(x.Host()/1e6)
	}
	return []string{
		x.Name, x.Title, x.Optimizer, fmt.Sprint(x.Peers), h, fmt.Sprintf("%.2g", x.Rate*1e3) + "e-3", loss, lowest, fmt.Sprint(len(x.Results)),
		step, times, sent, host, fmt.Sprintf("%.0f", x.Seconds()),
	}
}

// brief has three digits, or as many as there are before the point.
func brief(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// Table writes the report for a terminal.
func (r Report) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(head[:], "\t")))
	for _, x := range r.Rows {
		fmt.Fprintln(w, strings.Join(r.cells(x), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range r.Claims {
		if c.Holds == NotMeasured {
			continue
		}
		if _, err := fmt.Fprintf(out, "\n%s: %s\n  %s\n", c.Holds, c.Text, c.Figures); err != nil {
			return err
		}
	}
	return nil
}

// Names of a report's files.
const (
	MarkdownFile   = "methods-bench.md"
	TokensPlotFile = "methods-tokens.svg"
	BytesPlotFile  = "methods-bytes.svg"
	CellsFile      = "methods-bench.json"
)

// Markdown writes the report as a page that shows the plots beside it.
func (r Report) Markdown(out io.Writer) error {
	b := &strings.Builder{}
	tokens := r.Batch * r.SeqLen
	fmt.Fprintf(b, `# The methods compared

`+"`murmur bench methods`"+` wrote this page. A Llama of %.2f million parameters learns Newton's *Opticks*, whose bytes are its tokens. A peer does
%d inner steps of %dx%d tokens; the learning rate rises for the first %d and falls along a cosine to a tenth. Peers are
virtual: one process, one device (%s), the daemon's own methods, inner optimizers, data lanes and payloads, no network.

`, float64(r.Params)/1e6, r.Steps, r.Batch, r.SeqLen, r.Steps/warmupOf, r.Backend)
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(head[:], " | "), strings.Repeat("---|", len(head)))
	for _, x := range r.methods() {
		fmt.Fprintf(b, "| %s |\n", strings.Join(r.cells(x), " | "))
	}
	fmt.Fprintf(b, `
- *Held-out loss*: in nats a byte, over %d bytes that nothing was trained on, of the model that all share at the end. With several seeds their mean, ± half of
  what lies between the lowest and the highest.
- *Lowest*: where the mean of the seeds was lowest on the way, and at which step, if not at the end: from there on the model learned its text by heart.
- *Bytes/step*: payload bytes that a peer published for each of its inner steps, each counted once. *Reduction*: against a dense fp32 gradient in each step,
  %d bytes. *Sent*: all that it published.
- *At the host*: payload bytes through a node's network interface in both directions, in an all-gather: its own payload to each of the other R − 1 peers,
  and theirs to it. Announcements, heartbeats and packet headers are not in it.
- *All-reduce as one node*: gradients of equal batches averaged at each step are the gradient of one batch, but that the norm is clipped once and not on each
  peer. Its bytes are those of method allreduce.
- *Time*: of one trial, all its peers after each other.

## What it shows

`, r.Heldout, 4*r.Params)
	for _, c := range r.Claims {
		fmt.Fprintf(b, "- **%s**: %s", c.Holds, c.Text)
		if c.Figures != "" {
			fmt.Fprintf(b, " – %s", c.Figures)
		}
		fmt.Fprintln(b)
	}
	fmt.Fprintf(b, `
![Held-out loss over tokens](%s)

A node's tokens: %d a step.

![Held-out loss over bytes sent](%s)

Lone nodes send nothing; dashed lines are where they end.
`, TokensPlotFile, tokens, BytesPlotFile)
	r.variations(b)
	r.rates(b)
	_, err := io.WriteString(out, b.String())
	return err
}

// methods are the rows that compare the methods.
func (r Report) methods() []Row {
	return slices.DeleteFunc(slices.Clone(r.Rows), func(x Row) bool { return x.Like != "" })
}

// variations compares rows with those that they vary.
func (r Report) variations(b *strings.Builder) {
	title := "\n## What was varied\n\nOne thing at a time, at the learning rate of the line that it varies. *Better*: nats below that line with the same seeds, the mean, and the least to the most.\n\n" +
		"| line | varies | by | held-out loss | seeds | bytes/step | better |\n|---|---|---|---|---|---|---|\n"
	for _, x := range r.Rows {
		base := slices.IndexFunc(r.Rows, func(o Row) bool { return o.Name == x.Like })
		if base < 0 {
			continue
		}
		loss, better := "diverged", "–"
		if mean, _, ok := x.Loss(); ok {
			loss = fmt.Sprintf("%.3f", mean)
			if by := r.Rows[base].above(x); len(by) > 0 {
				better = fmt.Sprintf("%.3f (%.3f to %.3f)", average(by), slices.Min(by), slices.Max(by))
			}
		}
		fmt.Fprintf(b, "%s| %s | %s | %s | %s | %d | %.0f | %s |\n", title, x.Name, x.Like, x.Title, loss, len(x.Results), x.PerStep(), better)
		title = ""
	}
}

// rates tells which learning rates were tried.
func (r Report) rates(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Learning rates\n\n")
	if r.Tune == 0 {
		fmt.Fprintln(b, "Not tuned: each line has the one it begins its search with.")
		return
	}
	fmt.Fprintf(b, "Each line's is the best of those tried for the first %d steps of the schedule, with the first seed: held-out loss there by learning rate.\n\n| line | tried |\n|---|---|\n", r.Tune)
	for _, x := range r.methods() {
		var each []string
		for _, t := range x.Tried {
			loss := "diverged"
			if !t.Diverged {
				loss = fmt.Sprintf("%.3f", t.Loss)
			}
			text := fmt.Sprintf("%.2ge-3: %s", t.Rate*1e3, loss)
			if t.Rate == x.Rate {
				text = "**" + text + "**"
			}
			each = append(each, text)
		}
		fmt.Fprintf(b, "| %s | %s |\n", x.Name, strings.Join(each, ", "))
	}
}
