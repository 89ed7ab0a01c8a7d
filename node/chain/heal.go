package chain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/proto"
)

// damagedSuffix marks a chain.db that was moved aside.
const damagedSuffix = ".damaged"

// Damaged says in a sentence what this directory has lost and peers have not yet
// given back; nil where nothing is lost. It is known once OpenBook has returned,
// outlives a restart, and ends with the next SetHead. Until then the node must
// not take what it finds on disk for all that it ever signed.
func (s *Store) Damaged() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

func (s *Store) dbPath() string { return filepath.Join(s.dir, "chain.db") }

// heal makes sure that a whole chain.db is there: the one found, or an empty
// one that knows why it is empty.
func (s *Store) heal() error {
	what, err := s.inspect()
	switch {
	case err == nil && what == nil:
		return nil
	case err == nil:
		return s.makeDB(what.Error()+"; it lies in chain.db"+damagedSuffix+" now, and peers are asked for the chain", true)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading %s: %w", s.dbPath(), err)
	}
	remains, err := s.remains()
	if err != nil || !remains {
		return errors.Join(err, s.makeDB("", false))
	}
	return s.makeDB("chain.db is gone from the swarm's directory; peers are asked for the chain", false)
}

// inspect returns what is wrong with chain.db, and an error where it cannot be
// read.
func (s *Store) inspect() (what, err error) {
	f, err := os.Open(s.dbPath())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	err = checkPages(f, st.Size(), buckets...)
	var d damage
	if errors.As(err, &d) {
		return fmt.Errorf("chain.db is damaged (%w)", d), nil
	}
	return nil, err
}

// remains tells whether the directory has been in use.
func (s *Store) remains() (bool, error) {
	for _, path := range []string{s.dbPath() + damagedSuffix, s.localPath()} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return true, err
		}
	}
	payloads, err := s.Payloads()
	return len(payloads) > 0, err
}

// makeDB puts an empty chain.db in place, whole or not at all.
func (s *Store) makeDB(lost string, aside bool) error {
	path := s.dbPath()
	db, err := s.disk.openDB(path + tempSuffix)
	if err == nil {
		err = s.disk.commit(db, func(tx *bolt.Tx) error {
			for _, b := range buckets {
				if _, err := tx.CreateBucket(b); err != nil {
					return err
				}
			}
			if lost == "" {
				return nil
			}
			return tx.Bucket(bucketMeta).Put(keyLost, []byte(lost))
		})
		err = errors.Join(err, db.Close())
	}
	if err == nil && aside {
		err = s.disk.rename(path, path+damagedSuffix)
	}
	if err == nil {
		err = s.disk.rename(path+tempSuffix, path)
	}
	if err == nil {
		err = s.disk.syncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return nil
}

// drop removes damaged records and remembers that they are lost.
func (s *Store) drop(commits, updates []proto.ID, head, base proto.ID, lost string) error {
	err := s.commit(func(tx *bolt.Tx) error {
		for bucket, ids := range map[string][]proto.ID{
			string(bucketCommits): commits, string(bucketUpdates): updates, string(bucketOwn): updates,
		} {
			for _, id := range ids {
				if err := tx.Bucket([]byte(bucket)).Delete(id[:]); err != nil {
					return err
				}
			}
		}
		return errors.Join(putMarks(tx, head, base), tx.Bucket(bucketMeta).Put(keyLost, []byte(lost)))
	})
	if err == nil {
		s.setLost(lost)
	}
	return err
}

func (s *Store) setLost(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = nil
	if what != "" {
		s.lost = errors.New(what)
	}
}
