package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
)

// The first view shows everything from this width on; leastBelow are the lines of peers and events that must fit below this
// node then, leastEvents those of events, with their title.
const (
	wide        = 120
	leastBelow  = 16
	leastEvents = 6
)

// facts are what there is to say about this node.
func (s screen) facts(width int) []line {
	st, p := s.state, panel{width: width}
	text := st.Reason
	if st.Why != st.Reason {
		text += ": " + st.Why
	}
	p.row("state", s.reasonInk(), text)
	decided := "by " + st.Source
	if !st.Until.IsZero() {
		decided += "; it may change at " + when(st.Until, s.now)
	}
	p.row("decided", plain, decided)
	for _, c := range st.Health {
		p.row(string(c.Severity), severityInk(c.Severity), "! "+c.Text+", since "+when(c.Since, s.now))
		p.row("", plain, c.Do)
	}
	if st.Name != "" {
		s.progress(&p)
	}
	s.machine(&p)
	p.row("line", plain, st.Limits.String()+used(st))
	p.row("hours", plain, hours(st))
	p.row("reach", plain, st.Reach.String())
	if !slices.ContainsFunc(st.Peers, func(peer api.Peer) bool { return peer.Connected }) {
		s.tried(&p)
	}
	p.row("traffic", plain, fmt.Sprintf("%s sent, %s received; see 4", bytes(st.Traffic.BytesOut), bytes(st.Traffic.BytesIn)))
	p.row("daemon", plain, fmt.Sprintf("murmur %s, up %s, %s of memory, %s on disk", st.Version, lasting(s.now.Sub(st.Started)), bytes(st.Process.Memory), bytes(st.Process.Disk)))
	p.row("peer id", plain, st.Peer.String())
	for _, why := range st.Trainer.Refusals {
		p.row("not used", plain, why)
	}
	for i, what := range st.Sends {
		p.row([]string{"sends", ""}[min(i, 1)], plain, what)
	}
	return p.lines
}

// progress is how far the swarm is, and what it took of this node.
func (s screen) progress(p *panel) {
	st := s.state
	due := ""
	if st.Round.Due {
		due = ", due"
	}
	p.row("round", plain, fmt.Sprintf("%d, %s old%s; of %s, %d steps each", st.Head.Height+1, lasting(seconds(st.Round.Seconds)), due, plural(st.Round.Active, "node"), st.Round.H))
	p.row("trained", plain, trained(st))
	if h := st.Heldout; h != nil {
		p.row("held out", plain, fmt.Sprintf("loss %.3f at round %d, measured by %s", h.Loss, h.Height, h.By.Short()))
	}
	p.row("taken in", plain, fmt.Sprintf("%s of this node, %s tokens", plural(st.Share.Updates, "update"), count(st.Share.Tokens)))
	if st.Share.Recent != "" {
		p.add(append(line{{fit("", labelCells), faint}}, strip(st.Share.Recent, p.width-labelCells)...)...)
	}
}

// machine is what trains, and what it takes.
func (s screen) machine(p *panel) {
	t := s.state.Trainer
	switch {
	case t.Up:
		text := fmt.Sprintf("%s, %s: %s tokens/s, loss %.3f", t.Backend, t.Device, count(t.TokensPerSec), t.Loss)
		if t.Restarts > 0 {
			text += ", " + plural(t.Restarts, "restart")
		}
		p.row("trainer", plain, text)
	default:
		p.row("trainer", plain, "not running")
	}
	for _, d := range s.state.Devices {
		p.row("device", plain, device(d))
	}
}

func device(d api.Device) string {
	parts := []string{d.Name}
	if d.Celsius != 0 {
		parts = append(parts, fmt.Sprintf("%.0f °C", d.Celsius))
	}
	if d.Watts != 0 {
		parts = append(parts, fmt.Sprintf("%.0f W", d.Watts))
	}
	const gib = 1 << 30
	switch {
	case d.Total != 0:
		parts = append(parts, fmt.Sprintf("%.1f of %.1f GiB", float64(d.Memory)/gib, float64(d.Total)/gib))
	case d.Memory != 0:
		parts = append(parts, fmt.Sprintf("%.1f GiB", float64(d.Memory)/gib))
	}
	if d.Others >= 0.005 {
		parts = append(parts, fmt.Sprintf("others use %.0f %%", 100*d.Others))
	}
	return strings.Join(parts, ", ")
}

// tried is what was done to reach others.
func (s screen) tried(p *panel) {
	r := s.state.Reach
	if r.Refusal != "" {
		p.row("not let in", bad, r.Refusal)
	}
	if len(r.Tried) == 0 {
		p.row("alone", warn, "no address of a peer is known; give one with murmur up --bootstrap ADDR, or wait for others to join by the link in murmur status")
		return
	}
	p.row("alone", warn, "no peer is reached yet; each is tried again and again")
	for _, a := range r.Tried {
		p.row("", plain, fmt.Sprintf("%s: %s, %s ago", a.Addr, a.Why, lasting(s.now.Sub(a.At))))
	}
}

// overview is everything at once; nil where there is no room for it.
func (s screen) overview() []line {
	half := s.width / 2
	left := s.facts(half - 2)
	body := s.height - 1 - len(s.top())
	if s.width < wide || len(left) > body-leastBelow {
		return nil
	}
	upper := max(len(left), body/2)
	right := s.progressed(s.width-half, upper)
	right = append(right, s.rounded(nil).rows(0, upper-len(right))...)
	lower := panel{width: s.width}
	below := body - upper
	peers, events := s.peers(), eventLines(newest(s.events, body), s.width)
	lower.rule("3 peers")
	lower.lines = append(lower.lines, upTo(append(peers.head, peers.rows(0, body)...), below-leastEvents-1)...)
	lower.rule("5 events")
	lower.lines = append(lower.lines, upTo(events, below-len(lower.lines))...)
	return append(beside(left, half, upTo(right, upper)), lower.lines...)
}

func upTo(lines []line, n int) []line { return lines[:min(len(lines), max(n, 0))] }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func used(st api.State) string {
	if st.Limits.MonthGB <= 0 {
		return ""
	}
	return fmt.Sprintf("; %s used in %s", bytes(st.Usage.Bytes), st.Usage.Month)
}

func hours(st api.State) string {
	battery := "not on battery"
	if st.Policy.Battery {
		battery = "on battery too"
	}
	return fmt.Sprintf("trains %s; uses the line %s; %s", st.Policy.Compute, st.Policy.Network, battery)
}

func trained(st api.State) string {
	text := fmt.Sprintf("%s of %s tokens%s", count(st.Head.Tokens), count(st.Schedule.TotalTokens), share(st.Head.Tokens, st.Schedule.TotalTokens))
	if st.Schedule.Complete {
		text += ", complete"
	}
	return text
}
