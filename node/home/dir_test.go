package home_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/home"
)

// TestSwarmOfADirectory tells what is wrong with a directory that is no swarm's.
func TestSwarmOfADirectory(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "odd")
	if err := os.MkdirAll(filepath.Join(odd, "swarm"), 0o700); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "gone"): "there is no directory ",
		dir:                        "belongs to no swarm yet; run murmur init or murmur join first",
		odd:                        "which swarm ",
		closed:                     "this account may not read ",
	} {
		if path == closed && os.Geteuid() == 0 {
			continue // whom nothing is closed to
		}
		if _, err := home.Dir(path).Swarm(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
