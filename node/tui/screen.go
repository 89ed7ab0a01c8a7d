package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/proto"
)

// pane is one of the screen's pages.
type pane int

const (
	nodePane pane = iota
	swarmPane
	peersPane
	trafficPane
	eventsPane
	panes // how many there are
)

func (v pane) String() string { return [panes]string{"node", "swarm", "peers", "traffic", "events"}[v] }

// screen is all that decides what is drawn.
type screen struct {
	node     Node
	ctx      context.Context // context of the requests that keys lead to, for bubbletea's commands get none
	coloured bool

	width, height int
	pane          pane
	at            [panes]int   // lines scrolled past, by view
	chosen        proto.PeerID // peer whose details are shown
	help          bool
	asking        bool   // whether the screen asks how long to pause
	note          string // outcome of the last key

	state  api.State
	now    time.Time // arrival of state; zero: none came yet
	lost   time.Time // when the daemon was lost; zero: it can be followed
	why    error     // why the daemon was lost
	quiet  bool      // whether the daemon is there and says nothing
	rounds []api.Outcome
	events []event.Event
	curve  []api.Heldout
}

// Init has nothing to do: the feed runs by itself.
func (s screen) Init() tea.Cmd { return nil }

// Update takes in what came.
func (s screen) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	var then tea.Cmd
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case tea.KeyPressMsg:
		s, then = s.press(m.String())
	case begun:
		s.events, s.rounds, s.curve = m.events, m.rounds, m.curve
	case seen:
		s.state, s.now, s.lost, s.quiet = m.state, m.at, time.Time{}, false
		s.state.Peers = ranked(m.state.Peers)
	case quiet:
		s.quiet = !s.now.IsZero()
	case lost:
		if s.why = m.err; s.lost.IsZero() {
			s.lost = m.at
		}
	case api.Outcome:
		if n := len(s.rounds); n == 0 || m.Height > s.rounds[n-1].Height {
			s.rounds = newest(append(slices.Clip(s.rounds), m), mostRounds)
			s = s.kept(swarmPane, 1)
		}
	case event.Event:
		if n := len(s.events); n == 0 || m.Seq > s.events[n-1].Seq {
			s.events = newest(append(slices.Clip(s.events), m), mostEvents)
			s = s.kept(eventsPane, len(eventLines([]event.Event{m}, s.width)))
		}
	case []api.Heldout:
		s.curve = m
	case answered:
		s.note = ""
		if m.err != nil {
			s.note = m.err.Error()
			break
		}
		s.state, s.now = m.state, m.at
		s.state.Peers = ranked(m.state.Peers)
	}
	return s, then
}

// kept has a reader who scrolled go on seeing the same lines when new ones come above them.
func (s screen) kept(v pane, lines int) screen {
	if s.at[v] > 0 {
		s.at[v] += lines
	}
	return s
}

func newest[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }

// View draws.
func (s screen) View() tea.View {
	v := tea.NewView(s.render())
	v.AltScreen = true
	return v
}
