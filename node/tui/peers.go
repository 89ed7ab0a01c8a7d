package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
)

// ranked puts peers first with which something is wrong, and last those that are away.
func ranked(peers []api.Peer) []api.Peer {
	rank := func(p api.Peer) int {
		switch {
		case p.Flag != "":
			return 0
		case p.State == api.Gone:
			return 3
		case !p.Connected:
			return 2
		default:
			return 1
		}
	}
	peers = slices.Clone(peers)
	slices.SortStableFunc(peers, func(a, b api.Peer) int { return cmp.Compare(rank(a), rank(b)) })
	return peers
}

// choice is the index of the chosen peer; the first until one is chosen.
func (s screen) choice() int {
	return max(0, slices.IndexFunc(s.state.Peers, func(p api.Peer) bool { return p.ID == s.chosen }))
}

// The columns of peers; the strip takes what is left, up to all of its rounds, and the flag what that leaves.
const (
	peerCells    = 52 // all before the strip
	leastStrip   = 10
	mostStrip    = 50
	versionCells = 12
	leastWhy     = 12
)

// peers lists the other nodes, with the chosen one's details below.
func (s screen) peers() page {
	if len(s.state.Peers) == 0 {
		p := panel{width: s.width}
		p.row("peers", plain, "no peer is known yet")
		s.tried(&p)
		return whole(p.lines)
	}
	strips := min(max(s.width-peerCells-versionCells-2, leastStrip), mostStrip)
	titles := fit("PEER", 8) + fit("STATE", 11) + fit("PATH", 8) + fitRight("TRIP", 7) + fitRight("LAG", 4) + fitRight("TOK/S", 7) + fitRight("TAKEN", 7) +
		" " + fit(fmt.Sprintf("LAST %d", strips), strips) + " " + fit("VERSION", versionCells)
	chosen, rest := s.choice(), s.width-peerCells-strips-versionCells-3
	return page{
		head: []line{inked(plain, tally(s.state.Peers)), {{titles, strong}}},
		size: len(s.state.Peers),
		row: func(i int) line {
			l := peerLine(s.state.Peers[i], strips, rest)
			if i == chosen && s.pane == peersPane {
				l[0].ink = turned
			}
			return l
		},
		foot: s.details(s.state.Peers[chosen]),
	}
}

func peerLine(p api.Peer, strips, rest int) line {
	mark, state, path, trip, lag, rate := " ", cmp.Or(p.State, "no word"), p.Path, "", "", ""
	if p.Flag != "" {
		mark = "!"
	}
	if !p.Connected {
		path = "none"
	}
	if p.RTTMillis > 0 && p.Connected {
		trip = fmt.Sprintf("%.0f ms", p.RTTMillis)
	}
	if p.State != "" {
		lag, rate = fmt.Sprint(p.Lag), count(p.Rate)
	}
	stateInk := plain
	switch p.State {
	case api.Gone:
		stateInk = bad
	case string(policy.Training):
		stateInk = good
	}
	l := line{
		{mark + fit(p.ID.Short(), 6), plain},
		{" " + fit(state, 10) + " ", stateInk},
		{fit(path, 8) + fitRight(trip, 7) + fitRight(lag, 4) + fitRight(rate, 7) + fitRight(count(p.Share.Tokens), 7) + " ", plain},
	}
	shown := strip(p.Share.Recent, strips)
	l = append(l, shown...)
	l = append(l, span{strings.Repeat(" ", max(0, strips-shown.cells())+1) + fit(strings.TrimPrefix(p.Agent, "murmur/"), versionCells), plain})
	switch {
	case rest < leastWhy: // it stands in the details
	case p.Flag != "":
		l = append(l, span{" " + clean(p.Flag), bad})
	case p.Why != p.State:
		l = append(l, span{" " + clean(p.Why), faint})
	}
	return l
}

// details are what a line has no room for.
func (s screen) details(p api.Peer) []line {
	d := panel{width: s.width}
	d.rule(clean(p.ID.Short()))
	d.add(span{fit("peer id", labelCells), faint}, span{clean(p.ID.String()), plain})
	state := cmp.Or(p.State, "no heartbeat of it has come")
	if p.Why != "" && p.Why != p.State {
		state += ": " + p.Why
	}
	if !p.Seen.IsZero() {
		state += ", heard " + lasting(s.now.Sub(p.Seen)) + " ago"
	}
	d.add(span{fit("state", labelCells), faint}, span{clean(state), plain})
	about := []string{cmp.Or(p.Agent, "no version told")}
	if p.Backend != "" {
		about = append(about, p.Backend)
	}
	switch {
	case p.State == "":
	case p.Lag > 0:
		about = append(about, plural(p.Lag, "round")+" behind")
	case p.Lag < 0:
		about = append(about, plural(-p.Lag, "round")+" ahead")
	}
	about = append(about, plural(p.Share.Updates, "update")+" taken in")
	d.add(span{fit("node", labelCells), faint}, span{clean(strings.Join(about, ", ")), plain})
	if p.Flag != "" {
		d.add(span{fit("! flag", labelCells), bad}, span{clean(p.Flag), bad})
	} else {
		d.add(append(line{{fit("rounds", labelCells), faint}}, strip(p.Share.Recent, s.width-labelCells)...)...)
	}
	return d.lines
}

// tally says in one line how all peers are.
func tally(peers []api.Peer) string {
	states, paths, flagged := map[string]int{}, map[string]int{}, 0
	for _, p := range peers {
		states[cmp.Or(p.State, "without word")]++
		if p.Connected {
			paths[cmp.Or(p.Path, "path not known")]++
		}
		if p.Flag != "" {
			flagged++
		}
	}
	text := plural(len(peers), "peer") + ": " + most(states)
	if len(paths) > 0 {
		text += "; " + most(paths)
	}
	if flagged > 0 {
		text += fmt.Sprintf("; %d flagged", flagged)
	}
	return text
}

// most lists words by how often they are, the commonest first.
func most(of map[string]int) string {
	words := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), strings.Compare(a, b))
	})
	for i, w := range words {
		words[i] = fmt.Sprintf("%d %s", of[w], w)
	}
	return strings.Join(words, ", ")
}
