package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the screens in testdata from what is drawn now")

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// TestScreens compares every view of every story with what was looked at.
func TestScreens(t *testing.T) {
	for name, story := range stories {
		for _, size := range [][2]int{{80, 24}, {200, 60}} {
			file := fmt.Sprintf("%s-%dx%d", name, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				s := story()
				s.width, s.height = size[0], size[1]
				var b strings.Builder
				show := func(title string, s screen) {
					fits(t, s)
					fmt.Fprintf(&b, "════ %s\n%s\n", title, trimmed(ansi.Strip(s.render())))
				}
				for s.pane = range panes {
					show(s.pane.String(), s)
				}
				if name == "lively" {
					s.help = true
					show("help", s)
					s.help, s.asking, s.pane = false, true, nodePane
					show("asked how long to pause", s)
					s.asking, s.pane, s.lost = false, swarmPane, noon
					show("without a daemon", s)
				}
				compare(t, filepath.Join("testdata", file+".golden"), b.String())
			})
		}
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gots, wants := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gots), len(wants)) {
		var g, w string
		if i < len(gots) {
			g = gots[i]
		}
		if i < len(wants) {
			w = wants[i]
		}
		if g != w {
			t.Fatalf("another screen than in %s, line %d; look at it, and if it is right, run: go test ./node/tui -run Screens -rewrite\n got: %s\nwant: %s", file, i+1, g, w)
		}
	}
}

// trimmed leaves out the blanks at lines' ends.
func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
