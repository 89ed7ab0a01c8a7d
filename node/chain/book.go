package chain

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"

	protobuf "google.golang.org/protobuf/proto"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// Book is the decoded chain in memory, over a Store: what was announced, pulled
// and built, with the signed bytes that prove it. Its methods may be called
// concurrently.
type Book struct {
	Swarm   proto.ID
	Self    proto.PeerID
	Genesis round.Commit
	store   *Store

	mu      sync.RWMutex
	commits map[proto.ID]*commitRecord
	updates map[proto.ID]*updateRecord
	notices map[proto.ID]*murmurv1.Envelope // notices from AddNotice; at most MaxNotices
	head    proto.ID
	base    proto.ID
	added   load // commits and updates since the bounds were last enforced

	checking sync.Mutex
	checked  map[proto.ID]wire.Notice // notices whose signature was checked; at most maxChecked
}

// maxChecked notices are remembered as checked: those of a swarm, and as many that nobody's commit carries in the end.
const maxChecked = 2 * proto.MaxNotices

// commitRecord is a commit with its bytes.
type commitRecord struct {
	round.Commit
	raw   *murmurv1.Commit // bytes as they came; nil for genesis
	saved bool             // whether the commit is valid and on disk
}

// updateRecord is an update with its bytes.
type updateRecord struct {
	round.Update
	raw *murmurv1.Envelope
}

// OpenBook loads what the store holds. Records that cannot be right are dropped,
// and where head and base do not hang together any more the book opens at its
// base, at worst at genesis; Store.Damaged tells.
func OpenBook(s *Store, swarm proto.ID, self proto.PeerID, genesis round.Commit) (*Book, error) {
	b := &Book{
		Swarm: swarm, Self: self, Genesis: genesis, store: s,
		commits: map[proto.ID]*commitRecord{genesis.ID: {Commit: genesis}}, updates: map[proto.ID]*updateRecord{}, notices: map[proto.ID]*murmurv1.Envelope{}, checked: map[proto.ID]wire.Notice{},
		head: genesis.ID, base: genesis.ID,
	}
	var commits, updates []proto.ID // damaged
	for id, raw := range s.Updates() {
		if err := b.loadUpdate(id, raw); err != nil {
			updates = append(updates, id)
		}
	}
	for id := range s.Own() {
		if b.updates[id] == nil && !slices.Contains(updates, id) {
			updates = append(updates, id)
		}
	}
	for id, raw := range s.Commits() {
		if err := b.loadCommit(id, raw); err != nil {
			commits = append(commits, id)
		}
	}
	head, base := s.Marks()
	torn := b.stand(head, base)
	if !torn && len(commits)+len(updates) == 0 {
		return b, nil
	}
	lost := fmt.Sprintf("chain.db has lost records to damage (%d commits and %d own updates cannot be read); peers are asked for the chain from round %d on",
		len(commits), len(updates), b.commits[b.head].Height)
	return b, s.drop(commits, updates, b.head, b.base, lost)
}

// stand takes up the recorded head and base as far as they hang together, and
// tells whether they did not.
func (b *Book) stand(head, base proto.ID) (torn bool) {
	if b.commits[base] != nil {
		b.base = base
	}
	b.head = b.base
	if _, ok := b.path(b.base, head); ok {
		b.head = head
	}
	return b.head != head && !head.IsZero() || b.base != base && !base.IsZero()
}

func (b *Book) loadUpdate(id proto.ID, raw []byte) error {
	var e murmurv1.Envelope
	if err := proto.Decode(raw, 2*proto.MaxEnvelope, &e); err != nil {
		return err
	}
	u, err := wire.OpenUpdate(b.Swarm, &e)
	switch {
	case err != nil:
		return err
	case u.ID != id:
		return fmt.Errorf("update %s is filed as %s", u.ID.Short(), id.Short())
	}
	b.keepUpdate(updateOf(u), &e)
	return nil
}

func (b *Book) loadCommit(id proto.ID, raw []byte) error {
	var w murmurv1.Commit
	if err := proto.Decode(raw, proto.MaxCommit, &w); err != nil {
		return err
	}
	c, us, _, err := b.decode(&w)
	switch {
	case err != nil:
		return err
	case c.ID != id:
		return fmt.Errorf("commit %s is filed as %s", c.ID.Short(), id.Short())
	}
	b.keepCommit(c, us, &w)
	b.commits[id].saved = true
	return nil
}

// AddUpdate keeps a checked update.
func (b *Book) AddUpdate(w wire.Update) round.Update {
	u := updateOf(w)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keepUpdate(u, w.Signed)
	b.bound()
	return u
}

// AddNotice keeps a checked notice, for commits to carry.
func (b *Book) AddNotice(w wire.Notice) round.Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.notices) < proto.MaxNotices {
		b.notices[w.ID] = w.Signed
	}
	return noticeOf(w)
}

// Notices are those that a commit carries, as they were signed.
func (b *Book) Notices(id proto.ID) map[proto.ID]*murmurv1.Envelope {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.noticesOf(id)
}

func (b *Book) noticesOf(id proto.ID) map[proto.ID]*murmurv1.Envelope {
	p := b.commits[id]
	if p == nil || p.raw == nil || len(p.Notices) == 0 {
		return nil
	}
	var w murmurv1.Content
	if proto.Decode(p.raw.Content, proto.MaxCommit, &w) != nil {
		return nil // it was decoded when it came
	}
	ns := map[proto.ID]*murmurv1.Envelope{}
	for _, e := range w.Notices {
		ns[proto.Sum(e.Payload)] = e
	}
	return ns
}

// AddCommit checks a commit's signatures and keeps it in memory. It returns the updates that it lists and those in its
// evidence, and of them what this book did not hold.
func (b *Book) AddCommit(w *murmurv1.Commit) (c round.Commit, us []round.Update, news []wire.Update, err error) {
	c, records, news, err := b.decode(w)
	if err != nil {
		return c, nil, nil, err
	}
	us = make([]round.Update, len(records))
	for i, s := range records {
		us[i] = s.Update
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keepCommit(c, records, w)
	b.bound()
	return c, us, news, nil
}

// decode checks all of a commit that depends on nothing but its message. An update that is held with the same signature
// is not checked again.
func (b *Book) decode(w *murmurv1.Commit) (c round.Commit, us []*updateRecord, news []wire.Update, err error) {
	c, with, err := decodeContent(b.Swarm, w.Content, b.openNotice)
	if err != nil {
		return c, nil, nil, err
	}
	if size := protobuf.Size(w); size > proto.MaxCommit { // or it could not be read again from this disk
		return c, nil, nil, fmt.Errorf("commit of %d bytes, at most %d are allowed", size, proto.MaxCommit)
	}
	var proofs []*murmurv1.Envelope
	for _, e := range with.evidence {
		proofs = append(proofs, e.First, e.Second)
	}
	if len(w.Updates) != len(c.Updates) {
		return c, nil, nil, fmt.Errorf("commit lists %d updates and brings %d", len(c.Updates), len(w.Updates))
	}
	for i, e := range append(slices.Clone(w.Updates), proofs...) {
		s := b.holds(e)
		if s == nil {
			u, err := wire.OpenUpdate(b.Swarm, e)
			if err != nil {
				return c, nil, nil, err
			}
			s, news = &updateRecord{Update: updateOf(u), raw: e}, append(news, u)
		}
		if i < len(c.Updates) && s.ID != c.Updates[i] {
			return c, nil, nil, errors.New("commit brings another update than it lists")
		}
		us = append(us, s)
	}
	a, err := wire.OpenAnnounce(b.Swarm, w.Announce)
	if err != nil {
		return c, nil, nil, err
	}
	if a.Commit != c.ID {
		return c, nil, nil, errors.New("commit comes with another commit's announcement")
	}
	c.View, c.Closer = a.View, a.Closer
	return c, us, news, nil
}

// openNotice is wire.OpenNotice, for each notice once: all commits after it carry it.
func (b *Book) openNotice(swarm proto.ID, e *murmurv1.Envelope) (wire.Notice, error) {
	id := proto.Sum(e.GetPayload())
	b.checking.Lock()
	n, ok := b.checked[id]
	b.checking.Unlock()
	if ok && bytes.Equal(n.Signed.Key, e.GetKey()) && bytes.Equal(n.Signed.Sig, e.GetSig()) {
		return n, nil
	}
	n, err := wire.OpenNotice(swarm, e)
	if err != nil {
		return n, err
	}
	b.checking.Lock()
	defer b.checking.Unlock()
	if len(b.checked) >= maxChecked {
		clear(b.checked)
	}
	b.checked[id] = n
	return n, nil
}

// holds returns the update of an envelope if it is here, signed alike.
func (b *Book) holds(e *murmurv1.Envelope) *updateRecord {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.updates[proto.Sum(e.GetPayload())]
	if s == nil || !bytes.Equal(s.raw.Key, e.GetKey()) || !bytes.Equal(s.raw.Sig, e.GetSig()) {
		return nil
	}
	return s
}

// Write makes a commit of a draft with its root, signs it, and keeps it on disk.
func (b *Book) Write(key ed25519.PrivateKey, draft round.Commit) (round.Commit, error) {
	var with enclosed
	w := &murmurv1.Commit{}
	b.mu.RLock()
	below := b.noticesOf(draft.Parent)
	for _, n := range draft.Notices {
		e := cmp.Or(below[n.ID], b.notices[n.ID])
		if e == nil {
			b.mu.RUnlock()
			return draft, fmt.Errorf("notice %s is not held", n.ID.Short())
		}
		with.notices = append(with.notices, e)
	}
	shown := draft.Evidence
	draft.Evidence = nil
	for _, pair := range shown {
		x, y := b.updates[pair[0]], b.updates[pair[1]]
		if x == nil || y == nil {
			continue // it made room for others: a commit is valid without it, and who signs thousands would keep all from closing
		}
		draft.Evidence = append(draft.Evidence, pair)
		with.evidence = append(with.evidence, &murmurv1.Evidence{First: x.raw, Second: y.raw})
	}
	lost := b.lost(draft.Updates)
	if len(lost) == 0 {
		for _, id := range draft.Updates {
			w.Updates = append(w.Updates, b.updates[id].raw)
		}
	}
	b.mu.RUnlock()
	if len(lost) > 0 {
		return draft, LostError(lost)
	}
	w.Content = encodeContent(b.Swarm, draft, with)
	draft.ID = proto.Sum(w.Content)
	w.Announce = wire.Announce{
		Commit: draft.ID, Parent: draft.Parent, Height: draft.Height, View: draft.View, Closer: draft.Closer,
	}.Seal(b.Swarm, key)
	b.mu.Lock()
	b.keepCommit(draft, nil, w)
	b.commits[draft.ID].raw = w // somebody may have announced the same before: this node speaks for itself
	b.mu.Unlock()
	return draft, b.Save(draft.ID)
}

// LostError names the updates of a draft that had to make room for others.
type LostError []proto.ID

func (e LostError) Error() string {
	return fmt.Sprintf("%d of its updates, %s first, are not held", len(e), e[0].Short())
}

// Listable returns a LostError where some updates of a draft are not held.
func (b *Book) Listable(ids []proto.ID) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if lost := b.lost(ids); len(lost) > 0 {
		return LostError(lost)
	}
	return nil
}

func (b *Book) lost(ids []proto.ID) (lost []proto.ID) {
	for _, id := range ids {
		if b.updates[id] == nil {
			lost = append(lost, id)
		}
	}
	return lost
}

// ErrForgotten says that a commit that was read had to make room for others since.
var ErrForgotten = errors.New("it is not held")

// Save puts a commit that was found valid on disk.
func (b *Book) Save(id proto.ID) error {
	b.mu.RLock()
	p := b.commits[id]
	b.mu.RUnlock()
	switch {
	case p == nil:
		return fmt.Errorf("commit %s cannot be saved: %w", id.Short(), ErrForgotten)
	case p.raw == nil:
		return nil // genesis
	}
	if err := b.store.PutCommit(id, proto.Encode(p.raw)); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p.saved = true
	return nil
}

// SetHead records the head. One that does not follow from the base is a snapshot
// that this node goes over to, and becomes the base in the same transaction.
func (b *Book) SetHead(id proto.ID) error {
	b.mu.Lock()
	if b.commits[id] == nil {
		b.mu.Unlock()
		return fmt.Errorf("commit %s cannot be the head: it is not held", id.Short())
	}
	if _, ok := b.path(b.base, id); !ok {
		b.base = id
	}
	b.head = id
	base := b.base
	b.mu.Unlock()
	return b.store.adopt(id, base)
}

// settledDepth is how far a commit lies below the head where no honest node leaves it any more.
const settledDepth = 3

// Settled returns the newest snapshot height that lies so deep below a head; false where genesis is the newest.
func (b *Book) Settled(head round.Commit) (round.Commit, bool) {
	for c, ok := b.Commit(head.Skip); ok && c.Height > 0; c, ok = b.Commit(c.Skip) {
		if head.Height-c.Height >= settledDepth {
			return c, true
		}
	}
	return round.Commit{}, false
}
