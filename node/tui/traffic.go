package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// barLabel and barFigure are the cells before a bar.
const (
	barLabel  = 22
	barFigure = 9
)

// traffic is what crossed the line, against what had to and what an all-reduce would have taken.
func (s screen) traffic(width int) []line {
	t, p := s.state.Traffic, panel{width: width}
	p.row("since", plain, fmt.Sprintf("%s ago, when the daemon started", lasting(s.now.Sub(s.state.Started))))
	p.row("line", plain, s.state.Limits.String()+used(s.state))
	p.add()
	largest := max(t.BytesIn, t.BytesOut, t.Necessary, t.AllReduce)
	for _, b := range []struct {
		what string
		n    uint64
		ink  ink
	}{
		{"received", t.BytesIn, hint},
		{"sent", t.BytesOut, hint},
		{"necessary payloads", t.Necessary, good},
		{"an all-reduce instead", t.AllReduce, warn},
	} {
		p.add(span{fit(b.what, barLabel) + fitRight(bytes(b.n), barFigure) + "  ", plain}, span{bar(b.n, largest, width-barLabel-barFigure-2), b.ink})
	}
	p.add()
	if t.Necessary > 0 {
		p.row("", plain, fmt.Sprintf("received: %.2f times the payloads that rounds took in", float64(t.BytesIn)/float64(t.Necessary)))
	}
	if t.BytesIn > 0 && t.AllReduce > 0 {
		p.row("", plain, fmt.Sprintf("an all-reduce of float32 gradients, each step, would have received %s times as much", count(float64(t.AllReduce)/float64(t.BytesIn))))
	}
	p.add()
	p.add(span{fitRight("RECEIVED", barFigure) + fitRight("SENT", barFigure+1) + "  PROTOCOL", strong})
	names := slices.SortedFunc(maps.Keys(t.Protocols), func(a, b string) int {
		x, y := t.Protocols[a], t.Protocols[b]
		return cmp.Or(cmp.Compare(y.In+y.Out, x.In+x.Out), strings.Compare(a, b))
	})
	for _, name := range names {
		b := t.Protocols[name]
		p.add(span{fitRight(bytes(b.In), barFigure) + fitRight(bytes(b.Out), barFigure+1) + "  " + clean(cmp.Or(name, "before one is agreed on")), plain})
	}
	if len(names) == 0 {
		p.add(span{"nothing yet", faint})
	}
	s.dropped(&p)
	return p.lines
}

// dropped are gossip messages that went no further.
func (s screen) dropped(p *panel) {
	causes := slices.Sorted(maps.Keys(s.state.Traffic.Dropped))
	if len(causes) == 0 {
		return
	}
	p.add()
	p.add(span{"GOSSIP THAT WENT NO FURTHER", strong})
	for _, c := range causes {
		p.add(span{fitRight(count(s.state.Traffic.Dropped[c]), barFigure) + "  " + clean(c), plain})
	}
}

// bar is a length in eighths of a cell.
func bar(n, of uint64, width int) string {
	if n == 0 || of == 0 || width <= 0 {
		return ""
	}
	const parts = 8
	eighths := max(1, min(int(float64(n)/float64(of)*float64(width*parts)), width*parts))
	out := strings.Repeat("█", eighths/parts)
	if rest := eighths % parts; rest > 0 {
		out += string(rune('█' + parts - rest)) // the blocks get narrower from the full one on
	}
	return out
}
