package data

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my [private] texts*")
	if err := os.MkdirAll(filepath.Join(dir, "below.txt"), 0o755); err != nil {
		t.Skip("this system has no such names:", err)
	}
	if _, err := Folder(dir); err == nil {
		t.Error("a folder in the place of a text was read")
	}
	if err := os.Remove(filepath.Join(dir, "below.txt")); err != nil {
		t.Fatal(err)
	}
	if _, err := Folder(dir); err == nil {
		t.Error("a folder without texts was accepted")
	}
	for name, text := range map[string]string{"b.txt": "second", "a.txt": "first", "c.md": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := Folder(dir)
	if err != nil || string(text) != "first\nsecond\n" {
		t.Errorf("read %q, %v", text, err)
	}
	if _, err := readAtMost(filepath.Join(dir, "a.txt"), 4); err == nil {
		t.Error("a text larger than the bound was read")
	}
}

// A lane of one's own takes every sample once an epoch, wherever it is taken up.
func TestOwnLane(t *testing.T) {
	const n = 50
	var key [32]byte
	for epoch := range uint64(3) {
		l, seen := OwnLane(epoch*n), map[uint64]bool{}
		for range n {
			seen[Permute(key, n, l.Next())] = true
		}
		if len(seen) != n {
			t.Errorf("epoch %d takes %d of %d samples", epoch, len(seen), n)
		}
	}
}
