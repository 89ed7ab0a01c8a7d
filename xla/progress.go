package xla

import (
	"fmt"
	"io"
	"strings"
)

const barWidth = 30 // characters

// Progress shows how far a download is: a bar that is redrawn on a terminal, a line for every tenth elsewhere.
type Progress struct {
	w        io.Writer
	terminal bool
	label    string
	shown    int64 // percent, or tenth elsewhere, last shown
	open     bool  // the bar's line is not ended
}

// NewProgress writes to w under a label such as "XLA CPU plugin".
func NewProgress(w io.Writer, terminal bool, label string) *Progress {
	return &Progress{w: w, terminal: terminal, label: label, shown: -1}
}

// Update shows done of total bytes, if that looks different from what is shown.
func (p *Progress) Update(done, total int64) {
	if total <= 0 {
		return
	}
	percent := min(100, 100*done/total)
	if !p.terminal {
		if tenth := percent / 10; tenth != p.shown {
			p.shown = tenth
			fmt.Fprintf(p.w, "%s: %d %% of %s\n", p.label, 10*tenth, bytesText(total))
		}
		return
	}
	if percent == p.shown {
		return
	}
	p.shown, p.open = percent, true
	filled := int(percent) * barWidth / 100
	fmt.Fprintf(p.w, "\r%s [%s%s] %3d %% of %s", p.label, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), percent, bytesText(total))
}

// End ends the bar's line, so that what is written next begins a new one.
func (p *Progress) End() {
	if p.open {
		p.open = false
		fmt.Fprintln(p.w)
	}
}
