package chain

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// quickDisk is the operating system's without waiting for the device: tests end
// no machine's power.
type quickDisk struct{ osDisk }

func (quickDisk) syncDir(string) error { return nil }

func (d quickDisk) create(dir string) (file, error) {
	f, err := d.osDisk.create(dir)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

func (quickDisk) openDB(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, NoSync: true, NoGrowSync: true})
}

type unsyncedFile struct{ file }

func (unsyncedFile) Sync() error { return nil }

// end is how a faultDisk fails.
type end struct {
	name    string
	full    bool // not at all: some writes find no space, later ones do
	undo    bool // a power cut: names that were not synced are as they were before
	content cut  // a power cut: what was not synced of a file
}

type cut int

const (
	whole     cut = iota
	truncated     // only its first half is there
	zeroed        // its second half is zeros
)

var ends = []end{
	{name: "killed"},
	{name: "power cut", undo: true, content: truncated},
	{name: "power cut that kept the names", content: zeroed},
	{name: "power cut that kept the data", undo: true},
	{name: "full disk", full: true},
}

var errCrashed = errors.New("crashed")

// fullFor is how many writes in a row find no space.
const fullFor = 3

// faultDisk does n write points as they should be and none after. What a power
// cut can take away is what was not synced: the contents of files, and names
// made, changed or removed in a directory. What bbolt committed is trusted.
type faultDisk struct {
	quickDisk
	end  end
	n    int    // write points left; below 0: one failed
	done int    // write points in all
	last string // the one that failed first

	names  []undo          // newest last
	sizes  map[string]bool // files whose contents were not synced
	lazy   bool            // syncs of files do nothing
	lazier bool            // syncs of directories do nothing
}

type undo struct {
	dir string
	do  func() error
}

func newFaultDisk(n int, e end) *faultDisk { return &faultDisk{end: e, n: n, sizes: map[string]bool{}} }

// point passes a write point, or fails at it.
func (d *faultDisk) point(what string) error {
	d.done++
	d.n--
	if d.n >= 0 {
		return nil
	}
	if d.n == -1 {
		d.last = what
	}
	switch {
	case !d.end.full:
		return errCrashed
	case d.n >= -fullFor:
		return syscall.ENOSPC
	}
	return nil
}

func (d *faultDisk) name(path string, undoing func() error) {
	d.names = append(d.names, undo{filepath.Dir(path), undoing})
}

func (d *faultDisk) makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := d.point("make " + filepath.Base(path)); err != nil {
		return err
	}
	d.name(path, func() error { return os.RemoveAll(path) })
	return d.quickDisk.makeDir(path)
}

func (d *faultDisk) create(dir string) (file, error) {
	if err := d.point("create"); err != nil {
		return nil, err
	}
	f, err := d.osDisk.create(dir)
	if err != nil {
		return nil, err
	}
	path := f.Name()
	d.name(path, func() error { return ignoreGone(os.Remove(path)) })
	return &faultFile{file: f, d: d}, nil
}

func (d *faultDisk) rename(from, to string) error {
	if err := d.point("rename to " + filepath.Base(to)); err != nil {
		return err
	}
	old, err := os.ReadFile(to)
	had := err == nil
	if err := d.quickDisk.rename(from, to); err != nil {
		return err
	}
	if d.sizes[from] {
		delete(d.sizes, from)
		d.sizes[to] = true
	}
	d.name(to, func() error {
		if err := ignoreGone(os.Rename(to, from)); err != nil || !had {
			return err
		}
		return os.WriteFile(to, old, 0o600)
	})
	return nil
}

func (d *faultDisk) link(from, to string) error {
	if err := d.point("link " + filepath.Base(to)); err != nil {
		return err
	}
	if err := d.quickDisk.link(from, to); err != nil {
		return err
	}
	d.name(to, func() error { return ignoreGone(os.Remove(to)) })
	return nil
}

func (d *faultDisk) remove(path string) error {
	if err := d.point("remove " + filepath.Base(path)); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d.name(path, func() error { return os.WriteFile(path, old, 0o600) })
	return d.quickDisk.remove(path)
}

func (d *faultDisk) syncDir(path string) error {
	if err := d.point("sync " + filepath.Base(path)); err != nil {
		return err
	}
	if !d.lazier {
		d.names = slices.DeleteFunc(d.names, func(u undo) bool { return u.dir == path })
	}
	return nil
}

func (d *faultDisk) openDB(path string) (*bolt.DB, error) {
	if _, err := os.Stat(path); err != nil {
		if err := d.point("make " + filepath.Base(path)); err != nil {
			return nil, err
		}
		d.name(path, func() error { return ignoreGone(os.Remove(path)) })
	}
	return d.quickDisk.openDB(path)
}

func (d *faultDisk) commit(db *bolt.DB, change func(*bolt.Tx) error) error {
	if err := d.point("before a transaction"); err != nil {
		return err
	}
	if err := d.quickDisk.commit(db, change); err != nil {
		return err
	}
	if err := d.point("after a transaction"); err != nil && !d.end.full {
		return err
	}
	return nil
}

// cutPower takes away what was not synced, as this disk's end says.
func (d *faultDisk) cutPower() error {
	for _, path := range slices.Sorted(maps.Keys(d.sizes)) {
		b, err := os.ReadFile(path)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		switch d.end.content {
		case whole:
		case truncated:
			b = b[:len(b)/2]
		case zeroed:
			clear(b[len(b)/2:])
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	if d.end.undo {
		for _, u := range slices.Backward(d.names) {
			if err := u.do(); err != nil {
				return err
			}
		}
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

type faultFile struct {
	file
	d *faultDisk
}

func (f *faultFile) Write(b []byte) (int, error) {
	f.d.sizes[f.Name()] = true
	if err := f.d.point("write"); err != nil {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, err
	}
	return f.file.Write(b)
}

func (f *faultFile) Sync() error {
	if err := f.d.point("sync a file"); err != nil {
		return err
	}
	if !f.d.lazy {
		delete(f.d.sizes, f.Name())
	}
	return nil
}

func (f *faultFile) Close() error {
	return errors.Join(f.d.point("close"), f.file.Close())
}
