package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/wire"
)

var (
	bucketCommits = []byte("commits")
	bucketUpdates = []byte("updates")
	bucketOwn     = []byte("own")
	bucketMeta    = []byte("meta")
	bucketPast    = []byte("past")
	bucketSigned  = []byte("signed")
	buckets       = [][]byte{bucketCommits, bucketUpdates, bucketOwn, bucketMeta, bucketPast, bucketSigned}

	keyHead  = []byte("head")
	keyBase  = []byte("base")
	keyLost  = []byte("lost")
	keyKnown = []byte("known")
)

// Store is one swarm's directory. Its methods may be called concurrently.
type Store struct {
	dir  string
	disk disk
	db   *bolt.DB

	maxPast int // MaxPast, but in tests

	mu   sync.Mutex
	lost error

	days  sync.Mutex // held while daily changes, on disk or here
	daily []Daily
}

// Open opens or makes the store in dir, which no other process may have open.
// Damage does not keep it from opening: see Damaged.
func Open(dir string) (*Store, error) { return open(dir, osDisk{}) }

func open(dir string, d disk) (*Store, error) {
	for _, sub := range []string{"", "payloads", "states", DailyFolder} {
		if err := d.makeDir(filepath.Join(dir, sub)); err != nil {
			return nil, fmt.Errorf("making the swarm's directory: %w", err)
		}
	}
	s := &Store{dir: dir, disk: d, maxPast: MaxPast}
	if err := s.sweep(); err != nil {
		return nil, err
	}
	if err := s.openDailies(); err != nil {
		return nil, err
	}
	if err := s.heal(); err != nil {
		return nil, err
	}
	db, err := d.openDB(s.dbPath())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.dbPath(), err)
	}
	s.db = db
	s.setLost(string(s.get(bucketMeta, keyLost)))
	return s, nil
}

// Close releases the files.
func (s *Store) Close() error { return s.db.Close() }

// PutOwn keeps this node's own update and the number of tokens it stands for,
// before it is announced.
func (s *Store) PutOwn(u wire.Update, covers uint64) error {
	return s.commit(func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketUpdates).Put(u.ID[:], proto.Encode(u.Signed)); err != nil {
			return err
		}
		if err := putSigned(tx.Bucket(bucketSigned), u); err != nil {
			return err
		}
		return tx.Bucket(bucketOwn).Put(u.ID[:], binary.LittleEndian.AppendUint64(nil, covers))
	})
}

// putSigned notes, by an own update's number, the commit that it is for, and drops those too long ago.
func putSigned(b *bolt.Bucket, u wire.Update) error {
	for key, _ := b.Cursor().First(); len(key) == 8 && binary.BigEndian.Uint64(key)+round.MaxSigned <= u.Seq; key, _ = b.Cursor().First() {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return b.Put(binary.BigEndian.AppendUint64(nil, u.Seq), u.Parent[:])
}

// Signed returns the commits that own updates were signed for, the newest round.MaxSigned of them.
func (s *Store) Signed() (parents []proto.ID) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketSigned).ForEach(func(_, parent []byte) error {
			if id, err := proto.IDFrom(parent); err == nil {
				parents = append(parents, id)
			}
			return nil
		})
	})
	return parents
}

// PutCommit keeps a commit's bytes.
func (s *Store) PutCommit(id proto.ID, commit []byte) error {
	return s.commit(func(tx *bolt.Tx) error { return tx.Bucket(bucketCommits).Put(id[:], commit) })
}

// Commit returns a commit's bytes, nil if it is not held.
func (s *Store) Commit(id proto.ID) []byte { return s.get(bucketCommits, id[:]) }

// Marks returns the recorded head and base; zero where none is recorded.
func (s *Store) Marks() (head, base proto.ID) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		copy(head[:], tx.Bucket(bucketMeta).Get(keyHead))
		copy(base[:], tx.Bucket(bucketMeta).Get(keyBase))
		return nil
	})
	return head, base
}

// mark records the commit that this node stands on and the one below which
// nothing is needed.
func (s *Store) mark(head, base proto.ID) error {
	return s.commit(func(tx *bolt.Tx) error { return putMarks(tx, head, base) })
}

// adopt is mark for a head that was come to with others: what the disk had lost
// is had again.
func (s *Store) adopt(head, base proto.ID) error {
	err := s.commit(func(tx *bolt.Tx) error {
		return errors.Join(putMarks(tx, head, base), tx.Bucket(bucketMeta).Delete(keyLost))
	})
	if err == nil {
		s.setLost("")
	}
	return err
}

func putMarks(tx *bolt.Tx, head, base proto.ID) error {
	b := tx.Bucket(bucketMeta)
	return errors.Join(b.Put(keyHead, head[:]), b.Put(keyBase, base[:]))
}

// PutKnown keeps who voted on this node's heads: the sides of a swarm that was cut find each other by them after a restart.
func (s *Store) PutKnown(known []proto.PeerID) error {
	var b []byte
	for _, p := range known {
		b = append(append(b, byte(len(p))), p...)
	}
	return s.commit(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyKnown, b) })
}

// Known returns what PutKnown kept.
func (s *Store) Known() (known []proto.PeerID) {
	for b := s.get(bucketMeta, keyKnown); len(b) > 0 && int(b[0]) < len(b); b = b[1+int(b[0]):] {
		known = append(known, proto.PeerID(b[1:1+int(b[0])]))
	}
	return known
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
	Head, Base proto.ID
	Commits    map[proto.ID]bool
	Updates    map[proto.ID]bool
	Payloads   map[proto.ID]bool
	States     map[proto.ID]bool
	Wanted     map[proto.ID]bool   // payloads and states whose fetches may go on
	Past       map[proto.ID][]byte // contents of snapshot heights below the base, to be added
}

// Rebase records head and base and drops what is not kept.
func (s *Store) Rebase(k Keep) error {
	err := s.commit(func(tx *bolt.Tx) error {
		for bucket, keep := range map[string]map[proto.ID]bool{
			string(bucketCommits): k.Commits, string(bucketUpdates): k.Updates, string(bucketOwn): k.Updates,
		} {
			if err := retain(tx.Bucket([]byte(bucket)), keep); err != nil {
				return err
			}
		}
		return errors.Join(putPast(tx.Bucket(bucketPast), k.Past, s.maxPast), putMarks(tx, k.Head, k.Base))
	})
	if err != nil {
		return err // the files may still be needed
	}
	return errors.Join(s.prune("payloads", k.Payloads, k.Wanted), s.prune("states", k.States, k.Wanted))
}

func retain(b *bolt.Bucket, keep map[proto.ID]bool) error {
	var drop [][]byte
	err := b.ForEach(func(key, _ []byte) error {
		if id, err := proto.IDFrom(key); err != nil || !keep[id] {
			drop = append(drop, append([]byte(nil), key...))
		}
		return nil
	})
	for _, key := range drop {
		err = errors.Join(err, b.Delete(key))
	}
	return err
}

func (s *Store) commit(change func(*bolt.Tx) error) error {
	err := s.disk.commit(s.db, change)
	for s.MakeRoom(err) {
		err = s.disk.commit(s.db, change)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.dbPath(), err)
	}
	return nil
}

// get and all cannot fail: a bbolt read transaction only fails on a closed
// store, and then nothing is held.
func (s *Store) get(bucket, key []byte) (v []byte) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		v = append(v, tx.Bucket(bucket).Get(key)...)
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
