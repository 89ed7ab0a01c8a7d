package chain

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Bounds of what a book holds in memory beside the branch from its base to its
// head: anybody may sign updates and commits.
const (
	maxLooseUpdates = 4096
	maxLooseCommits = 4096
	maxLooseBytes   = 64 << 20 // of those commits
)

// load counts what was added.
type load struct{ updates, commits, bytes int }

func (b *Book) keepUpdate(u round.Update, e *murmurv1.Envelope) {
	if b.updates[u.ID] == nil {
		b.updates[u.ID] = &updateRecord{Update: u, raw: e}
		b.added.updates++
	}
}

func (b *Book) keepCommit(c round.Commit, us []*updateRecord, w *murmurv1.Commit) {
	for _, s := range us {
		b.keepUpdate(s.Update, s.raw)
	}
	if b.commits[c.ID] == nil {
		b.commits[c.ID] = &commitRecord{Commit: c, raw: w}
		b.added.commits++
		b.added.bytes += sizeOf(w)
	}
}

// sizeOf is about what a commit takes in memory.
func sizeOf(w *murmurv1.Commit) int {
	n := len(w.GetContent()) + len(w.GetAnnounce().GetPayload())
	for _, e := range w.GetUpdates() {
		n += len(e.Payload)
	}
	return n
}

// bound forgets what is furthest from use. It lets half of each bound come in
// before it looks, and then leaves at most the other half.
func (b *Book) bound() {
	if b.added.commits > maxLooseCommits/2 || b.added.bytes > maxLooseBytes/2 {
		b.boundCommits()
	}
	if b.added.updates > maxLooseUpdates/2 {
		b.boundUpdates()
	}
}

func (b *Book) boundCommits() {
	b.added.commits, b.added.bytes = 0, 0
	head := b.commits[b.head].Height
	kept := map[proto.ID]bool{b.Genesis.ID: true, b.base: true, b.head: true}
	path, _ := b.path(b.base, b.head)
	for _, c := range path {
		kept[c.ID] = true
	}
	var loose []*commitRecord
	for id, p := range b.commits {
		if !kept[id] {
			loose = append(loose, p)
		}
	}
	away := func(p *commitRecord) uint64 { return max(p.Height, head) - min(p.Height, head) }
	slices.SortFunc(loose, func(x, y *commitRecord) int {
		return cmp.Or(first(x.saved, y.saved), cmp.Compare(away(x), away(y)), slices.Compare(x.ID[:], y.ID[:]))
	})
	bytes := 0
	for i, p := range loose {
		if bytes += sizeOf(p.raw); i >= maxLooseCommits/2 || bytes > maxLooseBytes/2 {
			delete(b.commits, p.ID)
		}
	}
}

// boundUpdates keeps those that a held commit lists or has in its evidence, and
// this node's own: it must not forget what it signed.
func (b *Book) boundUpdates() {
	b.added.updates = 0
	listed := map[proto.ID]bool{}
	for _, p := range b.commits {
		for _, id := range p.Updates {
			listed[id] = true
		}
		for _, pair := range p.Evidence {
			listed[pair[0]], listed[pair[1]] = true, true
		}
	}
	var loose []*updateRecord
	for id, u := range b.updates {
		if !listed[id] && u.Author != b.Self {
			loose = append(loose, u)
		}
	}
	if len(loose) <= maxLooseUpdates/2 {
		return
	}
	head := b.commits[b.head]
	away := func(u *updateRecord) uint64 { return max(u.Height, head.Height+1) - min(u.Height, head.Height+1) }
	slices.SortFunc(loose, func(x, y *updateRecord) int {
		return cmp.Or(
			first(x.Parent == b.head, y.Parent == b.head), first(head.Rank(x.Author) >= 0, head.Rank(y.Author) >= 0),
			cmp.Compare(away(x), away(y)), slices.Compare(x.ID[:], y.ID[:]),
		)
	})
	of := map[proto.PeerID]int{} // each author's first go before any author's second
	place := make(map[proto.ID]int, len(loose))
	for _, u := range loose {
		place[u.ID] = of[u.Author]
		of[u.Author]++
	}
	slices.SortStableFunc(loose, func(x, y *updateRecord) int { return cmp.Compare(place[x.ID], place[y.ID]) })
	for _, u := range loose[maxLooseUpdates/2:] {
		delete(b.updates, u.ID)
	}
}

// first orders what holds for x before what does not.
func first(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// Cut takes the head, and if need be the base, back to commits whose states can
// be had; what lies above them is pulled again.
func (b *Book) Cut(base, head round.Commit) error {
	b.mu.Lock()
	if b.commits[base.ID] == nil || b.commits[head.ID] == nil || base.Height > head.Height {
		b.mu.Unlock()
		return fmt.Errorf("the chain cannot be cut to heights %d and %d: they are not held", base.Height, head.Height)
	}
	for id, p := range b.commits {
		if p.Height > head.Height {
			delete(b.commits, id)
		}
	}
	b.base, b.head = base.ID, head.ID
	b.mu.Unlock()
	return b.store.mark(head.ID, base.ID)
}

// Rebase moves the base: commits below it, and what only they list, are dropped
// from memory and disk, but for the newest own updates. States holds the roots
// whose files stay. A head that is dropped becomes the base.
func (b *Book) Rebase(base round.Commit, states map[proto.ID]bool) error {
	newest, _ := b.Newest(b.Self)
	b.mu.Lock()
	if b.commits[base.ID] == nil {
		b.mu.Unlock()
		return fmt.Errorf("commit %s cannot be the base: it is not held", base.ID.Short())
	}
	k := Keep{
		Head: b.head, Base: base.ID, Commits: map[proto.ID]bool{}, Updates: map[proto.ID]bool{},
		Payloads: map[proto.ID]bool{}, States: states, Wanted: map[proto.ID]bool{}, Past: b.past(base),
	}
	for id, p := range b.commits {
		if p.Height < base.Height && p.Height > 0 || p.Height == base.Height && id != base.ID {
			delete(b.commits, id)
			continue
		}
		if p.Height == 0 && base.Height > 0 {
			continue // genesis costs nothing to remember; what was learned on it is past
		}
		k.Commits[id], k.Wanted[p.Root] = true, true
		if id == base.ID {
			continue // its state is held, so its payloads are not needed
		}
		for _, u := range p.Updates {
			k.Updates[u] = true
		}
	}
	for id, u := range b.updates {
		if k.Commits[u.Parent] || u.Height > base.Height || u.Author == b.Self && u.Seq+round.KeptOwn > newest.Seq {
			k.Updates[id] = true
		}
		if k.Updates[id] {
			k.Payloads[u.Payload] = true
		} else {
			delete(b.updates, id)
		}
	}
	if _, ok := b.path(base.ID, b.head); !ok {
		k.Head = base.ID
	}
	b.base, b.head = base.ID, k.Head
	b.mu.Unlock()
	return b.store.Rebase(k)
}
