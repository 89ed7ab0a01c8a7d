package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokensGoThrough prepares a text with a tokenizer that lies in a folder of its own, which says what ends a text, and follows that token through
// manifest and export, to where other libraries look for it.
func TestTokensGoThrough(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	from, set, dir, out := filepath.Join(home, "tokenizer"), filepath.Join(home, "set"), filepath.Join(home, "A"), filepath.Join(home, "out")
	text, file := filepath.Join(home, "a.txt"), filepath.Join(home, "swarm.toml")
	if err := os.Mkdir(from, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]string{
		filepath.Join(from, "tokenizer.json"):        wordTokenizer,
		filepath.Join(from, "tokenizer_config.json"): `{"eos_token": {"content": "lantern"}}`,
		text: strings.Repeat("the sea ", 3000), file: tiny,
	} {
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"data", "prepare", text, "--out", set, "--tokenizer", from, "--heldout", "50"}, {"init", file, "--data", set, "--dir", dir}, {"export", out, "--dir", dir},
	} {
		if _, stderr, code := output(t, home, args...); code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
	}
	for name, want := range map[string]map[string]any{
		"config.json":           {"eos_token_id": 3.0},
		"tokenizer_config.json": {"eos_token": "lantern", "tokenizer_class": "PreTrainedTokenizerFast"},
	} {
		raw, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		for key, v := range want {
			if got[key] != v {
				t.Errorf("%s says %s is %v, want %v", name, key, got[key], v)
			}
		}
	}
}
