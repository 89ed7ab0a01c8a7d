package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/policy"
)

// fake is a node that notes what it is asked for.
type fake struct {
	asked []string
	err   error
	watch func(ctx context.Context, w api.Watcher) error
	state api.State
}

func (f *fake) State(context.Context) (api.State, error) { return f.state, f.err }

func (f *fake) Watch(ctx context.Context, w api.Watcher) error              { return f.watch(ctx, w) }
func (f *fake) Events(context.Context, uint64) (e []event.Event, err error) { return nil, f.err }
func (f *fake) Rounds(context.Context, uint64) (o []api.Outcome, err error) { return nil, f.err }
func (f *fake) Curve(context.Context, uint64) (c []api.Heldout, err error)  { return nil, f.err }
func (f *fake) Resume(context.Context) (api.State, error)                   { return f.did("resume", false) }

func (f *fake) Pause(_ context.Context, span string, _ bool) (api.State, error) {
	return f.did("pause "+span, true)
}

func (f *fake) did(what string, on bool) (api.State, error) {
	f.asked = append(f.asked, what)
	s := f.state
	s.Policy.Pause = policy.Pause{On: on}
	return s, f.err
}

// press has a screen take keys, and what they lead to.
func pressed(s screen, keys string) screen {
	for _, key := range strings.Fields(keys) {
		next, then := s.press(key)
		for s = next; then != nil; {
			m := then()
			if _, quits := m.(tea.QuitMsg); quits {
				s.note = "quit"
				break
			}
			var model tea.Model
			model, then = s.Update(m)
			s = model.(screen)
		}
	}
	return s
}

func TestPauseByKey(t *testing.T) {
	for _, c := range []struct {
		keys  string
		asked string
		err   error
		note  string
	}{
		{"p p", "pause ", nil, ""},
		{"p 1", "pause 15m", nil, ""},
		{"p 2", "pause 1h", nil, ""},
		{"p 3", "pause tomorrow", nil, ""},
		{"p esc", "", nil, ""},
		{"p q", "", nil, ""}, // no quits nothing but the question
		{"p p p", "pause ,resume", nil, ""},
		{"p p", "pause ", errors.New("the daemon answered 500"), "the daemon answered 500"},
	} {
		f := &fake{state: lively().state, err: c.err}
		s := lively()
		s.node, s.width, s.height = f, 80, 24
		s = pressed(s, c.keys)
		if got := strings.Join(f.asked, ","); got != c.asked || s.note != c.note || s.asking {
			t.Errorf("%s: asked for %q, says %q, asks %v; want %q and %q", c.keys, got, s.note, s.asking, c.asked, c.note)
		}
	}
	for _, span := range spans {
		if _, err := policy.ParsePause(span, noon); err != nil {
			t.Errorf("the node does not understand a pause of %q: %v", span, err)
		}
	}
}

func TestMoveByKey(t *testing.T) {
	for _, c := range []struct {
		keys string
		pane pane
		help bool
		note string
	}{
		{"tab", swarmPane, false, ""},
		{"tab tab shift+tab", swarmPane, false, ""},
		{"shift+tab", eventsPane, false, ""},
		{"right left left", eventsPane, false, ""},
		{"4", trafficPane, false, ""},
		{"5 tab", nodePane, false, ""},
		{"2 ?", swarmPane, true, ""},
		{"2 ? ?", swarmPane, false, ""},
		{"? 3", nodePane, false, ""},
		{"q", nodePane, false, "quit"},
		{"? q", nodePane, false, "quit"},
		{"ctrl+c", nodePane, false, "quit"},
		{"p ctrl+c", nodePane, false, "quit"},
	} {
		s := lively()
		s.width, s.height = 80, 24
		if s = pressed(s, c.keys); s.pane != c.pane || s.help != c.help || s.note != c.note {
			t.Errorf("%s: view %v, help %v, %q; want %v, %v, %q", c.keys, s.pane, s.help, s.note, c.pane, c.help, c.note)
		}
	}
}

func TestScroll(t *testing.T) {
	s := crowd(200)
	s.width, s.height = 80, 24
	for _, c := range []struct {
		keys  string
		chose int
	}{{"3", 0}, {"j j down", 3}, {"k up", 1}, {"G", 199}, {"j", 199}, {"g k", 0}} {
		if s = pressed(s, c.keys); s.choice() != c.chose {
			t.Errorf("%s: peer %d is chosen, want %d", c.keys, s.choice(), c.chose)
		}
		if id := s.state.Peers[c.chose].ID; strings.Count(s.render(), id.Short()) < 2 || !strings.Contains(s.render(), id.String()) {
			t.Errorf("%s: peer %s is not on the screen with its details", c.keys, id)
		}
	}
	s = pressed(s, "5 j j")
	before := strings.Split(s.render(), "\n")[2:20]
	next, _ := s.Update(event.Event{Seq: 5000, Time: noon, Text: "news"})
	if after := strings.Split(next.(screen).render(), "\n")[2:20]; !slices.Equal(before, after) {
		t.Errorf("what is read moves when news come")
	}
	if s = pressed(s, "G j"); s.at[eventsPane] != s.layout().furthest() {
		t.Errorf("scrolled to %d of %d", s.at[eventsPane], s.layout().furthest())
	}
}

// TestChoiceStays keeps to a peer when others come and go.
func TestChoiceStays(t *testing.T) {
	s := pressed(func() screen { s := crowd(20); s.width, s.height = 80, 24; return s }(), "3 j j j")
	chosen := s.state.Peers[3].ID
	state := s.state
	state.Peers = append(crowd(1).state.Peers, state.Peers[2:]...)
	next, _ := s.Update(seen{state, noon})
	if got := next.(screen); got.state.Peers[got.choice()].ID != chosen {
		t.Error("another peer is chosen")
	}
}
