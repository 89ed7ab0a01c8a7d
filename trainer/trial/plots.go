package trial

import (
	"io"
	"slices"
)

// headroom of a plot, in nats: below the best end of a curve, and above the worst.
const (
	below = 0.05
	above = 0.35
)

// TokensPlot draws the held-out loss over the tokens that a node trained on.
func (r Report) TokensPlot(out io.Writer) error {
	p := plot{Title: "Held-out loss over tokens", X: "tokens that each node trained on", Y: "held-out loss, nats a byte", Tick: count}
	for i, x := range r.methods() {
		c := curve{Name: x.label(), Style: i}
		for _, at := range x.curve() {
			c.Xs, c.Ys = append(c.Xs, float64(at.Tokens)), append(c.Ys, at.Loss)
		}
		p.Curves = append(p.Curves, c)
	}
	return p.write(out)
}

// BytesPlot draws the held-out loss over the payload bytes that a node sent.
func (r Report) BytesPlot(out io.Writer) error {
	p := plot{Title: "Held-out loss over bytes sent", X: "payload bytes that a node published (logarithmic)", Y: "held-out loss, nats a byte", Log: true, Tick: size}
	for i, x := range r.methods() {
		c := curve{Name: x.label(), Style: i}
		for _, at := range x.curve() {
			if at.Sent > 0 {
				c.Xs = append(c.Xs, float64(at.Sent))
			}
			c.Ys = append(c.Ys, at.Loss)
		}
		p.Curves = append(p.Curves, c)
	}
	return p.write(out)
}

// label is what a plot calls a row.
func (r Row) label() string {
	if _, _, ok := r.Loss(); !ok {
		return r.Name + ", diverged"
	}
	return r.Name
}

// frame is the part of the plane that is drawn: all ends of curves and what is near them, which leaves out most of the
// fall from a random model.
func (p plot) frame() (x0, x1, y0, y1 float64) {
	var ends, xs []float64
	for _, c := range p.Curves {
		if len(c.Ys) > 0 {
			ends = append(ends, c.Ys[len(c.Ys)-1])
		}
	}
	if len(ends) == 0 {
		ends = []float64{1}
	}
	y0, y1 = slices.Min(ends)-below, slices.Max(ends)+above
	for _, c := range p.Curves {
		for i, x := range c.Xs {
			if c.Ys[i] <= y1 {
				xs = append(xs, x)
			}
		}
	}
	if !p.Log {
		xs = append(xs, 0)
	}
	if len(xs) == 0 {
		xs = []float64{1}
	}
	x0, x1 = slices.Min(xs), slices.Max(xs)
	if x1 <= x0 {
		x1 = x0*2 + 1
	}
	if p.Log {
		return x0 / 1.2, x1 * 1.2, y0, y1
	}
	return x0, x1 * 1.02, y0, y1
}
