package chain

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/proto"
)

// check opens a directory after a crash and compares it with the promise.
func (w *world) check(dir string, p *promise) error {
	s, b, err := w.open(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Damaged(); err != nil {
		return err
	}
	head, base := b.Marks()
	found := marks{head.ID, base.ID}
	if found != p.marks && found != p.doing.marks {
		return fmt.Errorf("head and base are at heights %d and %d, neither what was recorded nor what was about to be", head.Height, base.Height)
	}
	if _, ok := b.Path(base.ID, head.ID); !ok {
		return fmt.Errorf("head at %d does not follow from base at %d", head.Height, base.Height)
	}
	p.marks = found
	for id := range p.commits {
		if _, ok := b.Commit(id); !ok {
			return fmt.Errorf("commit %s is gone", id.Short())
		}
	}
	if err := p.checkOwn(s, b); err != nil {
		return err
	}
	local, err := s.Local()
	defer func() { _ = local.Close() }()
	switch {
	case err != nil:
		return err
	case local == nil && p.local != 0, local != nil && local.Seq != p.local && local.Seq != p.doing.local:
		return fmt.Errorf("local state is %+v, want that of %d or %d", local, p.local, p.doing.local)
	}
	return errors.Join(intact(s), kept(p.payloads, s.PayloadPath), kept(p.states, s.StatePath), w.checkDaily(s, p))
}

// checkDaily compares the daily states with those that were promised.
func (w *world) checkDaily(s *Store, p *promise) error {
	var heights []uint64
	for _, d := range s.Dailies() {
		heights = append(heights, d.Height)
		want := w.foreign
		if d.Height <= lastRound {
			want = w.chapters[d.Height-1]
		}
		got := make([]byte, len(want.state))
		if err := ReadPrefix(filepath.Join(s.dir, DailyFolder), d.Root, got); err != nil {
			return fmt.Errorf("the daily state of height %d: %w", d.Height, err)
		}
	}
	for _, h := range p.daily {
		if !p.full && !slices.Contains(heights, h) {
			return fmt.Errorf("daily states of heights %d are there, and %d were promised", heights, p.daily)
		}
	}
	return nil
}

func (p *promise) checkOwn(s *Store, b *Book) error {
	covers := s.Own()
	for id, want := range p.own {
		if covers[id] != want {
			return fmt.Errorf("own update %s stands for %d tokens, want %d", id.Short(), covers[id], want)
		}
	}
	for id := range covers {
		u, ok := b.Update(id)
		if !ok {
			return fmt.Errorf("own update %s is not in the book", id.Short())
		}
		if _, err := s.Payload(u.Payload, u.Author); err != nil {
			return fmt.Errorf("own update %s: %w", id.Short(), err)
		}
	}
	return nil
}

func kept(want map[proto.ID][]byte, path func(proto.ID) string) error {
	for id, b := range want {
		if got, err := hashed(path(id), id); err != nil || !bytes.Equal(got, b) {
			return fmt.Errorf("promised %s: %d bytes, %w", id.Short(), len(got), err)
		}
	}
	return nil
}

// hashed reads a blob and checks its hash.
func hashed(path string, id proto.ID) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil && proto.HashBlob(b).Root() != id {
		err = ErrCorrupt
	}
	return b, err
}

// intact finds files that do not belong there, and blobs that are not what their
// name says.
func intact(s *Store) error {
	return filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(s.dir, path)
		if filepath.Base(filepath.Dir(path)) == DailyFolder {
			if id, err := proto.ParseID(e.Name()); e.Name() != dailyIndex && !slices.ContainsFunc(s.Dailies(), func(d Daily) bool { return err == nil && d.Root == id }) {
				return fmt.Errorf("%s is left over", rel)
			}
			return nil
		}
		if slices.Contains([]string{"chain.db", "chain.db" + damagedSuffix, "local.state"}, rel) {
			return nil
		}
		id, err := proto.ParseID(e.Name())
		if err != nil {
			return fmt.Errorf("%s is left over", rel)
		}
		if strings.HasPrefix(rel, "payloads") {
			_, err = hashed(s.PayloadPath(id), id)
		} else {
			_, err = hashed(s.StatePath(id), id)
		}
		return err
	})
}

// print lists all that a directory holds.
func printDir(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), "chain.db") || filepath.Base(filepath.Dir(path)) == DailyFolder {
			return err
		}
		b, err := os.ReadFile(path)
		out[filepath.Base(filepath.Dir(path))+"/"+e.Name()] = string(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	delete(out, filepath.Base(dir)+"/local.state")
	b, err := os.ReadFile(filepath.Join(dir, "local.state"))
	if err != nil {
		return nil, err
	}
	out["local.state"] = string(b)
	db, err := bolt.Open(filepath.Join(dir, "chain.db"), 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return out, db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				out[fmt.Sprintf("%s %x", name, k)] = string(v)
				return nil
			})
		})
	})
}

// finish lives on to the end and compares the directory with an undisturbed one.
func (w *world) finish(dir string, p *promise, want map[string]string) error {
	if err := w.live(dir, quickDisk{}, p); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	if err := w.check(dir, p); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	got, err := printDir(dir)
	if err != nil {
		return err
	}
	for name := range want {
		if got[name] != want[name] {
			return fmt.Errorf("in the end %s differs", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("in the end there is %s", name)
		}
	}
	return nil
}

// crash lives until write point k, sometimes again until another one, and then to
// the end.
func (w *world) crash(dir string, k int, d *faultDisk, want map[string]string) error {
	p := newPromise(w)
	p.full = d.end.full
	if err := os.Mkdir(dir, 0o700); err != nil { // by the daemon, which has its key in it
		return err
	}
	faults := []int{k}
	if k%5 == 0 {
		faults = append(faults, 31*k%89)
	}
	for _, n := range faults {
		d := &faultDisk{end: d.end, n: n, lazy: d.lazy, lazier: d.lazier, sizes: map[string]bool{}}
		err := w.live(dir, d, p)
		for range fullFor {
			if errors.Is(err, syscall.ENOSPC) { // Open found no space
				err = w.live(dir, d, p)
			}
		}
		if err != nil && !errors.Is(err, errCrashed) {
			return fmt.Errorf("life with a fault at point %d (%s): %w", n, d.last, err)
		}
		if errors.Is(err, errCrashed) {
			if err := d.cutPower(); err != nil {
				return err
			}
		}
		if err := w.check(dir, p); err != nil {
			return fmt.Errorf("after point %d (%s): %w", n, d.last, err)
		}
	}
	return w.finish(dir, p, want)
}

// undisturbed returns how many write points the life has and how it ends.
func (w *world) undisturbed(t *testing.T) (points int, want map[string]string) {
	t.Helper()
	dir, d := t.TempDir(), newFaultDisk(math.MaxInt, end{})
	p := newPromise(w)
	if err := w.live(dir, d, p); err != nil {
		t.Fatal(err)
	}
	if err := w.check(dir, p); err != nil {
		t.Fatal(err)
	}
	want, err := printDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d.done, want
}

func TestCrashAtEveryWrite(t *testing.T) {
	w := newWorld(t)
	points, want := w.undisturbed(t)
	if points < 200 {
		t.Fatalf("the life has only %d write points", points)
	}
	for _, e := range ends {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for k := 0; k < points; k += stride {
				dir := filepath.Join(t.TempDir(), "swarm")
				if err := w.crash(dir, k, &faultDisk{end: e}, want); err != nil {
					t.Fatalf("%s at point %d of %d: %v", e.name, k, points, err)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestCrashTestNotices sees to it that the test above would find a missing sync.
func TestCrashTestNotices(t *testing.T) {
	w := newWorld(t)
	points, want := w.undisturbed(t)
	for name, d := range map[string]*faultDisk{
		"files are not synced":       {end: end{content: zeroed}, lazy: true},
		"directories are not synced": {end: end{undo: true}, lazier: true},
	} {
		found := 0
		for k := 0; k < points; k += 7 * stride {
			if err := w.crash(filepath.Join(t.TempDir(), "swarm"), k, d, want); err != nil {
				found++
			}
		}
		if found == 0 {
			t.Errorf("%s, and no crash shows it", name)
		}
	}
}
