package corpus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// blocksOf reads one file's blocks, without a pipeline.
func blocksOf(t *testing.T, f file) (blocks []*block, err error) {
	t.Helper()
	return blocksWith(t, letters{}, f)
}

func blocksWith(t *testing.T, tok Tokenizer, f file) (blocks []*block, err error) {
	t.Helper()
	r := reader{column: "text", cutter: cutter{tokenizer: tok}}
	r.take = func(context.Context) (*block, error) { return &block{}, nil }
	r.emit = func(b *block) { blocks = append(blocks, b) }
	return blocks, r.read(t.Context(), &f)
}

// FuzzLines: any bytes are lines of JSON or refused, and a line that the library reads is read the same.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		`{"text": "a"}`, "{\"text\": \"a\\nb\"}\n\n{\"text\": null}\n", `{"text": 1}`, "\ufeff{}", "{\"text\": \"\xff\"}",
		`{"text": "\ud800"}`, `{"text": "a", "text": "b"}`, strings.Repeat("[", 20000), `{"text":"` + strings.Repeat("é", MaxPiece),
	} {
		f.Add([]byte(s))
	}
	w := worker{tokenizer: letters{}, column: "text", end: []int32{0}, strict: true}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		if bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(raw, []byte("\ufeff")), " \t\r\n"), []byte("[")) || isWide(raw) {
			return // an array, or UTF-16
		}
		path := write(t, dir, "x.jsonl", raw)
		blocks, err := blocksOf(t, file{name: path, path: path, size: int64(len(raw)), format: format{kind: ".jsonl"}})
		if err != nil {
			t.Fatal(err) // nothing that fits into a line is refused before it is parsed
		}
		var got []byte
		for _, b := range blocks {
			if w.work(b); b.err != nil {
				return
			}
			start := 0
			for _, p := range b.pieces {
				if p.end-start > 3*MaxPiece+1 {
					t.Fatalf("a piece of %d bytes", p.end-start)
				}
				start = p.end
			}
			for _, n := range b.tokens {
				got = append(got, byte(n))
			}
		}
		var want []byte
		for line := range bytes.Lines(bytes.TrimPrefix(raw, []byte("\ufeff"))) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			var object map[string]any
			if err := json.Unmarshal(line, &object); err != nil {
				t.Fatalf("took %q: %v", line, err)
			}
			if s, _ := object["text"].(string); s != "" {
				want = append(append(want, s...), 0)
			}
		}
		if utf8.Valid(raw) && !bytes.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// isWide reports the mark of UTF-16.
func isWide(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte("\xff\xfe")) || bytes.HasPrefix(raw, []byte("\xfe\xff"))
}

// FuzzArray: any bytes are arrays or refused, and the items of one that the library reads are the same.
func FuzzArray(f *testing.F) {
	for _, s := range []string{"[]", "[1, {\"a\": [2]}]", " [\"]\\\",\"]", "[1]\n[2]", "[", "[1", "[1}]", "[[]", "[1] x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := &array{in: bufio.NewReader(bytes.NewReader(raw))}
		var got []json.RawMessage
		var err error
		for err == nil {
			var item []byte
			if item, _, err = a.next(nil); len(bytes.TrimSpace(item)) > 0 {
				got = append(got, bytes.TrimSpace(item))
			}
		}
		var want []json.RawMessage
		if json.Unmarshal(raw, &want) != nil || want == nil {
			return
		}
		if !errors.Is(err, io.EOF) || len(got) != len(want) {
			t.Fatalf("%d items of %d: %v", len(got), len(want), err)
		}
		for i := range got {
			var g, w bytes.Buffer
			if json.Compact(&g, got[i]) != nil || json.Compact(&w, want[i]) != nil || g.String() != w.String() {
				t.Fatalf("item %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}

// FuzzText: a text's pieces, one behind the other, are the text, and none is too long.
func FuzzText(f *testing.F) {
	f.Add("", 1)
	f.Add("a line\nand another", 5000)
	f.Add("語", 30000)
	f.Add("\xff\xfe", 100000)
	f.Add("\n"+strings.Repeat("x", MaxPiece), 3)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, times int) {
		if isWide([]byte(text)) {
			return
		}
		text = strings.Repeat(text, max(0, min(times, 1<<18/(len(text)+1))))
		path := write(t, dir, "x.txt", []byte(text))
		blocks, err := blocksOf(t, file{name: path, path: path, format: format{kind: ".txt"}})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for i, b := range blocks {
			if len(b.raw) == 0 || len(b.raw) > MaxPiece || b.open != (i+1 < len(blocks)) {
				t.Fatalf("piece %d of %d has %d bytes, open %v", i, len(blocks), len(b.raw), b.open)
			}
			if utf8.ValidString(text) && !utf8.Valid(b.raw) {
				t.Fatal("a letter is cut in two")
			}
			got.Write(b.raw)
		}
		if got.String() != strings.TrimPrefix(text, "\ufeff") {
			t.Fatal("the pieces are another text")
		}
	})
}

// FuzzParquet: any bytes are a parquet file or refused.
func FuzzParquet(f *testing.F) {
	text := "some text"
	whole := parquetOf([]row{{1, &text, nil}, {2, nil, []string{"x"}}}, 1)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(dir, "x.parquet")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		blocks, err := blocksOf(t, file{name: path, path: path, size: int64(len(raw)), format: format{kind: ".parquet"}})
		if err == nil && bytes.Equal(raw, whole) && (len(blocks) != 1 || string(blocks[0].raw) != text) {
			t.Fatalf("read %d blocks of a whole file", len(blocks))
		}
	})
}
