package chain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/proto"
)

// grown returns a directory at the end of the crash tests' life but for the
// foreign branch, and its chain.db.
func (w *world) grown(t testing.TB) (dir string, db []byte, want map[string]string) {
	t.Helper()
	dir = t.TempDir()
	if err := w.live(dir, quickDisk{}, newPromise(w)); err != nil {
		t.Fatal(err)
	}
	want, err := printDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, w.early(t, lastRound-1), want
}

// early returns the chain.db of the life when height h was its head.
func (w *world) early(t testing.TB, h int) []byte {
	t.Helper()
	dir := t.TempDir()
	s, b, err := w.open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := life{w, newPromise(w), s, b}
	for _, ch := range w.chapters[:h] {
		head, _ := b.Marks()
		if err := errors.Join(l.round(head), l.tail(ch.commit)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := os.ReadFile(filepath.Join(dir, "chain.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// opens puts bytes in the place of chain.db and opens the directory as a daemon
// does, reads all, and goes on from there to the end of the life.
func (w *world) opens(dir string, db []byte, want map[string]string) (lost error, err error) {
	if err := os.WriteFile(filepath.Join(dir, "chain.db"), db, 0o600); err != nil {
		return nil, err
	}
	if lost, err = w.look(dir); err != nil {
		return lost, err
	}
	again, err := w.look(dir)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(lost) {
		return lost, fmt.Errorf("opened again it says %w, %w; before that %w", again, err, lost)
	}
	if err := w.remind(dir); err != nil {
		return lost, err
	}
	p := newPromise(w)
	p.cut = true
	if err := w.finish(dir, p, want); err != nil {
		return lost, err
	}
	after, err := w.look(dir)
	return lost, errors.Join(after, err)
}

// remind gives back what peers know of this node's own updates.
func (w *world) remind(dir string) error {
	s, err := open(dir, quickDisk{})
	if err != nil {
		return err
	}
	for i, ch := range w.chapters {
		u := ch.updates[0]
		err = errors.Join(err, s.PutOwn(u.wire, 1000+uint64(i)))
	}
	return errors.Join(err, s.Close())
}

// look opens a directory and reads all that it serves.
func (w *world) look(dir string) (lost, err error) {
	s, b, err := w.open(dir)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	head, base := b.Marks()
	if _, ok := b.Path(base.ID, head.ID); !ok {
		return nil, errors.New("the head does not follow from the base")
	}
	for _, c := range b.Above(0) {
		if raw := b.Raw(c.ID); proto.Sum(raw.Content) != c.ID {
			return nil, fmt.Errorf("commit %s is another", c.ID.Short())
		}
	}
	return s.Damaged(), intact(s)
}

const pageSize = 4096

func testPages(t testing.TB, db []byte) {
	t.Helper()
	if size := binary.LittleEndian.Uint32(db[24:]); size != pageSize {
		t.Skipf("chain.db has pages of %d bytes here; the damages are cut for %d", size, pageSize)
	}
}

func TestDamagedChain(t *testing.T) {
	w := newWorld(t)
	dir, db, want := w.grown(t)
	testPages(t, db)
	noise := func(n int) []byte {
		b := make([]byte, n)
		r := rand.NewChaCha8([32]byte{1})
		_, _ = r.Read(b)
		return b
	}
	with := func(change func(b []byte)) []byte {
		b := bytes.Clone(db)
		change(b)
		return b
	}
	// What must be found; the rest may as well do no harm.
	surely := map[string][]byte{
		"empty":            {},
		"one byte":         db[:1],
		"head pages only":  db[:2*pageSize],
		"cut in a page":    db[:3*pageSize+100],
		"text":             []byte("this is no database\n"),
		"noise":            noise(len(db)),
		"zeros":            make([]byte, len(db)),
		"no head pages":    with(func(b []byte) { clear(b[:2*pageSize]) }),
		"only head pages":  with(func(b []byte) { clear(b[2*pageSize:]) }),
		"noise after head": with(func(b []byte) { copy(b[2*pageSize:], noise(len(b))) }),
	}
	perhaps := map[string][]byte{}
	for page := range len(db) / pageSize {
		at := page * pageSize
		next := (page + 1) % (len(db) / pageSize) * pageSize
		perhaps[fmt.Sprintf("ends with page %d", page)] = db[:at+pageSize]
		perhaps[fmt.Sprintf("page %d of zeros", page)] = with(func(b []byte) { clear(b[at : at+pageSize]) })
		perhaps[fmt.Sprintf("page %d of noise", page)] = with(func(b []byte) { copy(b[at:at+pageSize], noise(pageSize)) })
		perhaps[fmt.Sprintf("page %d torn", page)] = with(func(b []byte) { clear(b[at+pageSize/2 : at+pageSize]) })
		perhaps[fmt.Sprintf("page %d twice", page)] = with(func(b []byte) { copy(b[next:next+pageSize], db[at:]) })
	}
	all := maps.Clone(surely)
	maps.Copy(all, perhaps)
	moved := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		bytesOfDB := all[name]
		_ = os.Remove(filepath.Join(dir, "chain.db"+damagedSuffix))
		before, err := printFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		lost, err := w.opens(dir, bytesOfDB, want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		aside, err := os.ReadFile(filepath.Join(dir, "chain.db"+damagedSuffix))
		switch {
		case err == nil:
			moved++
			if lost == nil || !strings.Contains(lost.Error(), "chain.db.damaged") || !bytes.Equal(aside, bytesOfDB) {
				t.Errorf("%s: %d bytes lie in chain.db.damaged, but it says %v", name, len(aside), lost)
			}
		case surely[name] != nil:
			t.Errorf("%s: was not moved aside: %v", name, lost)
		}
		if after, err := printFiles(dir); err != nil || !maps.Equal(before, after) {
			t.Errorf("%s: the other files were changed (%v)", name, err)
		}
	}
	t.Logf("%d of %d damages were moved aside", moved, len(all))
}

// printFiles lists the files beside chain.db.
func printFiles(dir string) (map[string]string, error) {
	all, err := printDir(dir)
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.Contains(name, " ") })
	return all, err
}

// TestDamagedRecords damages single values, which leaves bbolt's pages whole.
func TestDamagedRecords(t *testing.T) {
	w := newWorld(t)
	second, nowhere := w.chapters[1], proto.Sum([]byte("nowhere"))
	for name, c := range map[string]struct {
		change func(tx *bolt.Tx) error
		height uint64 // of the head afterwards
	}{
		"none": {func(*bolt.Tx) error { return nil }, 3},
		"a commit is rubbish": {func(tx *bolt.Tx) error {
			return tx.Bucket(bucketCommits).Put(second.commit.ID[:], []byte("rubbish"))
		}, 0},
		"a commit is gone": {func(tx *bolt.Tx) error { return tx.Bucket(bucketCommits).Delete(second.commit.ID[:]) }, 0},
		"a commit is another": {func(tx *bolt.Tx) error {
			return tx.Bucket(bucketCommits).Put(second.commit.ID[:], proto.Encode(w.chapters[2].raw))
		}, 0},
		"an update is rubbish": {func(tx *bolt.Tx) error {
			return tx.Bucket(bucketUpdates).Put(second.updates[0].update.ID[:], []byte{0xff})
		}, 3},
		"an update is another": {func(tx *bolt.Tx) error {
			return tx.Bucket(bucketUpdates).Put(second.updates[0].update.ID[:], proto.Encode(second.updates[1].wire.Signed))
		}, 3},
		"the head is unknown": {func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyHead, nowhere[:]) }, 0},
		"the base is unknown": {func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyBase, nowhere[:]) }, 3},
		"the head is cut":     {func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyHead, []byte("h")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "chain.db"), w.early(t, 3), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := open(dir, quickDisk{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.db.Update(c.change), s.Close()); err != nil {
				t.Fatal(err)
			}
			var first string
			for i := range 2 { // the second time nothing is left to find, and it is still said
				s, b, err := w.open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if head, _ := b.Marks(); head.Height != c.height {
					t.Errorf("head is at height %d, want %d", head.Height, c.height)
				}
				if lost := s.Damaged(); (lost == nil) != (name == "none") {
					t.Errorf("damage: %v", lost)
				} else if i == 0 {
					first = fmt.Sprint(lost)
				} else if fmt.Sprint(lost) != first {
					t.Errorf("damage: %v, before that %s", lost, first)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestChainGone deletes chain.db.
func TestChainGone(t *testing.T) {
	w := newWorld(t)
	dir, _, want := w.grown(t)
	if err := os.Remove(filepath.Join(dir, "chain.db")); err != nil {
		t.Fatal(err)
	}
	lost, err := w.look(dir)
	if lost == nil || err != nil {
		t.Fatalf("damage: %v, %v", lost, err)
	}
	p := newPromise(w)
	p.cut = true
	if err := w.finish(dir, p, want); err != nil {
		t.Fatal(err)
	}
	if lost, err := w.look(dir); lost != nil || err != nil {
		t.Fatalf("damage: %v, %v", lost, err)
	}
}

// copier copies a directory while a life goes on in it: part of the files at one
// write point, the rest at another, and chain.db in two halves.
type copier struct {
	quickDisk
	from, to    string
	n           int
	first, then int // write points
	dbFirst     bool
}

func (c *copier) commit(db *bolt.DB, change func(*bolt.Tx) error) error {
	err := c.quickDisk.commit(db, change)
	c.n++
	switch c.n {
	case c.first:
		return errors.Join(err, c.copy(true))
	case c.then:
		return errors.Join(err, c.copy(false))
	}
	return err
}

func (c *copier) copy(first bool) error {
	return filepath.WalkDir(c.from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(c.from, path)
		to := filepath.Join(c.to, rel)
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		isDB := rel == "chain.db"
		if !isDB && first == c.dbFirst || strings.HasSuffix(rel, tempSuffix) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if isDB && first { // the head pages and what follows them
			b = b[:3*pageSize+pageSize/2]
		}
		if isDB && !first {
			part, err := os.ReadFile(to)
			if err != nil {
				return err
			}
			b = append(part, b[len(part):]...)
		}
		return os.WriteFile(to, b, 0o600)
	})
}

func TestCopiedWhileRunning(t *testing.T) {
	w := newWorld(t)
	_, db, want := w.grown(t)
	testPages(t, db)
	moved, whole, last := 0, 0, 0
	for first := 2; ; first += stride {
		for _, d := range []int{1, 2, 5} {
			for _, dbFirst := range []bool{false, true} {
				c := &copier{from: t.TempDir(), to: t.TempDir(), first: first, then: first + d, dbFirst: dbFirst}
				if err := w.live(c.from, c, newPromise(w)); err != nil {
					t.Fatal(err)
				}
				if last = c.n; c.then > last {
					continue
				}
				db, err := os.ReadFile(filepath.Join(c.to, "chain.db"))
				if err != nil {
					t.Fatal(err)
				}
				lost, err := w.opens(c.to, db, want)
				if err != nil {
					t.Fatalf("copied at transactions %d and %d of %d: %v", first, c.then, c.n, err)
				}
				if lost == nil {
					whole++
				} else {
					moved++
				}
			}
		}
		if first+stride > last {
			break
		}
	}
	if moved == 0 || whole == 0 {
		t.Errorf("%d copies were found damaged and %d whole; there should be some of each", moved, whole)
	}
	t.Logf("%d copies were damaged, %d whole", moved, whole)
}

// FuzzChainDB overwrites part of a chain.db.
func FuzzChainDB(f *testing.F) {
	w := newWorld(f)
	dir, db, want := w.grown(f)
	testPages(f, db)
	for page := range len(db) / pageSize {
		f.Add(uint32(page*pageSize), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		f.Add(uint32(page*pageSize+8), []byte{2, 0, 1})
		f.Add(uint32(page*pageSize+16), []byte{0, 0, 0, 0, 0xff, 0, 0, 0, 0xff})
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(db)
		copy(b[int(at)%len(b):], patch)
		if _, err := w.opens(dir, b, want); err != nil {
			t.Fatal(err)
		}
	})
}
