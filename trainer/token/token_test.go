package token

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func small(t testing.TB, name string) *Tokenizer {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "small", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestBytes(t *testing.T) {
	tok := Bytes()
	if tok.Vocab() != 256 {
		t.Fatalf("%d tokens", tok.Vocab())
	}
	ids := tok.Append([]int32{7}, "aé\xff")
	if want := []int32{7, 'a', 0xc3, 0xa9, 0xff}; !slices.Equal(ids, want) {
		t.Fatalf("ids %v, want %v", ids, want)
	}
	if got := tok.Decode(ids[1:]); got != "aé\uFFFD" {
		t.Fatalf("decodes to %q", got)
	}
	if _, ok := tok.Begin(); ok {
		t.Error("a begin")
	}
	if end, ok := tok.End(); !ok || end != 0 {
		t.Error("documents of bytes do not end with the zero byte")
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct{ name, begin, end string }{
		{"gpt2", "", "<|endoftext|>"},
		{"llama3", "<|begin|>", "<|end_of_text|>"},
		{"llama2", "<s>", "</s>"},
		{"bert", "[CLS]", "[SEP]"},
		{"t5", "", "</s>"},
		{"prefix", "", ""},
	} {
		tok := small(t, c.name)
		text := func(id int32, ok bool) string {
			if !ok {
				return ""
			}
			return tok.entries[id].text
		}
		if b, e := text(tok.Begin()), text(tok.End()); b != c.begin || e != c.end {
			t.Errorf("%s begins with %q and ends with %q, want %q and %q", c.name, b, e, c.begin, c.end)
		}
	}
}

func TestSpecialEndComesFirst(t *testing.T) {
	tok, err := Parse([]byte(`{"added_tokens":[{"content":"<eos>","special":true}],"model":{"type":"BPE","vocab":{"</s>":0,"<eos>":1},"merges":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := tok.End(); !ok || id != 1 {
		t.Fatalf("ends with %d, %v", id, ok)
	}
}

func TestStreamGivesCharactersWhenTheyAreComplete(t *testing.T) {
	tok := Bytes()
	s := tok.Stream()
	var got []string
	for _, id := range tok.Append(nil, "a€\xe2\x82b\xf0\x9f") {
		got = append(got, s.Push(id))
	}
	got = append(got, s.Flush(), s.Push('c'), s.Flush())
	want := []string{"a", "", "", "€", "", "", "\uFFFDb", "", "", "\uFFFD", "c", ""}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}

	tok = small(t, "llama2") // a run of byte tokens is one text or none
	s = tok.Stream()
	got = got[:0]
	for _, id := range tok.Append(nil, "x🜁y") {
		got = append(got, s.Push(id))
	}
	if got := strings.Join(append(got, s.Flush()), "|"); got != "|x|||||🜁y|" {
		t.Fatalf("got %q", got)
	}
}

func TestDecodeSkipsWhatIsNoToken(t *testing.T) {
	tok := small(t, "gpt2")
	end, _ := tok.End()
	ids := append([]int32{-1, 1 << 30, end}, tok.Append(nil, " fox")...)
	if got := tok.Decode(ids); got != " fox" {
		t.Fatalf("got %q", got)
	}
}

func TestAppendTakesBrokenText(t *testing.T) {
	tok := small(t, "llama3")
	got := tok.Append(nil, "a\xe2\x82b\xff")
	if want := tok.Append(nil, "a\uFFFDb\uFFFD"); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// TestCacheForgets encodes more distinct words than a worker keeps, from several goroutines.
func TestCacheForgets(t *testing.T) {
	tok := small(t, "llama3")
	var b strings.Builder
	for i := range maxCachedPieces + 1000 {
		for n := i; ; n /= 26 {
			b.WriteByte(byte('a' + n%26))
			if n < 26 {
				break
			}
		}
		b.WriteByte(' ')
	}
	text := b.String()
	want := tok.Append(nil, text)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if !slices.Equal(tok.Append(nil, text), want) || tok.Decode(want) != text {
				t.Error("another answer the second time")
			}
		})
	}
	wg.Wait()
	for range len(tok.idle) {
		if w := <-tok.idle; len(w.cache) > maxCachedPieces || len(w.ids) > maxCachedIDs {
			t.Errorf("a worker keeps %d pieces of %d ids", len(w.cache), len(w.ids))
		}
	}
}

// TestLongRuns checks that the work on one long piece does not grow with its square: these take milliseconds.
func TestLongRuns(t *testing.T) {
	for _, name := range []string{"gpt2", "llama2", "t5", "bert"} {
		tok := small(t, name)
		for _, unit := range []string{"a", " ", "\n", "é", "🜁", "=", "a\u0301"} {
			text := strings.Repeat(unit, 1<<18/len(unit))
			if ids := tok.Append(nil, text); len(ids) == 0 && strings.TrimSpace(text) != "" {
				t.Errorf("%s: no ids for many %q", name, unit)
			}
		}
	}
}

// TestAddedSpaces checks the same of added tokens that take in the spaces beside them and are spaces.
func TestAddedSpaces(t *testing.T) {
	tok, err := Parse([]byte(`{"added_tokens":[{"content":" ","lstrip":true,"rstrip":true}],"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	const n = 1 << 20
	ids := tok.Append(nil, "a"+strings.Repeat(" ", n)+"a")
	if !slices.Equal(ids, []int32{0, 1, 0}) {
		t.Fatalf("%d ids", len(ids))
	}
}

func TestByteLevelIsABijection(t *testing.T) {
	seen := make(map[rune]bool)
	for b := range 256 {
		r := byteLevelRune(byte(b))
		if back, ok := byteLevelByte(r); !ok || back != byte(b) || seen[r] {
			t.Errorf("byte %#x is %q, which is byte %#x", b, r, back)
		}
		seen[r] = true
	}
	for r := range rune(0x400) {
		if _, ok := byteLevelByte(r); ok != seen[r] {
			t.Errorf("%q is taken for a byte: %v", r, ok)
		}
	}
}

func TestAppendValid(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"aé€😀", "aé€😀"},
		{"\xff\xfe", "\uFFFD\uFFFD"},
		{"\xe2\x82", "\uFFFD"},
		{"\xe2\x82A", "\uFFFDA"},
		{"\xe0\x80\x80", "\uFFFD\uFFFD\uFFFD"},
		{"\xf0\x9f\x98", "\uFFFD"},
		{"\xf0\x9f\x98\xe2\x82\xac", "\uFFFD€"},
		{"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		{"\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
	} {
		if got := appendValid(nil, []byte(c.in)); string(got) != c.want || !utf8.Valid(got) {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}

func TestScoresAreReadAsTheReferenceReadsThem(t *testing.T) {
	for _, c := range []struct {
		in   string
		want float64
	}{
		{"0", 0},
		{"-12", -12},
		{"1.5", 1.5},
		{"-1e3", -1000},
		{"25E-1", 2.5},
		{"1e-400", 0},
		{"123456789012345678901234567890", 123456789012345678901234567890.},
		{"-9.123456789012345678901", -9.123456789012345678901},
		{"10.413266654746877", 10.413266654746876}, // the nearest is one step off
	} {
		var s score
		if err := s.UnmarshalJSON([]byte(c.in)); err != nil || float64(s) != c.want {
			t.Errorf("%s is read as %v, %v, want %v", c.in, float64(s), err, c.want)
		}
	}
	for _, bad := range []string{"1e400", "true", `"1"`, "1e99999"} {
		if err := new(score).UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestMaxFile(t *testing.T) {
	if _, err := Parse(bytes.Repeat([]byte(" "), MaxFile+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Fatalf("a file too large: %v", err)
	}
}
