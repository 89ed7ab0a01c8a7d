package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestFill replaces a file, and leaves it as it was where filling it fails; nothing else stays in the folder.
func TestFill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	full := errors.New("the disk is full")
	for _, c := range []struct {
		name, write, want string
		fails             error
	}{
		{"a first time", "one", "one", nil},
		{"again", "two, which is longer", "two, which is longer", nil},
		{"half", "thr", "two, which is longer", full},
		{"nothing", "", "", nil},
	} {
		err := Fill(path, 0o640, func(w io.Writer) error {
			_, err := io.WriteString(w, c.write)
			return errors.Join(err, c.fails)
		})
		if !errors.Is(err, c.fails) || err != nil && (!strings.Contains(err.Error(), path+":") || strings.Contains(err.Error(), Suffix)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := os.ReadFile(path); string(got) != c.want || err != nil {
			t.Errorf("%s: it holds %q, %v", c.name, got, err)
		}
		if info, err := os.Stat(path); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o640) {
			t.Errorf("%s: mode %v, %v", c.name, info.Mode(), err)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); len(left) != 1 || err != nil {
			t.Errorf("%s: the folder has %d files, %v", c.name, len(left), err)
		}
	}
	if err := Write(filepath.Join(path, "below a file"), nil, 0o600); err == nil {
		t.Error("a file was written below a file")
	}
}
