package tui

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// mostCurve is the height from which a curve does not get clearer.
const mostCurve = 20

// swarm is how all nodes together get on: the curve, then rounds, the newest first.
func (s screen) swarm() page {
	return s.rounded(s.progressed(s.width, s.height-1-len(s.top())))
}

// progressed is the curve, and what stands over rounds; it leaves half of a height to them.
func (s screen) progressed(width, height int) []line {
	st := s.state
	held := "held-out loss: the swarm has measured none yet"
	if h := st.Heldout; h != nil {
		held = fmt.Sprintf("held-out loss %.3f at round %d, perplexity %.4g, by %s", h.Loss, h.Height, math.Exp(h.Loss), s.who(h.By))
	}
	out := append([]line{inked(strong, held)}, plot(s.curve, width, min(height/2, mostCurve))...)
	if st.Name != "" {
		out = append(out, inked(plain, fmt.Sprintf("%s, %s tokens/s together; trained %s", plural(st.Round.Active, "node"), count(s.rate()), trained(st))))
	}
	return append(out, inked(strong, "ROUND     TOOK     LOSS     IN  WHO"))
}

// rounded is a page of rounds under a head.
func (s screen) rounded(head []line) page {
	n := len(s.rounds)
	if n == 0 {
		p := whole([]line{inked(faint, "no round has ended here since the node started")})
		p.head = head
		return p
	}
	return page{head: head, size: n, row: func(i int) line { return s.roundLine(s.rounds[n-1-i]) }}
}

// roundLine is a round: who was left out stands first.
func (s screen) roundLine(o api.Outcome) line {
	took := fmt.Sprintf("%.1f s", o.Seconds)
	of := fmt.Sprintf("%d/%d", len(o.Included), len(o.Included)+len(o.Missing))
	l := line{{fit(fmt.Sprint(o.Height), 6) + fitRight(took, 8) + "  " + fitRight(fmt.Sprintf("%.3f", o.Loss), 7) + fitRight(of, 7) + "  ", plain}}
	for _, id := range o.Missing {
		if slices.Contains(o.Late, id) {
			l = append(l, span{"~" + s.who(id) + " ", warn})
		} else {
			l = append(l, span{"-" + s.who(id) + " ", bad})
		}
	}
	var in strings.Builder
	for _, id := range o.Included {
		in.WriteString("+" + s.who(id) + " ")
	}
	return append(l, span{in.String(), good}, span{"closed by " + s.who(o.Closer), faint})
}

// who is a peer in few letters.
func (s screen) who(id proto.PeerID) string {
	if id == s.state.Peer {
		return "this"
	}
	return id.Short()
}

// rate is what all nodes together train, by their own words.
func (s screen) rate() float64 {
	sum := 0.0
	switch policy.Reason(s.state.Reason) {
	case policy.Training, policy.DiskFull:
		sum = s.state.Trainer.TokensPerSec
	}
	for _, p := range s.state.Peers {
		sum += p.Rate
	}
	return sum
}

// strip shows how the newest rounds went, by the letters of api.Share, in at most width cells.
func strip(recent string, width int) (l line) {
	recent = clean(recent)
	runes := []rune(recent)
	inkOf := map[rune]ink{api.InRound: good, api.LateRound: warn, api.OutRound: bad, api.NoRound: faint}
	for _, r := range runes[max(0, len(runes)-max(width, 0)):] {
		if k := inkOf[r]; len(l) > 0 && l[len(l)-1].ink == k {
			l[len(l)-1].text += string(r)
		} else {
			l = append(l, span{string(r), k})
		}
	}
	return l
}
