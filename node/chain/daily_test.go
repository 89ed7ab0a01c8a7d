package chain

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// smallDisk has so much room left, or finds none for so many writes.
type smallDisk struct {
	quickDisk
	left  *uint64
	full  *int
	links bool // second names are refused
}

func (d smallDisk) free(string) (uint64, bool) { return *d.left, true }

func (d smallDisk) create(dir string) (file, error) {
	if *d.full > 0 {
		*d.full--
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOSPC}
	}
	return d.quickDisk.create(dir)
}

func (d smallDisk) link(from, to string) error {
	if d.links {
		return errors.New("no second names")
	}
	return d.quickDisk.link(from, to)
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const dailySize = 1000

// days is a node that makes snapshots while its clock shows what a test says.
type days struct {
	t    *testing.T
	dir  string
	disk smallDisk
	s    *Store
}

func newDays(t *testing.T) *days {
	left, full := uint64(1<<40), 0
	d := &days{t: t, dir: t.TempDir(), disk: smallDisk{left: &left, full: &full}}
	d.restart()
	return d
}

func (d *days) restart() {
	d.t.Helper()
	var err error
	if d.s != nil {
		if err := d.s.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
	if d.s, err = open(d.dir, d.disk); err != nil {
		d.t.Fatal(err)
	}
}

func stateOf(height uint64) ([]byte, round.Commit) {
	state := bytes.Repeat([]byte{byte(height)}, dailySize)
	return state, round.Commit{Height: height, Root: proto.HashBlob(state).Root(), Tokens: 10 * height, Cursor: 3 * height, NextH: 30}
}

// snapshot keeps a height's state for the protocol and for the day, and lets go of what is older than the last two.
func (d *days) snapshot(height uint64, at time.Time) {
	d.t.Helper()
	state, c := stateOf(height)
	err := errors.Join(d.s.PutState(c.Root, state), d.s.KeepDaily(c, state, at))
	keep := map[proto.ID]bool{c.Root: true}
	if height > 1 {
		_, before := stateOf(height - 1)
		keep[before.Root] = true
	}
	if err := errors.Join(err, d.s.prune("states", keep, nil)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *days) check(want ...uint64) {
	d.t.Helper()
	var got []uint64
	for _, e := range d.s.Dailies() {
		state, c := stateOf(e.Height)
		b := make([]byte, dailySize)
		if err := ReadPrefix(filepath.Join(d.dir, DailyFolder), e.Root, b); err != nil || !bytes.Equal(b, state) {
			d.t.Errorf("the daily state of height %d cannot be read: %v", e.Height, err)
		}
		if e.Tokens != c.Tokens || e.Cursor != c.Cursor || e.NextH != c.NextH || e.Size != dailySize {
			d.t.Errorf("%+v, want that of %+v", e, c)
		}
		got = append(got, e.Height)
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("daily states of heights %d, want %d", got, want)
	}
	entries, err := os.ReadDir(filepath.Join(d.dir, DailyFolder))
	if err != nil || len(entries) > len(want)+1 {
		d.t.Errorf("%d files for %d states, error %v", len(entries), len(want), err)
	}
}

func TestDaily(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hours []int // from noon, at which the snapshots of heights 1, 2, 3 … come
		want  []uint64
	}{
		{"the first of each day", []int{0, 1, 11, 12, 13, 36, 37}, []uint64{1, 4, 6}},
		{"seven days", []int{0, 24, 48, 72, 96, 120, 144, 168, 192}, []uint64{3, 4, 5, 6, 7, 8, 9}},
		{"away for a month", []int{0, 24, 24 * 31, 24 * 32}, []uint64{1, 2, 3, 4}},
		{"a clock that was set back and on", []int{24, 0, 25, 1, 26, 2}, []uint64{1, 2}},
		{"a clock that was a month ahead", []int{0, 24 * 31, 1, 24}, []uint64{1, 2, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				d := newDays(t)
				for i, h := range tc.hours {
					d.snapshot(uint64(i+1), noon.Add(time.Duration(h)*time.Hour))
					if restarts {
						d.restart()
					}
				}
				d.check(tc.want...)
			}
		})
	}
}

// TestDailyIsPrivate has no peer get what was kept for the operator alone.
func TestDailyIsPrivate(t *testing.T) {
	d := newDays(t)
	for h := range uint64(4) {
		d.snapshot(h+1, noon.AddDate(0, 0, int(h)))
	}
	d.check(1, 2, 3, 4)
	_, old := stateOf(1)
	if _, err := d.s.OpenBlob(old.Root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a daily state is served: %v", err)
	}
	_, held := stateOf(4)
	if b, err := d.s.OpenBlob(held.Root); err != nil || b.Close() != nil {
		t.Errorf("the snapshot is not served: %v", err)
	}
}

// TestDailyLeavesRoom has the disk of a node get short, where the two newest daily states are second names of snapshots.
func TestDailyLeavesRoom(t *testing.T) {
	for _, tc := range []struct {
		name string
		left uint64
		want []uint64
	}{
		{"more is free than they take", 5 * dailySize, []uint64{1, 2, 3, 4, 5, 6}},
		{"as much is free", 4 * dailySize, []uint64{1, 2, 3, 4, 5, 6}},
		{"two must go for dailyRoom states to fit", 2 * dailySize, []uint64{3, 4, 5, 6}},
		{"nothing is free", 0, []uint64{5, 6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDays(t)
			for h := range uint64(6) {
				d.snapshot(h+1, noon.AddDate(0, 0, int(h)))
			}
			*d.disk.left = tc.left
			state, c := stateOf(6)
			if err := d.s.KeepDaily(c, state, noon.AddDate(0, 0, 5)); err != nil {
				t.Fatal(err)
			}
			d.check(tc.want...)
			d.restart()
			d.check(tc.want...)
		})
	}
}

// TestDailyGivesWay fills the disk: what the protocol writes takes the room of daily states, the oldest first.
func TestDailyGivesWay(t *testing.T) {
	d := newDays(t)
	for h := range uint64(5) {
		d.snapshot(h+1, noon.AddDate(0, 0, int(h)))
	}
	*d.disk.full = 1
	payload, _, err := d.s.PutPayload("a", []byte("an update"))
	if err != nil {
		t.Fatal(err)
	}
	d.restart()
	d.check(2, 3, 4, 5)
	if _, err := hashed(d.s.PayloadPath(payload), payload); err != nil {
		t.Error(err)
	}
	*d.disk.full = 1 << 20
	if _, _, err := d.s.PutPayload("a", []byte("another")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("there is no room at all, and it says %v", err)
	}
	*d.disk.full = 0
	d.restart()
	d.check(4, 5) // they are snapshots, which the protocol needs
	if d.s.MakeRoom(syscall.EIO) {
		t.Error("it makes room where the disk is not full")
	}
	*d.disk.full = 1
	state, c := stateOf(6)
	if err := d.s.PutState(c.Root, state); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("nothing can make room, and it says %v", err)
	}
	d.snapshot(6, noon.AddDate(0, 0, 5))
	*d.disk.full = 1 // only the index finds no room
	state, c = stateOf(7)
	if err := d.s.KeepDaily(c, state, noon.AddDate(0, 0, 6)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the day's state found no room, and it says %v", err)
	}
	d.check(4, 5, 6)
}

// TestDailyWithoutLinks keeps copies where a file system has no second names.
func TestDailyWithoutLinks(t *testing.T) {
	d := newDays(t)
	d.disk.links = true
	d.restart()
	for h := range uint64(3) {
		d.snapshot(h+1, noon.AddDate(0, 0, int(h)))
	}
	d.check(1, 2, 3)
}

// TestDailyIndex has files and index disagree.
func TestDailyIndex(t *testing.T) {
	for _, tc := range []struct {
		name string
		harm func(dir string) error
		want []uint64
	}{
		{"a state is gone", func(dir string) error {
			_, c := stateOf(1)
			return os.Remove(filepath.Join(dir, c.Root.String()))
		}, []uint64{2}},
		{"a state is half there", func(dir string) error {
			_, c := stateOf(1)
			return os.Truncate(filepath.Join(dir, c.Root.String()), dailySize/2)
		}, []uint64{2}},
		{"a file is left over", func(dir string) error { return os.WriteFile(filepath.Join(dir, "x.tmp"), nil, 0o600) }, []uint64{1, 2}},
		{"the index is damaged", func(dir string) error { return os.WriteFile(filepath.Join(dir, dailyIndex), []byte("[{"), 0o600) }, nil},
		{"the index is gone", func(dir string) error { return os.Remove(filepath.Join(dir, dailyIndex)) }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDays(t)
			d.snapshot(1, noon)
			d.snapshot(2, noon.AddDate(0, 0, 1))
			if err := tc.harm(filepath.Join(d.dir, DailyFolder)); err != nil {
				t.Fatal(err)
			}
			d.restart()
			d.check(tc.want...)
		})
	}
}
