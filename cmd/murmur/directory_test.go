package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoSuchDirectory mistypes --dir, as where no daemon could be, and names a directory that this account may not look into.
func TestNoSuchDirectory(t *testing.T) {
	user := t.TempDir()
	gone, closed := filepath.Join(user, "gone"), filepath.Join(user, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{gone: "there is no directory " + gone, closed: "this account may not read " + closed}
	for dir, want := range wants {
		if dir == closed && os.Geteuid() == 0 {
			continue // whom nothing is closed to
		}
		for _, args := range [][]string{
			{"status"},
			{"why"},
			{"pause"},
			{"resume"},
			{"finish"},
			{"invite"},
			{"members"},
			{"link"},
			{"peers"},
			{"rounds"},
			{"export", filepath.Join(user, "out")},
			{"generate", "x"},
			{"eval", "arc_easy=x"},
		} {
			if _, stderr, code := output(t, user, append(args, "--dir", dir)...); code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("%s: %d, %q", args[0], code, stderr)
			}
		}
		if _, stderr, code := output(t, user, "fork", "--from", dir, "--name", "y"); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("fork: %d, %q", code, stderr)
		}
	}
}
