package chain

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	space "github.com/shirou/gopsutil/v4/disk"
	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

// disk is everything that this package changes on disk. Tests put crashes, power
// cuts and full disks in its place.
type disk interface {
	makeDir(path string) error
	create(dir string) (file, error) // a temporary file with a name of its own
	rename(from, to string) error
	link(from, to string) error // a second name of a file
	remove(path string) error
	syncDir(path string) error
	openDB(path string) (*bolt.DB, error)
	commit(db *bolt.DB, change func(*bolt.Tx) error) error
	free(dir string) (bytes uint64, known bool) // for this user
}

// file is a temporary file that is being written.
type file interface {
	io.WriteCloser
	Name() string
	Sync() error
}

// tempSuffix marks files that are being written.
const tempSuffix = ".tmp"

// lockWait bounds the wait for another process that has chain.db open.
const lockWait = time.Second

// osDisk is the operating system's.
type osDisk struct{}

func (osDisk) makeDir(path string) error       { return os.MkdirAll(path, 0o700) }
func (osDisk) create(dir string) (file, error) { return os.CreateTemp(dir, "*"+tempSuffix) }
func (osDisk) rename(from, to string) error    { return os.Rename(from, to) }
func (osDisk) link(from, to string) error      { return os.Link(from, to) }
func (osDisk) remove(path string) error        { return os.Remove(path) }
func (osDisk) syncDir(path string) error       { return atomicfile.SyncDir(path) }

func (osDisk) openDB(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait})
}

func (osDisk) commit(db *bolt.DB, change func(*bolt.Tx) error) error { return db.Update(change) }

func (osDisk) free(dir string) (uint64, bool) {
	u, err := space.Usage(dir)
	if err != nil {
		return 0, false
	}
	return u.Free, true
}

// writeFile writes a file whole or not at all. What is kept for the operator alone makes room for it on a full disk.
func (s *Store) writeFile(path string, parts ...[]byte) error {
	err := s.put(path, parts...)
	for s.MakeRoom(err) {
		err = s.put(path, parts...)
	}
	return err
}

// put is writeFile without making room.
func (s *Store) put(path string, parts ...[]byte) error {
	err := s.writeTemp(path, parts)
	if err == nil {
		err = s.disk.syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	return nil
}

func (s *Store) writeTemp(path string, parts [][]byte) (err error) {
	f, err := s.disk.create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.disk.remove(f.Name()) // or the next Open does
		}
	}()
	for _, b := range parts {
		if _, err := f.Write(b); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return s.disk.rename(f.Name(), path)
}

// cause drops the temporary file's name from an error: it says nothing to
// anyone, and differs each time.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// sweep removes what a killed writer left behind.
func (s *Store) sweep() error {
	for _, dir := range []string{"", "payloads", "states", DailyFolder} {
		entries, err := os.ReadDir(filepath.Join(s.dir, dir))
		if err != nil {
			return fmt.Errorf("listing %s: %w", dir, err)
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) == tempSuffix {
				if err := s.disk.remove(filepath.Join(s.dir, dir, e.Name())); err != nil {
					return fmt.Errorf("removing a leftover: %w", err)
				}
			}
		}
	}
	return nil
}
