package tui

import (
	"fmt"
	"math"
	"strings"

	"github.com/murmurnet/murmur/node/api"
)

// A cell of the screen has two columns of four dots, in braille.
const (
	dotsWide = 2
	dotsHigh = 4
	blank    = 0x2800 // the sign without a dot
)

// dotBits are the bits of a cell's dots, by row and column.
var dotBits = [dotsHigh][dotsWide]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// mostLoss bounds what is drawn; nothing that learns is worse.
const mostLoss = 1e3

// plot draws losses over rounds.
func plot(points []api.Heldout, width, height int) []line {
	lo, hi := math.Inf(1), math.Inf(-1)
	first, last := uint64(math.MaxUint64), uint64(0)
	for _, p := range points {
		if math.Abs(p.Loss) < mostLoss { // false for NaN
			lo, hi = min(lo, p.Loss), max(hi, p.Loss)
			first, last = min(first, p.Height), max(last, p.Height)
		}
	}
	if hi < lo || height < 2 {
		return nil
	}
	top, bottom := fmt.Sprintf("%.2f", hi), fmt.Sprintf("%.2f", lo)
	label := max(len(top), len(bottom))
	wide, high := width-label-1, height-1
	if wide < 1 {
		return nil
	}
	c := canvas{wide: wide, high: high, cells: make([]rune, wide*high)}
	lastX, lastY := -1, -1
	for _, p := range points {
		if !(math.Abs(p.Loss) < mostLoss) {
			continue
		}
		x := place(float64(p.Height-first), float64(last-first), wide*dotsWide)
		y := high*dotsHigh - 1 - place(p.Loss-lo, hi-lo, high*dotsHigh)
		if lastX < 0 {
			lastX, lastY = x, y
		}
		c.stroke(lastX, lastY, x, y)
		lastX, lastY = x, y
	}
	out := make([]line, 0, height)
	for row := range high {
		name := ""
		switch {
		case row == 0 && hi > lo:
			name = top
		case row == high-1:
			name = bottom
		}
		out = append(out, line{{fitRight(name, label) + "┤", faint}, {c.row(row), hint}})
	}
	left, right := fmt.Sprintf("round %d", first), fmt.Sprintf("%d", last)
	gap := wide - len(left) - len(right)
	if gap < 1 || first == last {
		return append(out, line{{strings.Repeat(" ", label) + "└" + left, faint}})
	}
	return append(out, line{{strings.Repeat(" ", label) + "└" + left + strings.Repeat(" ", gap) + right, faint}})
}

// place is where a part of a whole lies among n dots.
func place(part, whole float64, n int) int {
	if !(whole > 0) {
		return 0
	}
	return min(max(int(math.Round(part/whole*float64(n-1))), 0), n-1)
}

// canvas is a drawing in dots.
type canvas struct {
	wide, high int
	cells      []rune
}

// stroke draws a straight line.
func (c canvas) stroke(x0, y0, x1, y1 int) {
	steps := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range steps + 1 {
		x, y := x0+(x1-x0)*i/steps, y0+(y1-y0)*i/steps
		c.cells[y/dotsHigh*c.wide+x/dotsWide] |= dotBits[y%dotsHigh][x%dotsWide]
	}
}

func (c canvas) row(row int) string {
	var b strings.Builder
	for _, dots := range c.cells[row*c.wide : (row+1)*c.wide] {
		if dots == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(blank + dots)
	}
	return b.String()
}

func abs(n int) int { return max(n, -n) }
