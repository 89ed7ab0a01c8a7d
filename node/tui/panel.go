package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// labelCells is how wide the labels of facts are.
const labelCells = 12

// panel collects lines of a width.
type panel struct {
	width int
	lines []line
}

func (p *panel) add(spans ...span) { p.lines = append(p.lines, spans) }

// row adds a labelled text, on as many lines as it takes.
func (p *panel) row(label string, k ink, text string) {
	for i, part := range wrap(text, p.width-labelCells) {
		if i > 0 {
			label = ""
		}
		p.add(span{fit(label, labelCells), faint}, span{part, k})
	}
}

// rule adds a title over the whole width.
func (p *panel) rule(title string) {
	title = "── " + title + " "
	p.add(span{title + strings.Repeat("─", max(0, p.width-cells(title))), faint})
}

// leastWrap is the least width that is worth breaking lines for.
const leastWrap = 12

// wrap breaks clean text into lines, at words where it can.
func wrap(text string, width int) []string {
	text = clean(text)
	if width < leastWrap || cells(text) <= width {
		return []string{text}
	}
	return strings.Split(ansi.WrapWc(text, width, " "), "\n")
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

// when is a time on the clock, with the day where it is another one.
func when(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}
