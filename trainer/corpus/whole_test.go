package corpus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/token"
)

// TestLongDocuments: a text of any length has the tokens that it has as a whole, for tokenizers of every kind, with what the post-processor
// puts before it once, and its end once.
func TestLongDocuments(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "token", "testdata", "small", "*.json"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d tokenizers: %v", len(paths), err)
	}
	lines := string(data.Opticks()[:300_000])
	// These take a run of letters for one word, however long it is, or for one unknown: no cut of it gives the same.
	words := []string{"bert.json", "cased.json", "clip.json", "prefix.json", "suffix.json", "t5.json"}
	texts := map[string]string{"lines": lines, "one line": strings.Join(strings.Fields(lines), " "), "no spaces": strings.Repeat("色光屈折率", 20_000)}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := token.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range texts {
			if name == "no spaces" && slices.Contains(words, filepath.Base(path)) {
				continue
			}
			w := worker{tokenizer: tok, column: "text"}
			w.begin, w.end = around(tok)
			want := slices.Concat(w.begin, tok.Append(nil, text), w.end)
			line, err := json.Marshal(map[string]string{"text": text})
			if err != nil {
				t.Fatal(err)
			}
			for kind, content := range map[string][]byte{".txt": []byte(text), ".jsonl": line} {
				if got := tokensOf(t, w, kind, content); !slices.Equal(got, want) {
					i := 0
					for i < min(len(got), len(want)) && got[i] == want[i] {
						i++
					}
					t.Errorf("%s, %s in %s: %d tokens, want %d; they differ at %d", filepath.Base(path), name, kind, len(got), len(want), i)
				}
			}
		}
	}
}

// tokensOf is all that a worker makes of a file.
func tokensOf(t *testing.T, w worker, kind string, content []byte) (tokens []int32) {
	t.Helper()
	path := write(t, t.TempDir(), "x"+kind, content)
	blocks, err := blocksWith(t, w.tokenizer, file{name: path, path: path, size: int64(len(content)), format: format{kind: kind}})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if w.work(b); b.err != nil {
			t.Fatal(b.err)
		}
		tokens = append(tokens, b.tokens...)
	}
	return tokens
}
