package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/corpus"
	"github.com/murmurnet/murmur/trainer/shard"
)

// wordTokenizer is a tokenizer.json of whole words.
const wordTokenizer = `{
	"version": "1.0",
	"added_tokens": [{"id": 4, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
	"pre_tokenizer": {"type": "Whitespace"},
	"model": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
		"vocab": {"?": 0, "the": 1, "sea": 2, "lantern": 3}}
}`

func TestData(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lines := write("a.jsonl", `{"body": "the lantern, the sea"}
{"body": "lantern lantern the sea sea sea"}
{"body": "sea sea the lantern"}
{"body": "the the the lantern the"}
`)
	out := filepath.Join(home, "set")
	args := []string{"data", "prepare", lines, "--out", out, "--column", "body", "--tokenizer", write("tokenizer.json", wordTokenizer), "--heldout", "2", "--shard-tokens", "8"}
	stdout, stderr, code := output(t, home, append(args, "--json")...)
	var report corpus.Report
	if err := json.Unmarshal([]byte(stdout), &report); code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, stdout, stderr)
	}
	if report.Documents != 4 || report.Set.Vocab != 5 || report.Set.Heldout.Tokens != 2 || len(report.Set.Shards) < 1 || report.Set.Tokenizer == nil {
		t.Errorf("report %+v", report)
	}
	if !strings.Contains(stderr, "preparing: 100 % of") {
		t.Errorf("progress %q", stderr)
	}

	stdout, _, code = output(t, home, "data", "list", out)
	if code != 0 || !strings.Contains(stdout, report.Set.Shards[0].ID.String()) || !strings.Contains(stdout, "5 ids") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	stdout, _, code = output(t, home, "data", "list", out, "--json")
	var list listed
	if err := json.Unmarshal([]byte(stdout), &list); code != 0 || err != nil || list.Tokens != report.Set.Tokens() || list.Set.Vocab != 5 {
		t.Errorf("exit %d, %v: %s", code, err, stdout)
	}
	stdout, stderr, code = output(t, home, "data", "verify", out)
	if code != 0 || !strings.Contains(stdout, "files are whole") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}

	_, stderr, code = output(t, home, args...)
	if code != 1 || !strings.Contains(stderr, "holds a prepared data set already") {
		t.Errorf("written twice: exit %d: %s", code, stderr)
	}
	if err := os.Truncate(filepath.Join(out, shard.Folder, shard.FileName(report.Set.Shards[0].ID)), 25); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(out, shard.TokenizerFile)); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code = output(t, home, "data", "verify", out, "--json")
	var v verified
	if err := json.Unmarshal([]byte(stdout), &v); code != 1 || err != nil || len(v.Problems) != 2 || v.Files != 2+len(report.Set.Shards) || !strings.HasPrefix(stderr, "murmur: 2 of ") {
		t.Errorf("exit %d, %v: %s%s", code, err, stdout, stderr)
	}
}

func TestDataRefusals(t *testing.T) {
	home := t.TempDir()
	text := filepath.Join(home, "a.txt")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(home, "out")
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no source", []string{"data", "prepare", "--out", out}, 2, "<source>"},
		{"no folder", []string{"data", "prepare", text}, 2, "--out"},
		{"no tokenizer", []string{"data", "prepare", text, "--out", out, "--tokenizer", filepath.Join(home, "none.json")}, 1, "none.json"},
		{"not a tokenizer", []string{"data", "prepare", text, "--out", out, "--tokenizer", text}, 1, "a.txt"},
		{"shard size", []string{"data", "prepare", text, "--out", out, "--shard-tokens", "0"}, 2, "--shard-tokens"},
		{"source", []string{"data", "prepare", "http://example.org/a.txt", "--out", out}, 1, "use https"},
		{"all held out", []string{"data", "prepare", text, "--out", out, "--heldout", "5"}, 1, "all would be held out"},
		{"verify nothing", []string{"data", "verify", home}, 1, "data.toml"},
		{"list nothing", []string{"data", "list", home}, 1, "data.toml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, stderr, code := output(t, home, tc.args...)
			last := lastLines(stderr, 1) // behind the progress
			if code != tc.code || !strings.Contains(last, tc.want) || !strings.HasPrefix(last, "murmur: ") {
				t.Errorf("exit %d, want %d; stderr: %s; want it to say %q", code, tc.code, stderr, tc.want)
			}
		})
	}
}
