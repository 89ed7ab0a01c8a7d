package mapped

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// full takes some bytes and then no more.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	if n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

func TestFill(t *testing.T) {
	if err := fill(&full{room: 3 * fillBlock / 2}, 2*fillBlock); err == nil {
		t.Error("a full disk went unnoticed")
	}
	enough := &full{room: 3*fillBlock/2 + 1}
	if err := fill(enough, 3*fillBlock/2); err != nil || enough.room != 1 {
		t.Errorf("filled with %v, %d bytes off", err, enough.room-1)
	}
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	a, err := Create(path, 4000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, 4000); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made a second time: %v", err)
	}
	if _, err := Open(path, 3996); err == nil || !strings.Contains(err.Error(), "4000 bytes") {
		t.Errorf("a file of another size: %v", err)
	}
	b, err := Open(path, 4000)
	if err != nil {
		t.Fatal(err)
	}
	if v := a.Floats(); len(v) != 1000 || v[999] != 0 {
		t.Fatalf("%d values, the last %v", len(v), v[len(v)-1])
	}
	a.Floats()[999] = 2.5
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.Floats()[999] != 2.5 || c.Floats()[999] != 2.5 {
		t.Error("what one writes is not what the others see")
	}
	for _, m := range []*File{a, b, c, a} {
		if err := m.Close(); err != nil || m.Bytes != nil {
			t.Errorf("closed with %v, %d bytes", err, len(m.Bytes))
		}
	}
	if _, err := Read(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestScratch: its file has no name while it is in use, where the system lets it go, and leaves nothing.
func TestScratch(t *testing.T) {
	dir := t.TempDir()
	names := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	m, err := Scratch(dir, 1<<21)
	if err != nil {
		t.Fatal(err)
	}
	if n := names(); n > 0 && runtime.GOOS != "windows" {
		t.Errorf("%d names are left while it is in use", n)
	}
	m.Floats()[7] = 1
	if err := m.Close(); err != nil || names() != 0 {
		t.Errorf("closed with %v, %d names are left", err, names())
	}
	if _, err := Scratch(filepath.Join(dir, "nowhere"), 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}
