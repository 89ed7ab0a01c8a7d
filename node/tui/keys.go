package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/murmurnet/murmur/node/api"
)

// spans are how long one may pause by a key, as policy.ParsePause reads it.
var spans = map[string]string{"p": "", "1": "15m", "2": "1h", "3": "tomorrow"}

// press takes a key.
func (s screen) press(key string) (screen, tea.Cmd) {
	s.note = ""
	if key == "ctrl+c" {
		return s, tea.Quit
	}
	if s.asking {
		s.asking = false
		if span, ok := spans[key]; ok {
			return s.steer("pausing", func() (api.State, error) { return s.node.Pause(s.ctx, span, false) })
		}
		return s, nil
	}
	if s.help {
		s.help = false
		if key != "q" {
			return s, nil
		}
	}
	switch key {
	case "q":
		return s, tea.Quit
	case "ctrl+z":
		return s, tea.Suspend
	case "?":
		s.help = true
	case "p":
		if !s.paused() {
			s.asking = true
			return s, nil
		}
		return s.steer("resuming", func() (api.State, error) { return s.node.Resume(s.ctx) })
	case "tab", "right", "l":
		s.pane = (s.pane + 1) % panes
	case "shift+tab", "left", "h":
		s.pane = (s.pane + panes - 1) % panes
	case "1", "2", "3", "4", "5":
		s.pane = pane(key[0] - '1')
	default:
		return s.scroll(key), nil
	}
	return s, nil
}

// scroll moves through the list of the view.
func (s screen) scroll(key string) screen {
	const all = mostEvents * mostRounds // more than any list has
	l := s.layout()
	by, ok := map[string]int{
		"j": 1, "down": 1, "k": -1, "up": -1,
		"pgdown": l.room, "space": l.room, "pgup": -l.room,
		"g": -all, "home": -all, "G": all, "end": all,
	}[key]
	switch {
	case !ok:
	case s.pane != peersPane:
		s.at[s.pane] = min(max(min(s.at[s.pane], l.furthest())+by, 0), l.furthest())
	case len(s.state.Peers) > 0:
		s.chosen = s.state.Peers[min(max(s.choice()+by, 0), len(s.state.Peers)-1)].ID
	}
	return s
}

// paused tells whether a person's pause holds, whatever else the node does.
func (s screen) paused() bool {
	p := s.state.Policy.Pause
	return p.On && (p.Until.IsZero() || s.now.Before(p.Until))
}

// steer asks the node for something, and says so meanwhile.
func (s screen) steer(doing string, ask func() (api.State, error)) (screen, tea.Cmd) {
	s.note = doing + " …"
	return s, func() tea.Msg {
		state, err := ask()
		return answered{state, err, time.Now()}
	}
}
