package tui

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/murmurnet/murmur/proto"
)

// fits fails where a screen is not exactly its size, or holds what could move the cursor.
func fits(t interface {
	Helper()
	Errorf(format string, args ...any)
}, s screen,
) {
	t.Helper()
	s.coloured = false
	bare := s.render()
	s.coloured = true
	drawn := s.render()
	if ansi.Strip(drawn) != ansi.Strip(bare) {
		t.Errorf("colours change the text:\n%s\n%s", drawn, bare)
	}
	lines := strings.Split(drawn, "\n")
	if len(lines) != s.height {
		t.Errorf("%d lines on a screen of %d", len(lines), s.height)
	}
	for _, l := range lines {
		text := ansi.Strip(l)
		if w := max(ansi.StringWidthWc(text), ansi.StringWidth(text)); w > s.width {
			t.Errorf("%d cells in a line of %d: %q", w, s.width, text)
		}
		for _, r := range text {
			if unicode.Is(unicode.C, r) {
				t.Errorf("%U is drawn in %q", r, text)
			}
		}
	}
}

// TestAnySize draws all stories at all sizes that a terminal may have.
func TestAnySize(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			s := story()
			for s.width = 20; s.width < 240; s.width += 19 {
				for s.height = 5; s.height < 80; s.height += 11 {
					for s.pane = range panes {
						fits(t, s)
					}
					if t.Failed() {
						t.FailNow()
					}
				}
			}
		})
	}
}

// hostile are texts that a peer may send to spoil a screen.
var hostile = []string{
	"\x1b[2J\x1b[31m", "\x1b]0;title\x07", "a\r\nb\tc", "\u009b1A", "\u202eright to left\u2066", "zero\u200bwidth\u2060", "\xff\xfe broken",
	"漢字かな交じり文", "👩‍👩‍👧‍👦🇩🇪👍🏽❤️", "e" + strings.Repeat("\u0301", 50), strings.Repeat("wide ", 300), strings.Repeat("永", 200), "\u1160\u11a8ᄀ각", "\ufeff\U000e0041", "\U0001d172",
}

// scramble fills a value with anything, whatever fields it may get.
func scramble(t *rapid.T, v reflect.Value) {
	anyText := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String())
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Duration(rapid.Int64().Draw(t, "time")))))
		return
	case proto.PeerID:
		v.Set(reflect.ValueOf(peer(rapid.IntRange(0, 3).Draw(t, "peer"))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(anyText.Draw(t, "text"))
	case reflect.Float64:
		v.SetFloat(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e308})).Draw(t, "float"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(rapid.Uint64().Draw(t, "uint"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scramble(t, v.Elem())
	case reflect.Slice:
		n := rapid.IntRange(0, 4).Draw(t, "n")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			scramble(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			scramble(t, key)
			scramble(t, value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				scramble(t, v.Field(i))
			}
		}
	}
}

// TestAnyState takes in anything and draws it at any size.
func TestAnyState(t *testing.T) {
	keys := []string{"j", "k", "g", "G", "pgdown", "pgup", "tab", "shift+tab", "1", "2", "3", "4", "5", "?", "p", "esc", "ö"}
	rapid.Check(t, func(t *rapid.T) {
		s := screen{node: &fake{}}
		take := func(m tea.Msg) {
			next, _ := s.Update(m)
			s = next.(screen)
			fits(t, s)
		}
		take(tea.WindowSizeMsg{Width: rapid.IntRange(20, 220).Draw(t, "width"), Height: rapid.IntRange(5, 70).Draw(t, "height")})
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			var b begun
			var news seen
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				scramble(t, reflect.ValueOf(&b.events).Elem())
				scramble(t, reflect.ValueOf(&b.rounds).Elem())
				scramble(t, reflect.ValueOf(&b.curve).Elem())
				take(b)
			case 1:
				scramble(t, reflect.ValueOf(&news.state).Elem())
				news.at = noon
				take(news)
			case 2:
				take(lost{noon, errors.New(rapid.SampledFrom(hostile).Draw(t, "error"))})
			default:
				s, _ = s.press(rapid.SampledFrom(keys).Draw(t, "key"))
				fits(t, s)
			}
		}
	})
}
