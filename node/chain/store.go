package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/proto"
)

var (
	bucketCommits = []byte("commits")
	bucketUpdates = []byte("updates")
	bucketOwn     = []byte("own")
	bucketMeta    = []byte("meta")

	keyHead = []byte("head")
	keyBase = []byte("base")
)

// Store is one swarm's directory. Its methods may be called concurrently.
type Store struct {
	dir string
	db  *bolt.DB
}

// Open opens or makes the store in dir.
func Open(dir string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, "payloads"), filepath.Join(dir, "states")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("making the swarm's directory: %w", err)
		}
	}
	s := &Store{dir: dir}
	if err := s.sweep(); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "chain.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	s.db = db
	err = db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{bucketCommits, bucketUpdates, bucketOwn, bucketMeta} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing %s: %w", path, err), db.Close())
	}
	return s, nil
}

// Close releases the files.
func (s *Store) Close() error { return s.db.Close() }

// PutOwn keeps this node's own update and the number of tokens it stands for,
// before it is announced.
func (s *Store) PutOwn(id proto.ID, envelope []byte, covers uint64) error {
	return s.wrap(s.db.Update(func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketUpdates).Put(id[:], envelope); err != nil {
			return err
		}
		return tx.Bucket(bucketOwn).Put(id[:], binary.LittleEndian.AppendUint64(nil, covers))
	}))
}

// PutCommit keeps a commit's bytes.
func (s *Store) PutCommit(id proto.ID, commit []byte) error {
	return s.put(bucketCommits, id[:], commit)
}

// Update returns an update's envelope bytes, nil if it is not held.
func (s *Store) Update(id proto.ID) []byte { return s.get(bucketUpdates, id[:]) }

// Commit returns a commit's bytes, nil if it is not held.
func (s *Store) Commit(id proto.ID) []byte { return s.get(bucketCommits, id[:]) }

// SetHead records which commit this node stands on.
func (s *Store) SetHead(id proto.ID) error { return s.put(bucketMeta, keyHead, id[:]) }

// SetBase records the commit below which nothing is needed.
func (s *Store) SetBase(id proto.ID) error { return s.put(bucketMeta, keyBase, id[:]) }

// Marks returns the recorded head and base; zero where none is recorded.
func (s *Store) Marks() (head, base proto.ID) {
	copy(head[:], s.get(bucketMeta, keyHead))
	copy(base[:], s.get(bucketMeta, keyBase))
	return head, base
}

// Commits returns all commits held, in no order.
func (s *Store) Commits() map[proto.ID][]byte { return s.all(bucketCommits) }

// Updates returns all updates held.
func (s *Store) Updates() map[proto.ID][]byte { return s.all(bucketUpdates) }

// Own returns the tokens that each own update stands for.
func (s *Store) Own() map[proto.ID]uint64 {
	own := map[proto.ID]uint64{}
	for id, v := range s.all(bucketOwn) {
		if len(v) == 8 {
			own[id] = binary.LittleEndian.Uint64(v)
		}
	}
	return own
}

// Keep is what a store holds on to when its base moves.
type Keep struct {
	Base     proto.ID
	Commits  map[proto.ID]bool
	Updates  map[proto.ID]bool
	Payloads map[proto.ID]bool
	States   map[proto.ID]bool
}

// Rebase records the base and drops what is not kept.
func (s *Store) Rebase(k Keep) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketMeta).Put(keyBase, k.Base[:]); err != nil {
			return err
		}
		for bucket, keep := range map[string]map[proto.ID]bool{
			string(bucketCommits): k.Commits, string(bucketUpdates): k.Updates, string(bucketOwn): k.Updates,
		} {
			b := tx.Bucket([]byte(bucket))
			var drop [][]byte
			if err := b.ForEach(func(key, _ []byte) error {
				if id, err := proto.IDFrom(key); err != nil || !keep[id] {
					drop = append(drop, append([]byte(nil), key...))
				}
				return nil
			}); err != nil {
				return err
			}
			for _, key := range drop {
				if err := b.Delete(key); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return errors.Join(s.wrap(err), s.prune("payloads", k.Payloads), s.prune("states", k.States))
}

func (s *Store) put(bucket, key, value []byte) error {
	return s.wrap(s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(key, value) }))
}

func (s *Store) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Join(s.dir, "chain.db"), err)
	}
	return nil
}

// get and all cannot fail: a bbolt read transaction only fails on a closed
// store, and then nothing is held.
func (s *Store) get(bucket, key []byte) (v []byte) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucket).Get(key); b != nil {
			v = append([]byte{}, b...)
		}
		return nil
	})
	return v
}

func (s *Store) all(bucket []byte) map[proto.ID][]byte {
	out := map[proto.ID][]byte{}
	_ = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			if id, err := proto.IDFrom(k); err == nil {
				out[id] = append([]byte(nil), v...)
			}
			return nil
		})
	})
	return out
}
