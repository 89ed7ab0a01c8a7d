package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// ink is how a piece of text looks. It repeats what the text says, for the eye.
type ink int

const (
	plain ink = iota
	strong
	faint
	good
	warn
	bad
	hint
	turned // as the background, on the foreground's colour
)

// colours are of the 256 that terminals agree on, of middling brightness: each stands out at least 3:1 from white, from
// black and from what usual themes make of them.
var colours = map[ink]ansi.IndexedColor{faint: 244, good: 28, warn: 136, bad: 167, hint: 31}

func (k ink) style(coloured bool) ansi.Style {
	var s ansi.Style
	if c, ok := colours[k]; ok && coloured {
		s = s.ForegroundColor(c)
	}
	switch k {
	case strong, bad:
		return s.Bold()
	case turned:
		return s.Reverse(true)
	default:
		return s
	}
}

// span is text of one ink.
type span struct {
	text string
	ink  ink
}

// line is a row of the screen.
type line []span

// inked is a line of one span.
func inked(k ink, text string) line { return line{{clean(text), k}} }

// draw writes the line in at most width cells.
func (l line) draw(width int, coloured bool) string {
	var b strings.Builder
	for _, s := range l {
		text := cut(s.text, width)
		if width -= cells(text); text == "" {
			continue
		}
		if style := s.ink.style(coloured); len(style) > 0 {
			text = style.Styled(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

func (l line) cells() (n int) {
	for _, s := range l {
		n += cells(s.text)
	}
	return n
}

// fickle are signs that change their neighbour's width on some terminals, and what broken text becomes.
var fickle = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, {Lo: unicode.ReplacementChar, Hi: unicode.ReplacementChar, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x1f1e6, Hi: 0x1f1ff, Stride: 1}, {Lo: 0x1f3fb, Hi: 0x1f3ff, Stride: 1}},
}

// mostMarks bounds accents on one letter; more only serve to write over other lines.
const mostMarks = 2

// clean leaves out what moves the cursor, hides or turns text or has another width from terminal to terminal: controls,
// joiners, directions, variants of emoji, flags.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	marks := 0
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			marks = 0
			return ' '
		case !unicode.IsPrint(r), unicode.Is(fickle, r):
			return -1
		case unicode.Is(unicode.M, r):
			if marks++; marks > mostMarks {
				return -1
			}
			return r
		}
		marks = 0
		return r
	}, s)
}

// cells is how wide clean text is at most, whether a terminal counts runes or what they make together.
func cells(s string) (n int) {
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if r < 0x300 || r >= 0x2500 && r < 0x25a0 || r >= blank && r <= blank+0xff { // nearly all text, and what is drawn
		return 1
	}
	return max(ansi.StringWidthWc(string(r)), ansi.StringWidth(string(r))) // terminals do not agree on some marks
}

// cut shortens clean text to a width, and shows that it did.
func cut(s string, width int) string {
	switch {
	case width <= 0:
		return ""
	case len(s) <= width: // no rune has more cells than bytes
		return s
	}
	used, keep := 0, 0 // keep is what leaves room for the sign
	for i, r := range s {
		w := runeCells(r)
		if used+w > width {
			return s[:keep] + "…"
		}
		if used += w; used < width {
			keep = i + len(string(r))
		}
	}
	return s
}

// fit makes text exactly width cells wide, with the filling on the right.
func fit(s string, width int) string {
	s = cut(clean(s), width)
	return s + strings.Repeat(" ", max(0, width-cells(s)))
}

// fitRight does so with the filling on the left, for numbers.
func fitRight(s string, width int) string {
	s = cut(clean(s), width)
	return strings.Repeat(" ", max(0, width-cells(s))) + s
}

// beside puts two columns next to each other.
func beside(left []line, width int, right []line) []line {
	out := make([]line, max(len(left), len(right)))
	for i := range out {
		if i < len(left) {
			out[i] = append(out[i], left[i].within(width)...)
		}
		if i < len(right) {
			out[i] = append(out[i], span{strings.Repeat(" ", max(0, width-out[i].cells())), plain})
			out[i] = append(out[i], right[i]...)
		}
	}
	return out
}

// within is what of the line fits into a width.
func (l line) within(width int) (out line) {
	for _, s := range l {
		s.text = cut(s.text, width)
		width -= cells(s.text)
		out = append(out, s)
	}
	return out
}
