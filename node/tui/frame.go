package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
)

// page is what a view shows between the first lines and the last.
type page struct {
	head []line           // lines above the list, which do not scroll
	size int              // number of rows in the list, which scrolls
	row  func(i int) line // makes a row; only visible rows are made
	foot []line           // lines below the list, where there is room
}

// whole is a page of lines that are there already.
func whole(lines []line) page {
	return page{size: len(lines), row: func(i int) line { return lines[i] }}
}

// rows makes the rows from one number up to another.
func (p page) rows(from, to int) (out []line) {
	for i := from; i < min(to, p.size); i++ {
		out = append(out, p.row(i))
	}
	return out
}

// enough is how many lines of a list there must be before a foot may take any.
const enough = 4

// layout is a page below the screen's first lines, fitted to the screen's height.
type layout struct {
	page
	top  []line
	room int // number of rows that fit
}

func (s screen) layout() layout {
	l := layout{page: s.page(), top: s.top()}
	l.room = s.height - 1 - len(l.top) - len(l.head)
	if l.room-len(l.foot) < enough {
		l.foot = nil
	}
	l.room = max(0, l.room-len(l.foot))
	return l
}

// furthest is how far the list can be scrolled.
func (l layout) furthest() int { return max(0, l.size-l.room) }

// render draws the screen: exactly its lines, each at most as wide as it is.
func (s screen) render() string {
	if s.width <= 0 || s.height <= 0 {
		return ""
	}
	l := s.layout()
	from := s.at[s.pane]
	if s.pane == peersPane && !s.help {
		from = s.choice() - l.room/2
	}
	from = min(max(from, 0), l.furthest())
	shown := l.rows(from, from+l.room)
	lines := slices.Concat(l.top, l.head, shown)
	for len(lines) < s.height-1-len(l.foot) {
		lines = append(lines, nil)
	}
	where := ""
	if len(shown) < l.size {
		where = fmt.Sprintf("%d-%d of %d", from+1, from+len(shown), l.size)
	}
	lines = append(lines, l.foot...)
	lines = append(lines[:s.height-1], s.bottom(where))
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.draw(s.width, s.coloured))
	}
	return b.String()
}

func (s screen) page() page {
	switch {
	case s.help:
		return whole(helpLines(s.width))
	case s.now.IsZero():
		return whole([]line{inked(faint, "asking the node …")})
	case s.pane == swarmPane:
		return s.swarm()
	case s.pane == peersPane:
		return s.peers()
	case s.pane == trafficPane:
		return whole(s.traffic(s.width))
	case s.pane == eventsPane:
		return whole(eventLines(s.events, s.width))
	}
	if all := s.overview(); all != nil {
		return whole(all)
	}
	return whole(s.facts(s.width))
}

// nameCells bounds the swarm's name where other things stand beside it.
const nameCells = 28

// top is what stands above every view: what the node does, the views, and what is wrong.
func (s screen) top() []line {
	st := s.state
	first := line{{"murmur", strong}}
	if st.Name != "" {
		first = append(first, span{" " + cut(clean(st.Name), nameCells), plain})
	}
	if !s.now.IsZero() {
		first = append(first, span{"  " + clean(st.Reason), s.reasonInk()})
		if st.Name != "" {
			first = append(first, span{fmt.Sprintf("  round %d  %s  %s tokens/s", st.Head.Height+1, plural(st.Round.Active, "node"), count(s.rate())), plain})
		}
	}
	var tabs line
	for v := range panes {
		name := fmt.Sprintf(" %d %s ", v+1, v)
		if v == s.pane && !s.help {
			tabs = append(tabs, span{fmt.Sprintf("[%d %s]", v+1, v), turned})
		} else {
			tabs = append(tabs, span{name, faint})
		}
	}
	lines := []line{first, tabs}
	switch {
	case !s.lost.IsZero() && s.why != nil && !errors.Is(s.why, api.ErrNoDaemon):
		lines = append(lines, inked(bad, "! not followed since "+clock(s.lost)+": "+s.why.Error()))
	case !s.lost.IsZero():
		lines = append(lines, inked(bad, "! no daemon since "+clock(s.lost)+": it is asked again every second, and this is old"))
	case s.quiet:
		lines = append(lines, inked(bad, "! the daemon is silent since "+clock(s.now)+": this is what it said then"))
	}
	return append(lines, s.alerts()...)
}

// alerts is a line for what is wrong; the node's own view has them in full.
func (s screen) alerts() []line {
	h := s.state.Health
	if len(h) == 0 || s.pane == nodePane && !s.help {
		return nil
	}
	worst := h[0]
	for _, c := range h {
		if c.Severity == health.Problem && worst.Severity != health.Problem {
			worst = c
		}
	}
	more := ""
	if len(h) > 1 {
		more = fmt.Sprintf(" (%d more: see 1)", len(h)-1)
	}
	text := cut("! "+clean(worst.Text+"; "+worst.Do), max(0, s.width-len(more)))
	return []line{{{text, severityInk(worst.Severity)}, {more, severityInk(worst.Severity)}}}
}

func severityInk(s health.Severity) ink {
	if s == health.Problem {
		return bad
	}
	return warn
}

// reasonInk tells at a glance whether the node trains, rests or cannot.
func (s screen) reasonInk() ink {
	switch policy.Reason(s.state.Reason) {
	case policy.Training, policy.Seed, policy.Done:
		return good
	case policy.NoTrainer, policy.DiskFull, policy.Damaged:
		return bad
	default:
		return warn
	}
}

// bottom tells the keys, or asks.
func (s screen) bottom(where string) line {
	switch {
	case s.asking:
		return line{{"pause:", strong}, {" p until I resume  1 15 minutes  2 an hour  3 until tomorrow  esc no", plain}}
	case s.note != "":
		return inked(strong, s.note)
	case s.help:
		return inked(faint, "any key: back")
	}
	word := "pause"
	if s.paused() {
		word = "resume"
	}
	left := fmt.Sprintf("p %s  tab view  j/k scroll  ? help  q quit", word)
	gap := max(2, s.width-cells(left)-cells(where))
	return line{{left + strings.Repeat(" ", gap) + where, faint}}
}

// helpLines explain keys and signs.
func helpLines(width int) []line {
	p := panel{width: width}
	p.add(span{"keys", strong})
	p.row("tab, 1-5", plain, "another view; also the arrows to the left and right")
	p.row("j, k", plain, "down and up, as the arrows; space and pgup by pages; g and G to the ends")
	p.row("p", plain, "pause, or go on")
	p.row("q", plain, "quit; the node goes on without this screen")
	p.add()
	p.add(span{"columns", strong})
	p.row("TRIP, LAG", plain, "the round trip to a peer, and how many rounds it is behind this node")
	p.row("TAKEN", plain, "tokens of it that rounds took in since this node started")
	p.row("IN", plain, "updates in a round, of all that could be")
	p.add()
	p.add(span{"signs", strong})
	p.row("+", good, "the round took this node's update in")
	p.row("~", warn, "its update came too late")
	p.row("-", bad, "it took part, and no update of it came")
	p.row(".", faint, "it did not take part")
	p.row("!", bad, "something is wrong, or wrong with what a peer sends")
	return p.lines
}
