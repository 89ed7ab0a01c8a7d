package corpus

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	barWidth = 30                     // characters
	redraw   = 200 * time.Millisecond // at least between two looks of a bar
)

// Meter shows progress: a line that is redrawn on a terminal, a line for every tenth elsewhere.
type Meter struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	task     string
	first    Progress  // the task's
	began    time.Time // when that came
	drawn    time.Time
	tenth    int64
	width    int // of the line on the terminal that is not ended
}

// NewMeter writes to w.
func NewMeter(w io.Writer, terminal bool) *Meter {
	return &Meter{w: w, terminal: terminal, now: time.Now}
}

// Show shows how far a task is, if that looks different from what is shown.
func (m *Meter) Show(p Progress) {
	now := m.now()
	if p.Task != m.task {
		m.End()
		m.task, m.first, m.began, m.drawn, m.tenth = p.Task, p, now, time.Time{}, -1
	}
	whole := p.Total > 0 && p.Done >= p.Total
	if !m.terminal {
		if p.Total <= 0 {
			return
		}
		if tenth := min(10, 10*p.Done/p.Total); tenth != m.tenth {
			m.tenth = tenth
			fmt.Fprintf(m.w, "%s: %d %% of %s%s\n", p.Task, 10*tenth, bytesText(p.Total), m.rates(p, now))
		}
		return
	}
	if now.Sub(m.drawn) < redraw && !whole {
		return
	}
	m.drawn = now
	line := fmt.Sprintf("%s %s", p.Task, bytesText(p.Done))
	if p.Total > 0 {
		part := min(1, float64(p.Done)/float64(p.Total))
		filled := int(part * barWidth)
		line = fmt.Sprintf("%s [%s%s] %3.0f %% of %s", p.Task, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), 100*part, bytesText(p.Total))
	}
	line += m.rates(p, now)
	fmt.Fprintf(m.w, "\r%-*s", m.width, line) // covers what was longer before
	m.width = len(line)
}

// rates are bytes a second since the task began here, and the tokens so far.
func (m *Meter) rates(p Progress, now time.Time) string {
	text := ""
	if s := now.Sub(m.began).Seconds(); s > 0 && p.Done > m.first.Done {
		text = fmt.Sprintf(", %.1f MB/s", float64(p.Done-m.first.Done)/1e6/s)
	}
	if p.Tokens > 0 {
		text += fmt.Sprintf(", %.1f M tokens", float64(p.Tokens)/1e6)
	}
	return text
}

// End ends the line, so that what is written next begins a new one.
func (m *Meter) End() {
	if m.width > 0 {
		m.width = 0
		fmt.Fprintln(m.w)
	}
}
