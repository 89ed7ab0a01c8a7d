package token

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// finders are two ways to find one pattern.
type finders struct {
	pattern        string
	known, general finder
}

func knownFinders(t testing.TB) (list []finders) {
	for _, pattern := range []string{patternGPT2, patternLlama, patternQwen, patternO200k, patternTekken, patternDeepSeek, patternNumbers, patternCJK} {
		general, err := compileFinder(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, finders{pattern, knownFinder(pattern), general})
	}
	return list
}

// agree checks that what is written by hand for a pattern finds what package regexp finds, and that splitting loses
// nothing.
func (f finders) agree(t *testing.T, text string) {
	for at := 0; ; {
		from, to := f.known(text, at)
		if wantFrom, wantTo := f.general(text, at); from != wantFrom || to != wantTo {
			t.Fatalf("%q in %q behind %d: from %d to %d, want %d to %d", f.pattern, text, at, from, to, wantFrom, wantTo)
		}
		if from < 0 {
			break
		}
		at = to
	}
	var b strings.Builder
	splitBy(f.known, isolated, false)(text, true, func(piece string, _ bool) { b.WriteString(piece) })
	if b.String() != text {
		t.Fatalf("%q splits %q into %q", f.pattern, text, b.String())
	}
}

func TestKnownPatterns(t *testing.T) {
	list := knownFinders(t)
	letters := []rune(" \t\n\r'sStlLrRevVemdD1٣Ⅻaé\u0301Ǆǅßʰªカ一龥!/_€\u00a0\x00\u200d\u0378😀ſK")
	rand := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := make([]rune, rand.IntN(12))
		for i := range text {
			text[i] = letters[rand.IntN(len(letters))]
		}
		for _, f := range list {
			f.agree(t, string(text))
		}
	}
}

func FuzzKnownPatterns(f *testing.F) {
	for _, s := range seedTexts() {
		f.Add(s)
	}
	list := knownFinders(f)
	f.Fuzz(func(t *testing.T, s string) {
		for _, f := range list {
			f.agree(t, strings.ToValidUTF8(s, "\uFFFD"))
		}
	})
}

func TestBehaviors(t *testing.T) {
	find, err := compileFinder(`-`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		behavior string
		invert   bool
		want     string
	}{
		{"Removed", false, "a|bc"},
		{"Removed", true, "-|-|-|-"},
		{"Isolated", false, "-|a|-|-|bc|-"},
		{"Contiguous", false, "-|a|--|bc|-"},
		{"MergedWithPrevious", false, "-|a-|-|bc-"},
		{"MergedWithNext", false, "-a|-|-bc|-"},
	} {
		text := "-a--bc-"
		b, err := parseBehavior(&c.behavior, -1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		splitBy(find, b, c.invert)(text, true, func(piece string, _ bool) { got = append(got, piece) })
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s, inverted %v: %s, want %s", c.behavior, c.invert, s, c.want)
		}
	}
}
