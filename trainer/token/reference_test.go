package token

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestSmallTokenizers checks the tokenizers of testdata/small, one of each kind, which testdata/train.py made.
func TestSmallTokenizers(t *testing.T) { checkFolder(t, filepath.Join("testdata", "small")) }

// TestAgainstReference checks a folder of tokenizers of published models that testdata/reference.py was run on.
func TestAgainstReference(t *testing.T) {
	dir := os.Getenv("MURMUR_TOKENIZERS")
	if dir == "" {
		const why = "MURMUR_TOKENIZERS names no folder of tokenizers that testdata/reference.py was run on"
		if os.Getenv("MURMUR_REQUIRE_TOKENIZERS") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	checkFolder(t, dir)
}

// checkFolder checks each tokenizer of a folder against the ids and texts of the reference.
func checkFolder(t *testing.T, dir string) {
	var texts []string
	readJSON(t, filepath.Join(dir, "texts"), &texts)
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("%s has %d tokenizers, too few: %v", dir, len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			var want struct {
				IDs   [][]int32 `json:"ids"`
				Texts []*string `json:"texts"`
			}
			readJSON(t, strings.TrimSuffix(path, ".json")+".ref", &want)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tok, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if len(want.IDs) != len(texts) || len(want.Texts) != len(texts) {
				t.Fatalf("the reference has %d texts, want %d: run testdata/reference.py again", len(want.IDs), len(texts))
			}
			ids, bad, size := 0, 0, 0
			start := time.Now()
			got := make([][]int32, len(texts))
			for i, text := range texts {
				got[i] = tok.Append(nil, text)
				size += len(text)
			}
			took := time.Since(start)
			for i, text := range texts {
				if ids += len(got[i]); !slices.Equal(got[i], want.IDs[i]) {
					if bad++; bad < 5 {
						t.Error(differ(tok, text, got[i], want.IDs[i]))
					}
				}
				back := text
				if want.Texts[i] != nil {
					back = *want.Texts[i]
				}
				if d := tok.Decode(want.IDs[i]); d != back {
					if bad++; bad < 5 {
						t.Errorf("text %d decodes to\n%q, want\n%q", i, cutAt(d, back), cutAt(back, d))
					}
				}
			}
			t.Logf("%d ids of %d texts, %d differ, %.1f MB/s at first", ids, len(texts), bad, float64(size)/took.Seconds()/1e6)
			checkStream(t, tok, want.IDs)
		})
	}
}

// checkStream checks that decoding token by token gives what decoding at once gives, in whole characters.
func checkStream(t *testing.T, tok *Tokenizer, texts [][]int32) {
	s := tok.Stream()
	for _, ids := range texts {
		var b strings.Builder
		for _, id := range ids[:min(len(ids), 2000)] {
			part := s.Push(id)
			if !utf8.ValidString(part) {
				t.Fatalf("a part of a character is given: %q", part)
			}
			b.WriteString(part)
		}
		b.WriteString(s.Flush())
		if got, want := b.String(), tok.Decode(ids[:min(len(ids), 2000)]); got != want {
			t.Fatalf("token by token %q, at once %q", cutAt(got, want), cutAt(want, got))
		}
	}
}

// differ describes where ids part.
func differ(tok *Tokenizer, text string, got, want []int32) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	show := func(ids []int32) (s []string) {
		for _, id := range ids[max(0, i-2):min(i+4, len(ids))] {
			s = append(s, tok.entries[id].text)
		}
		return s
	}
	b, _ := json.Marshal(map[string]any{"at": i, "text": cutAt(text, tok.Decode(got[:i])), "got": show(got), "want": show(want)})
	return string(b)
}

// cutAt returns what is near the place where a parts from b.
func cutAt(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[max(0, i-20):min(len(a), i+40)]
}

func readJSON(t testing.TB, path string, to any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
