package tui

import (
	"image/color"
	"math"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// TestContrast holds every colour against the backgrounds that people have.
func TestContrast(t *testing.T) {
	const least = 3 // of WCAG, for what also stands there in words
	for k, c := range colours {
		for _, ground := range []color.Color{color.White, color.Black, color.RGBA{0x1e, 0x1e, 0x1e, 255}, color.RGBA{0x00, 0x2b, 0x36, 255}, color.RGBA{0xfd, 0xf6, 0xe3, 255}} {
			a, b := luminance(c), luminance(ground)
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < least {
				t.Errorf("ink %d stands out %.2f:1 from %v", k, ratio, ground)
			}
		}
	}
}

func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	part := func(v uint32) float64 {
		if x := float64(v) / 0xffff; x > 0.04045 {
			return math.Pow((x+0.055)/1.055, 2.4)
		} else {
			return x / 12.92
		}
	}
	return 0.2126*part(r) + 0.7152*part(g) + 0.0722*part(b)
}

func TestWithoutColour(t *testing.T) {
	for name, story := range stories {
		s := story()
		s.width, s.height = 200, 60
		if strings.Contains(s.render(), "38;5;") {
			t.Errorf("%s: there are colours", name)
		}
		if s.coloured = true; !strings.Contains(s.render(), "38;5;") {
			t.Errorf("%s: there are no colours", name)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"ada", 5, "ada  "},
		{"ada", 3, "ada"},
		{"adam", 3, "ad…"},
		{"漢字", 4, "漢字"},
		{"漢字", 3, "漢…"},
		{"漢字かな", 4, "漢… "},
		{"a\x1b[31mb\n", 8, "a[31mb  "},
		{"\u202eabc", 3, "abc"},
		{"e\u0301\u0301\u0301\u0301", 2, "e\u0301\u0301 "},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		got := fit(c.text, c.width)
		if got != c.want || ansi.StringWidthWc(got) != max(c.width, 0) {
			t.Errorf("%q in %d cells is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		count(uint64(0)):             "0",
		count(999.0):                 "999",
		count(999.6):                 "1.00k",
		count(uint64(12_340)):        "12.3k",
		count(uint64(999_499_000)):   "999M",
		count(uint64(1_234_567_890)): "1.23B",
		count(math.NaN()):            "?",
		bytes(uint64(1_350_000_000)): "1.35 GB",
		bytes(uint64(12)):            "12 B",
		lasting(seconds(-3)):         "0 s",
		lasting(seconds(59.9)):       "59 s",
		lasting(seconds(3_725)):      "1 h 2 min",
		lasting(seconds(180_000)):    "2 d 2 h",
		plural(1, "node"):            "1 node",
		plural(0, "node"):            "0 nodes",
		share(1, 0):                  "",
		share(1, 8):                  " (12.5 %)",
		bar(1, 2, 4):                 "██",
		bar(1, 1000, 4):              "▏",
		bar(9, 16, 2):                "█▏",
		bar(3, 0, 4):                 "",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
