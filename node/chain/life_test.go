package chain

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// The life that the crash tests interrupt: rounds of two authors with a
// snapshot every second height, where the base follows; at cutAt the node goes
// back by Cut and pulls what it lost again; behind the last round it goes over to
// a snapshot of a branch that it shares nothing with.
const (
	lastRound   = 6
	snapshots   = 2
	cutAt       = 5
	cutTo       = 3
	foreignAt   = 20
	liveAuthors = 2
)

// world is the chain of that life, signed once.
type world struct {
	genesis  round.Commit
	chapters []chapter // of heights 1 to lastRound
	foreign  chapter
}

type chapter struct {
	updates []told // the first is the node's own
	commit  round.Commit
	raw     *murmurv1.Commit
	state   []byte
}

type told struct {
	update  round.Update
	wire    wire.Update
	payload []byte
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{genesis: round.Genesis(testSwarm, proto.Sum([]byte("g")), 10, 100)}
	s, err := open(t.TempDir(), quickDisk{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := w.book(s)
	if err != nil {
		t.Fatal(err)
	}
	parent := w.genesis
	for range lastRound {
		w.chapters = append(w.chapters, newChapter(t, b, parent, 1))
		parent = w.chapters[len(w.chapters)-1].commit
	}
	parent.ID, parent.Height = proto.Sum([]byte("another branch")), foreignAt-1
	w.foreign = newChapter(t, b, parent, 2)
	return w
}

// newChapter makes a commit on a parent, of which author from is the first.
func newChapter(t testing.TB, b *Book, parent round.Commit, from byte) (ch chapter) {
	t.Helper()
	var us []round.Update
	for author := from; author < from+liveAuthors; author++ {
		whose := tag(peerOf(author))
		payload := append(whose[:], bytes.Repeat([]byte{author, byte(parent.Height)}, 50)...)
		u := sealed(author, wire.Update{
			Author: peerOf(author), Parent: parent.ID, Height: parent.Height + 1, Seq: parent.Height + 1, Tokens: 500,
			High: parent.Cursor + 5, Payload: proto.HashBlob(payload).Root(), Size: uint64(len(payload)), Loss: 2.5,
		})
		us = append(us, b.AddUpdate(u))
		ch.updates = append(ch.updates, told{us[len(us)-1], u, payload})
	}
	ch.state = fmt.Appendf(nil, "state %d of %d", parent.Height+1, from)
	draft := round.Derive(testConfig(), parent, us, nil, nil)
	draft.Root, draft.Closer = proto.HashBlob(ch.state).Root(), peerOf(from)
	var err error
	if ch.commit, err = b.Write(testKey(from), draft); err != nil {
		t.Fatal(err)
	}
	ch.raw = b.Raw(ch.commit.ID)
	return ch
}

func (w *world) book(s *Store) (*Book, error) { return OpenBook(s, testSwarm, peerOf(1), w.genesis) }

// open opens a directory with its book, on a disk without faults.
func (w *world) open(dir string) (*Store, *Book, error) {
	s, err := open(dir, quickDisk{})
	if err != nil {
		return nil, nil, err
	}
	b, err := w.book(s)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, b, nil
}

func (w *world) at(c round.Commit) chapter {
	if c.ID == w.foreign.commit.ID {
		return w.foreign
	}
	return w.chapters[c.Height-1]
}

// promise is what calls that returned nil have promised to be on disk.
type promise struct {
	payloads, states map[proto.ID][]byte
	own              map[proto.ID]uint64
	commits          map[proto.ID]bool
	marks            marks
	local            uint64   // Seq of the saved Local
	daily            []uint64 // heights of daily states
	full             bool     // the disk was full once: daily states make room
	doing            struct {
		marks marks
		local uint64
	}
	cut bool // has been done, or begun
}

type marks struct{ head, base proto.ID }

func newPromise(w *world) *promise {
	p := &promise{payloads: map[proto.ID][]byte{}, states: map[proto.ID][]byte{}, own: map[proto.ID]uint64{}, commits: map[proto.ID]bool{}}
	p.marks = marks{w.genesis.ID, w.genesis.ID}
	return p
}

// life is one process of a node.
type life struct {
	*world
	*promise
	s *Store
	b *Book
}

// live opens the directory and goes on with the life to its end.
func (w *world) live(dir string, d disk, p *promise) (err error) {
	s, err := open(dir, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b, err := w.book(s)
	if err != nil {
		return err
	}
	l := life{w, p, s, b}
	err = l.run()
	for range fullFor {
		if errors.Is(err, syscall.ENOSPC) {
			err = l.run()
		}
	}
	return err
}

func (l *life) run() error {
	for {
		head, base := l.b.Marks()
		if head.Height > 0 {
			if err := l.tail(head); err != nil {
				return err
			}
		}
		var err error
		switch {
		case head.ID == l.foreign.commit.ID:
			return nil
		case head.Height == cutAt && !l.cut:
			l.cut = true
			to := l.chapters[cutTo-1].commit
			err = l.mark(to.ID, base.ID, func() error { return l.b.Cut(base, to) })
		case head.Height == lastRound:
			err = l.goOver()
		default:
			err = l.round(head)
		}
		if err != nil {
			return err
		}
	}
}

// round is one round as node's hand does it.
func (l *life) round(parent round.Commit) error {
	ch := l.chapters[parent.Height]
	for i, u := range ch.updates {
		if _, _, err := l.s.PutPayload(u.update.Author, u.payload[TagSize:]); err != nil {
			return err
		}
		l.payloads[u.update.Payload] = u.payload
		l.b.AddUpdate(u.wire)
		if i > 0 {
			continue
		}
		covers := 1000 + parent.Height
		if err := l.s.PutOwn(u.wire, covers); err != nil {
			return err
		}
		l.own[u.update.ID] = covers
	}
	if parent.Height%2 == 0 {
		draft := ch.commit
		draft.ID = proto.ID{}
		if c, err := l.b.Write(testKey(1), draft); err != nil || c.ID != ch.commit.ID {
			return errors.Join(err, l.same(c, ch.commit))
		}
	} else if err := l.take(ch); err != nil {
		return err
	}
	l.commits[ch.commit.ID] = true
	_, base := l.b.Marks()
	return l.mark(ch.commit.ID, base.ID, func() error { return l.b.SetHead(ch.commit.ID) })
}

func (l *life) same(got, want round.Commit) error {
	if got.ID != want.ID {
		return fmt.Errorf("wrote commit %s, want %s", got.ID.Short(), want.ID.Short())
	}
	return nil
}

// take adds and saves a commit of others.
func (l *life) take(ch chapter) error {
	if _, _, _, err := l.b.AddCommit(ch.raw); err != nil {
		return err
	}
	if err := l.b.Save(ch.commit.ID); err != nil {
		return err
	}
	l.commits[ch.commit.ID] = true
	return nil
}

// goOver enters the foreign branch.
func (l *life) goOver() error {
	if err := l.putState(l.foreign); err != nil {
		return err
	}
	if err := l.take(l.foreign); err != nil {
		return err
	}
	id := l.foreign.commit.ID
	return l.mark(id, id, func() error { return l.b.SetHead(id) })
}

// tail is what follows an adoption; doing it twice does no harm.
func (l *life) tail(head round.Commit) error {
	l.doing.local = head.Height
	if err := l.s.PutLocal(Local{Head: head.ID, Seq: head.Height, Step: 3}, []byte("abcd"), []byte("efgh")); err != nil {
		return err
	}
	l.local = head.Height
	if head.Height%snapshots != 0 {
		return nil
	}
	if err := l.putState(l.at(head)); err != nil {
		return err
	}
	if err := l.s.KeepDaily(head, l.at(head).state, time.Unix(0, 0).AddDate(0, 0, int(head.Height))); err != nil {
		return err
	}
	if !slices.Contains(l.daily, head.Height) {
		l.daily = append(l.daily, head.Height)
	}
	switch _, base := l.b.Marks(); {
	case head.ID == l.foreign.commit.ID:
		return l.rebase(head)
	case head.Height > base.Height+snapshots:
		return l.rebase(l.chapters[head.Height-snapshots-1].commit)
	}
	return nil
}

func (l *life) putState(ch chapter) error {
	if err := l.s.PutState(ch.commit.Root, ch.state); err != nil {
		return err
	}
	l.states[ch.commit.Root] = ch.state
	return nil
}

func (l *life) rebase(base round.Commit) error {
	if err := l.putState(l.at(base)); err != nil {
		return err
	}
	states := map[proto.ID]bool{base.Root: true}
	for _, c := range l.b.Above(base.Height) {
		if c.Height%snapshots == 0 {
			states[c.Root] = true
		}
	}
	// From here on what lies below the base is promised no more.
	maps.DeleteFunc(l.states, func(id proto.ID, _ []byte) bool { return !states[id] })
	for _, ch := range l.chapters {
		if ch.commit.Height < base.Height {
			delete(l.commits, ch.commit.ID)
		}
		if ch.commit.Height <= base.Height {
			for _, u := range ch.updates[1:] {
				delete(l.payloads, u.update.Payload)
			}
		}
	}
	head, _ := l.b.Marks()
	return l.mark(head.ID, base.ID, func() error { return l.b.Rebase(base, states) })
}

func (l *life) mark(head, base proto.ID, do func() error) error {
	l.doing.marks = marks{head, base}
	err := do()
	if err == nil {
		l.marks = l.doing.marks
	}
	return err
}
