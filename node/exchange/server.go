package exchange

import (
	"context"
	"errors"
	"sync/atomic"

	protobuf "google.golang.org/protobuf/proto"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// maxAnswered bounds the commits in one answer; an asker who is still behind
// asks again.
const maxAnswered = 256

// Server answers peers' questions about the chain.
type Server struct {
	manifest func() ([]byte, error)
	store    *chain.Store
	book     atomic.Pointer[chain.Book] // nil until the manifest is here
}

// NewServer returns a server of a manifest, which need not be here yet, and of the states in a store.
func NewServer(manifest func() ([]byte, error), store *chain.Store) *Server {
	return &Server{manifest: manifest, store: store}
}

// Serve has a chain served.
func (s *Server) Serve(b *chain.Book) { s.book.Store(b) }

// HandleSync answers a peer's question about the chain.
func (s *Server) HandleSync(_ context.Context, _ proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	res := &murmurv1.SyncResponse{}
	if req.Manifest {
		b, err := s.manifest()
		if err != nil {
			return nil, errors.New("no manifest here yet")
		}
		res.Manifest = b
	}
	book := s.book.Load()
	if book == nil {
		return res, nil
	}
	head, base := book.Marks()
	res.Head, res.Height = head.ID[:], head.Height
	room := proto.MaxSync / 2
	for i, b := range req.Commits {
		if id, err := proto.IDFrom(b); err == nil && i < maxAnswered {
			if w := book.Raw(id); w != nil && protobuf.Size(w) <= room {
				room -= protobuf.Size(w)
				res.Commits = append(res.Commits, w)
			}
		}
	}
	if len(req.Have) > 0 {
		s.follow(book, head, base, req.Have, res)
	}
	if req.Past != nil {
		if from, err := proto.IDFrom(req.Past.From); err == nil {
			res.Past = fitting(book.Past(from, req.Past.Height, maxAnswered))
		}
	}
	if len(req.UpdatesFor) > 0 {
		if parent, err := proto.IDFrom(req.UpdatesFor); err == nil {
			for _, u := range book.UpdatesFor(parent) {
				if len(res.Updates) < proto.MaxUpdates {
					res.Updates = append(res.Updates, book.Envelope(u.ID))
				}
			}
		}
	}
	if len(req.Author) > 0 && len(req.Author) <= proto.MaxPeerBytes {
		if u, ok := book.Newest(proto.PeerID(req.Author)); ok {
			res.Updates = append(res.Updates, book.Envelope(u.ID))
		}
	}
	return res, nil
}

// follow answers with the commits after the first that the asker has, or with a
// snapshot height where it has none that is still held here.
func (s *Server) follow(book *chain.Book, head, base round.Commit, have [][]byte, res *murmurv1.SyncResponse) {
	for i, b := range have {
		id, err := proto.IDFrom(b)
		if err != nil || i == maxAnswered {
			break
		}
		c, ok := book.Commit(id)
		if !ok || c.Height < base.Height {
			continue
		}
		path, ok := book.Path(id, head.ID)
		if !ok {
			continue
		}
		answer(book, path, res)
		return
	}
	path, ok := book.Path(base.ID, head.ID)
	if !ok {
		return
	}
	for i := len(path); i >= 0; i-- { // the newest snapshot whose state is held
		c := base
		if i > 0 {
			c = path[i-1]
		}
		if c.Height == 0 || s.store.HasState(c.Root) { // anyone can draw genesis
			res.Snapshot = true
			answer(book, append([]round.Commit{c}, path[i:]...), res)
			return
		}
	}
}

// fitting is as much of some contents as fits into one message.
func fitting(contents [][]byte) [][]byte {
	room := proto.MaxSync / 2
	for i, c := range contents {
		if room -= len(c); room < 0 {
			return contents[:i]
		}
	}
	return contents
}

// answer adds commits as long as they fit into one message.
func answer(book *chain.Book, path []round.Commit, res *murmurv1.SyncResponse) {
	room := proto.MaxSync / 2
	for i, c := range path {
		raw := book.Raw(c.ID)
		if raw == nil {
			continue // genesis, which everyone has
		}
		if room -= protobuf.Size(raw); room < 0 || i == maxAnswered {
			return
		}
		res.Commits = append(res.Commits, raw)
	}
}
