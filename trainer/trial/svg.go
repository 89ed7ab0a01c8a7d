package trial

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// plot is a picture of curves.
type plot struct {
	Title, X, Y string
	Log         bool                 // the x axis
	Tick        func(float64) string // names a place on it
	Curves      []curve
}

// curve is one line of a plot. Without Xs it is a dashed level at the last of Ys.
type curve struct {
	Name   string
	Style  int // equal in all plots of a report
	Xs, Ys []float64
}

// Sizes in the picture's units.
const (
	width, height          = 980, 560
	left, right, top, foot = 70, 250, 44, 58 // right holds the legend
	legendStep             = 21
	inkless                = "#7d858f" // of text and axes: read on white and on black alike, as are the colours
)

var (
	colours = [...]string{"#3b82f6", "#e8590c", "#2f9e44", "#d6336c", "#9c6ade", "#0c8599", "#b8860b", "#868e96", "#a0705c", "#74a012"}
	dashes  = [...]string{"", "7 3", "2 3"}
)

func (c curve) colour() string { return colours[c.Style%len(colours)] }

func (c curve) stroke() string {
	s := fmt.Sprintf(`stroke="%s" stroke-width="2" fill="none" stroke-linejoin="round"`, c.colour())
	dash := dashes[c.Style/len(colours)%len(dashes)]
	if len(c.Xs) == 0 {
		dash = "10 5"
	}
	if dash != "" {
		s += fmt.Sprintf(` stroke-dasharray="%s"`, dash)
	}
	return s
}

// write draws. The picture has no background, scripts, styles or references.
func (p plot) write(out io.Writer) error {
	x0, x1, y0, y1 := p.frame()
	across := func(x float64) float64 {
		at := (x - x0) / (x1 - x0)
		if p.Log {
			at = math.Log(x/x0) / math.Log(x1/x0)
		}
		return left + at*(width-left-right)
	}
	down := func(y float64) float64 { return top + (y1-y)/(y1-y0)*(height-top-foot) }

	b := &strings.Builder{}
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13" fill="%s">`+"\n",
		width, height, width, height, inkless)
	fmt.Fprintf(b, "<title>%s</title>\n", escaped(p.Title))
	fmt.Fprintf(b, `<clipPath id="plane"><rect x="%d" y="%d" width="%d" height="%d"/></clipPath>`+"\n", left, top, width-left-right, height-top-foot)
	text := func(x, y float64, anchor, extra, s string) {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`+"\n", x, y, anchor, extra, escaped(s))
	}
	line := func(x1, y1, x2, y2 float64, how string) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, how)
	}
	grid := fmt.Sprintf(`stroke="%s" stroke-opacity=".25"`, inkless)
	text(left, 24, "start", ` font-size="16" font-weight="bold"`, p.Title)
	for _, t := range ticks(y0, y1) {
		line(left, down(t), width-right, down(t), grid)
		text(left-8, down(t)+4, "end", "", fmt.Sprintf("%.4g", t))
	}
	places := ticks(x0, x1)
	if p.Log {
		places = logTicks(x0, x1)
	}
	for _, t := range places {
		line(across(t), top, across(t), height-foot, grid)
		text(across(t), height-foot+18, "middle", "", p.Tick(t))
	}
	axis := fmt.Sprintf(`stroke="%s"`, inkless)
	line(left, top, left, height-foot, axis)
	line(left, height-foot, width-right, height-foot, axis)
	text((left+width-right)/2, height-14, "middle", "", p.X)
	text(18, (top+height-foot)/2, "middle", fmt.Sprintf(` transform="rotate(-90 18 %d)"`, (top+height-foot)/2), p.Y)

	drawn := slices.DeleteFunc(slices.Clone(p.Curves), func(c curve) bool { return len(c.Ys) == 0 })
	for _, c := range drawn {
		if len(c.Xs) == 0 {
			y := down(c.Ys[len(c.Ys)-1])
			line(left, y, width-right, y, c.stroke())
			continue
		}
		var points []string
		for i := range c.Xs {
			points = append(points, fmt.Sprintf("%.1f,%.1f", across(c.Xs[i]), down(c.Ys[i])))
		}
		fmt.Fprintf(b, `<polyline clip-path="url(#plane)" points="%s" %s/>`+"\n", strings.Join(points, " "), c.stroke())
		end := len(c.Xs) - 1
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", across(c.Xs[end]), down(c.Ys[end]), c.colour())
	}
	slices.SortStableFunc(drawn, func(a, b curve) int {
		return int(math.Copysign(1, b.Ys[len(b.Ys)-1]-a.Ys[len(a.Ys)-1]))
	})
	for i, c := range drawn { // the worst first, as the curves end
		y := float64(top + 8 + i*legendStep)
		line(width-right+14, y-4, width-right+44, y-4, c.stroke())
		text(width-right+52, y, "start", "", fmt.Sprintf("%s  %.3f", c.Name, c.Ys[len(c.Ys)-1]))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
	return b.String()
}

// ticks are round numbers between two, about six.
func ticks(lo, hi float64) (ts []float64) {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/6)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(step*times) <= 7 {
			step *= times
			break
		}
	}
	for i := math.Ceil(lo / step); i*step <= hi; i++ {
		ts = append(ts, i*step)
	}
	return ts
}

// logTicks are the powers of ten between two numbers; with few of those, their doubles and fives too.
func logTicks(lo, hi float64) (ts []float64) {
	of := []float64{1}
	if hi/lo < 1000 {
		of = []float64{1, 2, 5}
	}
	for e := math.Floor(math.Log10(lo)); e <= math.Log10(hi); e++ {
		for _, times := range of {
			if t := times * math.Pow(10, e); t >= lo && t <= hi {
				ts = append(ts, t)
			}
		}
	}
	return ts
}

// count names a number of tokens.
func count(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.4gM", x/1e6)
	case x >= 1e3:
		return fmt.Sprintf("%.4gk", x/1e3)
	}
	return fmt.Sprintf("%.4g", x)
}

// size names a number of bytes.
func size(x float64) string {
	switch {
	case x >= 1e9:
		return fmt.Sprintf("%.4g GB", x/1e9)
	case x >= 1e6:
		return fmt.Sprintf("%.4g MB", x/1e6)
	case x >= 1e3:
		return fmt.Sprintf("%.4g kB", x/1e3)
	}
	return fmt.Sprintf("%.4g B", x)
}
