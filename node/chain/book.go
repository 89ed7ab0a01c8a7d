package chain

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// maxLooseUpdates bounds the updates kept that no kept commit lists.
const maxLooseUpdates = 4096

// Book is the decoded chain in memory, over a Store: what was announced, pulled
// and built, with the signed bytes that prove it. Its methods may be called
// concurrently.
type Book struct {
	Swarm   proto.ID
	Self    proto.PeerID
	Genesis round.Commit
	store   *Store

	mu      sync.RWMutex
	commits map[proto.ID]*page
	updates map[proto.ID]*slip
	head    proto.ID
	base    proto.ID
}

// page is a commit with its bytes.
type page struct {
	round.Commit
	raw *murmurv1.Commit
}

// slip is an update with its bytes.
type slip struct {
	round.Update
	raw *murmurv1.Envelope
}

// OpenBook loads what the store holds.
func OpenBook(s *Store, swarm proto.ID, self proto.PeerID, genesis round.Commit) (*Book, error) {
	b := &Book{
		Swarm: swarm, Self: self, Genesis: genesis, store: s,
		commits: map[proto.ID]*page{genesis.ID: {Commit: genesis}}, updates: map[proto.ID]*slip{},
	}
	for id, raw := range s.Commits() {
		var w murmurv1.Commit
		if err := proto.Decode(raw, proto.MaxCommit, &w); err != nil {
			return nil, fmt.Errorf("commit %s on disk: %w", id.Short(), err)
		}
		if _, _, err := b.AddCommit(&w); err != nil {
			return nil, fmt.Errorf("commit %s on disk: %w", id.Short(), err)
		}
	}
	for id, raw := range s.Updates() {
		var e murmurv1.Envelope
		if err := proto.Decode(raw, 2*proto.MaxEnvelope, &e); err != nil {
			return nil, fmt.Errorf("update %s on disk: %w", id.Short(), err)
		}
		if _, err := b.AddUpdate(&e); err != nil {
			return nil, fmt.Errorf("update %s on disk: %w", id.Short(), err)
		}
	}
	b.head, b.base = s.Marks()
	if b.commits[b.base] == nil {
		b.base = genesis.ID
	}
	if b.commits[b.head] == nil {
		b.head = b.base
	}
	return b, nil
}

// AddUpdate checks an update and keeps it.
func (b *Book) AddUpdate(e *murmurv1.Envelope) (round.Update, error) {
	u, err := DecodeUpdate(b.Swarm, e)
	if err != nil {
		return u, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.updates) > maxLooseUpdates {
		b.dropLoose()
	}
	b.updates[u.ID] = &slip{Update: u, raw: e}
	return u, nil
}

// dropLoose forgets updates that no commit lists and that are not on the head.
func (b *Book) dropLoose() {
	listed := map[proto.ID]bool{}
	for _, p := range b.commits {
		for _, id := range p.Updates {
			listed[id] = true
		}
	}
	for id, u := range b.updates {
		if !listed[id] && u.Parent != b.head && u.Author != b.Self {
			delete(b.updates, id)
		}
	}
}

// AddCommit checks a commit's signatures and keeps it in memory. It returns
// the updates that it lists and those in its evidence.
func (b *Book) AddCommit(w *murmurv1.Commit) (round.Commit, []round.Update, error) {
	c, proofs, err := decodeContent(b.Swarm, w.Content)
	if err != nil {
		return c, nil, err
	}
	if len(w.Updates) != len(c.Updates) {
		return c, nil, fmt.Errorf("commit lists %d updates and brings %d", len(c.Updates), len(w.Updates))
	}
	var us []round.Update
	for i, e := range append(slices.Clone(w.Updates), proofs...) {
		u, err := b.AddUpdate(e)
		if err != nil {
			return c, nil, err
		}
		if i < len(c.Updates) && u.ID != c.Updates[i] {
			return c, nil, fmt.Errorf("commit brings another update than it lists")
		}
		us = append(us, u)
	}
	a, err := DecodeAnnounce(b.Swarm, w.Announce)
	if err != nil {
		return c, nil, err
	}
	if a.Commit != c.ID {
		return c, nil, fmt.Errorf("commit comes with another commit's announcement")
	}
	c.View, c.Closer = a.View, a.Closer
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.commits[c.ID] == nil {
		b.commits[c.ID] = &page{Commit: c, raw: w}
	}
	return c, us, nil
}

// Write makes a commit of a draft with its root, signs it, and keeps it on disk.
func (b *Book) Write(key ed25519.PrivateKey, draft round.Commit) (round.Commit, error) {
	var evidence []*murmurv1.Evidence
	w := &murmurv1.Commit{}
	b.mu.RLock()
	for _, pair := range draft.Evidence {
		x, y := b.updates[pair[0]], b.updates[pair[1]]
		if x == nil || y == nil {
			b.mu.RUnlock()
			return draft, fmt.Errorf("evidence is not held")
		}
		evidence = append(evidence, &murmurv1.Evidence{First: x.raw, Second: y.raw})
	}
	for _, id := range draft.Updates {
		u := b.updates[id]
		if u == nil {
			b.mu.RUnlock()
			return draft, fmt.Errorf("update %s is not held", id.Short())
		}
		w.Updates = append(w.Updates, u.raw)
	}
	b.mu.RUnlock()
	w.Content = encodeContent(b.Swarm, draft, evidence)
	draft.ID = proto.Sum(w.Content)
	w.Announce = proto.Seal(key, proto.DomainAnnounce, EncodeAnnounce(b.Swarm, draft))
	b.mu.Lock()
	if b.commits[draft.ID] == nil {
		b.commits[draft.ID] = &page{Commit: draft, raw: w}
	}
	b.mu.Unlock()
	return draft, b.Save(draft.ID)
}

// Save puts a commit that was found valid on disk.
func (b *Book) Save(id proto.ID) error {
	b.mu.RLock()
	p := b.commits[id]
	b.mu.RUnlock()
	if p == nil || p.raw == nil {
		return nil // genesis
	}
	return b.store.PutCommit(id, proto.Encode(p.raw))
}

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

// SetHead records the head.
func (b *Book) SetHead(id proto.ID) error {
	b.mu.Lock()
	b.head = id
	b.mu.Unlock()
	return b.store.SetHead(id)
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

// Cut takes the head, and if need be the base, back to commits whose states can
// be had; what lies above them is pulled again.
func (b *Book) Cut(base, head round.Commit) error {
	b.mu.Lock()
	for id, p := range b.commits {
		if p.Height > head.Height {
			delete(b.commits, id)
		}
	}
	b.base = base.ID
	b.mu.Unlock()
	return errors.Join(b.store.SetBase(base.ID), b.SetHead(head.ID))
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

// Rebase moves the base: commits below it, and what only they list, are dropped
// from memory and disk, but for the newest own updates. States holds the roots
// whose files stay.
func (b *Book) Rebase(base round.Commit, states map[proto.ID]bool) error {
	newest, _ := b.Newest(b.Self)
	b.mu.Lock()
	k := Keep{
		Base: base.ID, Commits: map[proto.ID]bool{}, Updates: map[proto.ID]bool{},
		Payloads: map[proto.ID]bool{}, States: states,
	}
	for id, p := range b.commits {
		if p.Height < base.Height && p.Height > 0 || p.Height == base.Height && id != base.ID {
			delete(b.commits, id)
			continue
		}
		if p.Height == 0 && base.Height > 0 {
			continue // genesis costs nothing to remember; what was learned on it is past
		}
		k.Commits[id] = true
		if id == base.ID {
			continue // its state is held, so its payloads are not needed
		}
		for _, u := range p.Updates {
			k.Updates[u] = true
		}
	}
	for id, u := range b.updates {
		if _, known := k.Commits[u.Parent]; known || u.Height > base.Height || u.Author == b.Self && u.Seq+round.KeptOwn > newest.Seq {
			k.Updates[id] = true
		}
		if k.Updates[id] {
			k.Payloads[u.Payload] = true
		} else {
			delete(b.updates, id)
		}
	}
	b.base = base.ID
	b.mu.Unlock()
	return b.store.Rebase(k)
}

func sortUpdates(us []round.Update) {
	slices.SortFunc(us, func(x, y round.Update) int {
		return cmp.Or(cmp.Compare(x.Author, y.Author), cmp.Compare(x.Seq, y.Seq), slices.Compare(x.ID[:], y.ID[:]))
	})
}
