package chain

import (
	"cmp"
	"slices"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Commit returns a commit.
func (b *Book) Commit(id proto.ID) (round.Commit, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if p := b.commits[id]; p != nil {
		return p.Commit, true
	}
	return round.Commit{}, false
}

// Update returns an update.
func (b *Book) Update(id proto.ID) (round.Update, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if u := b.updates[id]; u != nil {
		return u.Update, true
	}
	return round.Update{}, false
}

// Envelope returns an update's signed bytes, nil if it is not held.
func (b *Book) Envelope(id proto.ID) *murmurv1.Envelope {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if u := b.updates[id]; u != nil {
		return u.raw
	}
	return nil
}

// Announcement returns a commit's announcement.
func (b *Book) Announcement(id proto.ID) *murmurv1.Envelope {
	if w := b.Raw(id); w != nil {
		return w.Announce
	}
	return nil
}

// Raw returns a commit's message, nil for genesis and where it is not held.
func (b *Book) Raw(id proto.ID) *murmurv1.Commit {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if p := b.commits[id]; p != nil {
		return p.raw
	}
	return nil
}

// Marks returns the head and the base.
func (b *Book) Marks() (head, base round.Commit) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.commits[b.head].Commit, b.commits[b.base].Commit
}

// UpdatesFor lists the updates held for a parent, sorted by author and number.
func (b *Book) UpdatesFor(parent proto.ID) []round.Update {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var us []round.Update
	for _, u := range b.updates {
		if u.Parent == parent {
			us = append(us, u.Update)
		}
	}
	sortUpdates(us)
	return us
}

// Newest returns an author's update with the highest number.
func (b *Book) Newest(author proto.PeerID) (round.Update, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var newest round.Update
	found := false
	for _, u := range b.updates {
		if u.Author == author && (!found || u.Seq > newest.Seq) {
			newest, found = u.Update, true
		}
	}
	return newest, found
}

// Path lists the commits above an ancestor (left out) up to id, older before
// newer; ok is false where the ancestor is not below id.
func (b *Book) Path(ancestor, id proto.ID) (path []round.Commit, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.path(ancestor, id)
}

func (b *Book) path(ancestor, id proto.ID) (path []round.Commit, ok bool) {
	for id != ancestor {
		p := b.commits[id]
		if p == nil || p.Height == 0 {
			return nil, false
		}
		path = append(path, p.Commit)
		id = p.Parent
	}
	slices.Reverse(path)
	return path, true
}

// Above lists all commits above the base, older before newer.
func (b *Book) Above(height uint64) []round.Commit {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var cs []round.Commit
	for _, p := range b.commits {
		if p.Height > height {
			cs = append(cs, p.Commit)
		}
	}
	slices.SortFunc(cs, func(x, y round.Commit) int {
		return cmp.Or(cmp.Compare(x.Height, y.Height), slices.Compare(x.ID[:], y.ID[:]))
	})
	return cs
}

// All lists every update held.
func (b *Book) All() []round.Update {
	b.mu.RLock()
	defer b.mu.RUnlock()
	us := make([]round.Update, 0, len(b.updates))
	for _, u := range b.updates {
		us = append(us, u.Update)
	}
	sortUpdates(us)
	return us
}

func sortUpdates(us []round.Update) {
	slices.SortFunc(us, func(x, y round.Update) int {
		return cmp.Or(cmp.Compare(x.Author, y.Author), cmp.Compare(x.Seq, y.Seq), slices.Compare(x.ID[:], y.ID[:]))
	})
}
