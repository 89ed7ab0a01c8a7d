package node

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/shard"
)

// States lists the states that the node can go back to, the oldest first.
func (n *Node) States() []api.Held {
	book := n.book.Load()
	if book == nil {
		return []api.Held{}
	}
	return states(book, n.store)
}

// States is Node.States for a directory that no daemon works in.
func (d Dir) States() (held []api.Held, err error) {
	err = d.opened(func(n *Node, book *chain.Book, _ *replica.Replica, _ error) error {
		held = states(book, n.store)
		return nil
	})
	return held, err
}

func states(book *chain.Book, store *chain.Store) []api.Held {
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

// Fork prepares a swarm that goes on from a state which was kept on this directory's disk: with its parameters, where
// schedule and data stood. Only members of its own belong to it: where the old swarm is closed it gets a community key,
// and nobody is taken over. Shards that this node does not have are taken from a folder that murmur data prepare
// wrote, where one is given.
func (d Dir) Fork(k api.Kept, prepared string) (*Founding, error) {
	raw, err := d.Manifest()
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Decode(raw)
	if err != nil {
		return nil, err
	}
	theta := make([]float32, m.Model.Config().Layout().Params())
	if err := d.readTheta(k, theta); err != nil {
		return nil, err
	}
	swarm := proto.Sum(raw)
	f := &Founding{Manifest: m, InviteOnly: !m.Membership.Open()}
	f.Manifest.Name = forkName(m.Name, k.Height)
	f.Manifest.Membership = manifest.Membership{}
	f.Manifest.Model.Weights = f.keep(replica.Bytes(theta))
	f.Manifest.Fork = &manifest.Fork{
		Swarm: swarm, Height: k.Height, Tokens: k.Tokens, Cursor: k.Cursor, H: k.NextH, Order: m.Order(swarm),
	}
	return f, f.takeOver(d, prepared)
}

// forkName tells a fork from its origin, whose name is cut where both do not fit.
func forkName(name string, height uint64) string {
	from := fmt.Sprintf(" (from round %d)", height)
	return strings.ToValidUTF8(name[:min(len(name), manifest.MaxName-len(from))], "") + from
}

// takeOver has all files of the manifest, but for the weights, added from another swarm's directory.
func (f *Founding) takeOver(d Dir, prepared string) error {
	from, err := d.Library()
	if err != nil {
		return err
	}
	m := f.Manifest
	m.Model.Weights = nil
	for _, b := range m.Files() {
		if !from.Has(b) {
			return fmt.Errorf("file %s of the swarm is not on this disk: run murmur up until the node has it", b.ID.Short())
		}
		f.addFile(from.Path(b.ID), b)
	}
	var missing int
	for _, e := range m.Data.Shards {
		b := shard.Blob{ID: e.ID, Size: e.Size}
		path := from.Path(e.ID)
		if !from.Has(b) {
			path = filepath.Join(prepared, shard.Folder, shard.FileName(e.ID))
			if info, err := os.Stat(path); prepared == "" || err != nil || uint64(info.Size()) != e.Size {
				missing++
				continue
			}
		}
		f.addFile(path, b)
	}
	if missing > 0 {
		return fmt.Errorf("%d of the data set's %d shards are not on this disk, and nobody in a new swarm would have them: "+
			"give the folder that murmur data prepare wrote with --data, or do this on the machine that brought the data", missing, len(m.Data.Shards))
	}
	return nil
}
