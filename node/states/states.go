// Package states finds, keeps and takes out the states of the shared model that a node's disk holds.
//
// It guarantees that a state which it says is held can be computed or read, and that a directory in which a daemon works is left
// alone. It must not know of peers nor of the trainer process.
package states

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// Newest asks for the newest state that is held.
const Newest = -1

// KeepIn does as Keep for a directory that no daemon works in.
func KeepIn(d home.Dir, height int64) (k api.Kept, err error) {
	err = opened(d, func(store *chain.Store, book *chain.Book, rep *replica.Replica, why error) (err error) {
		if why != nil && height == Newest {
			return fmt.Errorf("the newest state is damaged on this disk (%w): murmur up fetches it again, or take round %d with --height", why, rep.Head().Height)
		}
		k, err = Keep(rep, book, store, height)
		return err
	})
	return k, err
}

// HeldIn does as Held for a directory that no daemon works in.
func HeldIn(d home.Dir) (held []api.Held, err error) {
	err = opened(d, func(store *chain.Store, book *chain.Book, _ *replica.Replica, _ error) error {
		held = Held(book, store)
		return nil
	})
	return held, err
}

// opened opens chain and replica of a directory that no daemon works in, for use; why says what is damaged there.
func opened(d home.Dir, use func(store *chain.Store, book *chain.Book, rep *replica.Replica, why error) error) (err error) {
	raw, err := d.Manifest()
	if err != nil {
		return fmt.Errorf("%s has no model yet: run murmur up until the node has found its swarm", d)
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return err
	}
	unlock, err := d.Lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	disk := replica.Disk{Manifest: m, Seed: seed, Swarm: proto.Sum(raw)}
	if disk.Store, err = chain.Open(string(d)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.Store.Close()) }()
	if disk.Library, err = library.Open(d.Path(home.Files)); err != nil {
		return err
	}
	if disk.Method, err = m.Outer(); err != nil {
		return err
	}
	book, rep, why, err := replica.FromDisk(disk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rep.Close()) }()
	return use(disk.Store, book, rep, why)
}

// Keep puts the state of a height, or the Newest, on a node's disk as a whole, where it stays at least until the next
// snapshot height.
func Keep(rep *replica.Replica, book *chain.Book, store *chain.Store, height int64) (k api.Kept, err error) {
	head := rep.Head()
	_, base := book.Marks()
	c := head
	authors := map[proto.PeerID]bool{}
	for at, ok := head, true; ok && at.Height > base.Height; at, ok = book.Commit(at.Parent) {
		for _, id := range at.Updates {
			if u, ok := book.Update(id); ok {
				authors[u.Author] = true
				k.Updates++
			}
		}
	}
	for height >= 0 && c.Height != uint64(height) {
		parent, ok := book.Commit(c.Parent)
		if !ok || c.Height <= base.Height || uint64(height) > c.Height {
			return keptDaily(k, store.Dailies(), uint64(height), base.Height, head.Height)
		}
		c = parent
	}
	k.Height, k.Root, k.Tokens, k.Cursor, k.NextH, k.Authors = c.Height, c.Root, c.Tokens, c.Cursor, c.NextH, len(authors)
	return k, rep.Put(c)
}

// keptDaily finds a daily state; oldest and newest are the rounds that the node has beside these.
func keptDaily(k api.Kept, days []chain.Daily, height, oldest, newest uint64) (api.Kept, error) {
	var earlier []string
	for _, d := range days {
		if d.Height == height {
			k.Height, k.Root, k.Tokens, k.Cursor, k.NextH = d.Height, d.Root, d.Tokens, d.Cursor, d.NextH
			return k, nil
		}
		earlier = append(earlier, strconv.FormatUint(d.Height, 10))
	}
	has := fmt.Sprintf("this node has rounds %d to %d", oldest, newest)
	if len(earlier) > 0 {
		has += ", and of each day one: " + strings.Join(earlier, ", ")
	}
	return k, fmt.Errorf("the state of round %d is not held: %s", height, has)
}

// Held lists the states that a node can go back to, the oldest first.
func Held(book *chain.Book, store *chain.Store) []api.Held {
	head, base := book.Marks()
	held, listed := []api.Held{}, map[proto.ID]bool{}
	add := func(height, tokens uint64, root proto.ID, kind string, at time.Time) {
		if !listed[root] {
			listed[root] = true
			held = append(held, api.Held{Height: height, Tokens: tokens, Kind: kind, At: at})
		}
	}
	add(head.Height, head.Tokens, head.Root, api.HeldHead, adoptedAt(book, store, head))
	for _, s := range store.Dailies() {
		add(s.Height, s.Tokens, s.Root, api.HeldDaily, s.At)
	}
	path, _ := book.Path(base.ID, head.ID)
	for _, c := range append([]round.Commit{base}, path...) {
		switch {
		case c.Height == 0:
			add(c.Height, c.Tokens, c.Root, api.HeldStart, time.Time{})
		case store.HasState(c.Root):
			add(c.Height, c.Tokens, c.Root, api.HeldSnapshot, modified(store.StatePath(c.Root)))
		}
	}
	slices.SortStableFunc(held, func(a, b api.Held) int { return cmp.Compare(a.Height, b.Height) })
	return held
}

// adoptedAt is about when this machine had a commit, which says nothing of time itself: when its newest payload came.
func adoptedAt(book *chain.Book, store *chain.Store, c round.Commit) (at time.Time) {
	for _, id := range c.Updates {
		if u, ok := book.Update(id); ok {
			if t := modified(store.PayloadPath(u.Payload)); t.After(at) {
				at = t
			}
		}
	}
	return at
}

// modified is when a file was written; zero where it is not there.
func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
