package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

const (
	// MaxDaily is how many daily states are kept: a spoiled model is to be noticed within a week.
	MaxDaily = 7
	// dailyRoom is how many states must fit beside the daily ones at any time: the two snapshots, one that is
	// being written, and payloads.
	dailyRoom = 4
	// DailyFolder is the part of a store's directory that holds the daily states.
	DailyFolder = "daily"
	dailyIndex  = "index.json"
)

// Daily is the full state of a snapshot height, which is kept for the node's operator after the protocol has no
// use for it. Peers are never told of it and never get it.
type Daily struct {
	Height uint64    `json:"height"` // the commit of the state
	Root   proto.ID  `json:"root"`   // the hash of the state, which is its file's name
	Tokens uint64    `json:"tokens"` // tokens that are committed up to it
	Cursor uint64    `json:"cursor"` // the first data position that is not taken
	NextH  uint32    `json:"next_h"` // inner steps of the next round
	Size   uint64    `json:"size"`   // bytes of the state
	At     time.Time `json:"at"`     // when it was kept, by this machine's clock
}

// day names the day of a time. UTC has no change to summer time, which would make a day of 23 hours.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Dailies lists the daily states, the one kept first before the others.
func (s *Store) Dailies() []Daily {
	s.days.Lock()
	defer s.days.Unlock()
	return slices.Clone(s.daily)
}

// KeepDaily keeps a state as its day's, unless the day has one, and then lets go of what is beyond MaxDaily or
// takes room that is needed. Days are counted by the states themselves, never by their age: a clock that jumps
// ahead by a month adds one state and costs one, and a node that was away for a month still has its seven.
func (s *Store) KeepDaily(c round.Commit, state []byte, now time.Time) error {
	s.days.Lock()
	defer s.days.Unlock()
	if !slices.ContainsFunc(s.daily, func(d Daily) bool { return d.Root == c.Root || day(d.At) == day(now) }) {
		if err := s.addDaily(c, state, now); err != nil {
			return fmt.Errorf("keeping the day's state: %w", err)
		}
	}
	for len(s.daily) > MaxDaily {
		if err := s.removeDaily(0); err != nil {
			return err
		}
	}
	return s.trimDaily()
}

// addDaily gives the state's file a second name, which takes no room while the snapshot has the first one. Where
// the file system has no second names it is written again.
func (s *Store) addDaily(c round.Commit, state []byte, now time.Time) error {
	path := s.path(DailyFolder, c.Root)
	if err := s.disk.link(s.StatePath(c.Root), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := s.put(path, state); err != nil {
			return errors.Join(err, ignoreMissing(s.disk.remove(path)))
		}
	}
	list := append(slices.Clone(s.daily), Daily{c.Height, c.Root, c.Tokens, c.Cursor, c.NextH, uint64(len(state)), now})
	if err := errors.Join(s.disk.syncDir(filepath.Dir(path)), s.putDailies(list)); err != nil {
		return errors.Join(err, ignoreMissing(s.disk.remove(path))) // if this fails, too, the next Open removes it
	}
	s.daily = list
	return nil
}

// removeDaily removes one. The file goes first, so that it also works on a full disk: Open forgets what has no file.
func (s *Store) removeDaily(i int) error {
	if err := ignoreMissing(s.disk.remove(s.path(DailyFolder, s.daily[i].Root))); err != nil {
		return fmt.Errorf("removing a daily state: %w", err)
	}
	s.daily = slices.Delete(slices.Clone(s.daily), i, i+1)
	return s.putDailies(s.daily)
}

// trimDaily removes daily states, the oldest first, while they take more room than they leave free, or leave less
// than dailyRoom states.
func (s *Store) trimDaily() error {
	free, known := s.disk.free(s.dir)
	if !known {
		return nil
	}
	var held, largest uint64
	for _, d := range s.daily {
		largest = max(largest, d.Size)
		if s.costs(d) {
			held += d.Size
		}
	}
	for held > 0 && free < max(held, dailyRoom*largest) {
		i := slices.IndexFunc(s.daily, s.costs)
		size := s.daily[i].Size
		if err := s.removeDaily(i); err != nil {
			return err
		}
		held, free = held-size, free+size
	}
	return nil
}

// costs tells whether removing a daily state makes room: not while it is a second name of a snapshot.
func (s *Store) costs(d Daily) bool { return !s.HasState(d.Root) }

// MakeRoom removes the oldest daily state that takes room, if an error says that the disk is full; it tells
// whether it did, so that the write can be tried again.
func (s *Store) MakeRoom(full error) bool {
	if !errors.Is(full, syscall.ENOSPC) {
		return false
	}
	s.days.Lock()
	defer s.days.Unlock()
	i, before := slices.IndexFunc(s.daily, s.costs), len(s.daily)
	if i < 0 {
		return false
	}
	_ = s.removeDaily(i) // an index that found no room is mended by the next Open
	return len(s.daily) < before
}

func (s *Store) putDailies(list []Daily) error {
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return s.put(filepath.Join(s.dir, DailyFolder, dailyIndex), b)
}

// openDailies reads the index, and makes it and the files agree. Without an index nothing says what a file is, so
// the files go, too.
func (s *Store) openDailies() error {
	dir := filepath.Join(s.dir, DailyFolder)
	b, err := os.ReadFile(filepath.Join(dir, dailyIndex))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the index of daily states: %w", err)
	}
	if json.Unmarshal(b, &s.daily) != nil || len(s.daily) > MaxDaily+1 {
		s.daily = nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing the daily states: %w", err)
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("listing the daily states: %w", err)
		}
		sizes[e.Name()] = info.Size()
	}
	s.daily = slices.DeleteFunc(s.daily, func(d Daily) bool {
		size, there := sizes[d.Root.String()]
		return !there || uint64(size) != d.Size
	})
	for name := range sizes {
		if name == dailyIndex || slices.ContainsFunc(s.daily, func(d Daily) bool { return d.Root.String() == name }) {
			continue
		}
		if err := s.disk.remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("removing a leftover: %w", err)
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
