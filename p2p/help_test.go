package p2p

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// randomBytes are the same in every run.
func randomBytes(seed uint64, n int) []byte {
	r := rand.NewChaCha8(proto.Sum(fmt.Append(nil, seed)))
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// memStore serves blobs from memory; Wrap may put faults between.
type memStore struct {
	mu    sync.Mutex
	blobs map[proto.ID][]byte
	Wrap  func(off int64, b []byte) error
}

func (s *memStore) Add(b []byte) proto.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil {
		s.blobs = make(map[proto.ID][]byte)
	}
	id := proto.HashBlob(b).Root()
	s.blobs[id] = b
	return id
}

func (s *memStore) OpenBlob(id proto.ID) (blob.Blob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[id]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", id.Short(), fs.ErrNotExist)
	}
	return memBlob{bytes.NewReader(b), proto.HashBlob(b), s.Wrap}, nil
}

type memBlob struct {
	r    *bytes.Reader
	tree proto.Tree
	wrap func(off int64, b []byte) error
}

func (b memBlob) Size() uint64 { return b.tree.Size }

func (b memBlob) Tree() (proto.Tree, error) { return b.tree, nil }
func (b memBlob) Close() error              { return nil }
func (b memBlob) Urgent() bool              { return true }

func (b memBlob) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.r.ReadAt(p, off)
	if b.wrap != nil {
		if werr := b.wrap(off, p[:n]); werr != nil {
			return 0, werr
		}
	}
	return n, err
}

// echoSync answers every question with what was asked.
type echoSync struct{ err error }

func (s echoSync) HandleSync(_ context.Context, from proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	return &murmurv1.SyncResponse{Head: req.Author, Manifest: []byte(from)}, s.err
}

// longSync answers whoever asks for a branch with so many bytes, and others with a few.
type longSync int

func (k longSync) HandleSync(_ context.Context, _ proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	if len(req.Have) > 0 {
		return &murmurv1.SyncResponse{Manifest: make([]byte, k)}, nil
	}
	return &murmurv1.SyncResponse{Head: req.Author}, nil
}

func testParams(i int) Params {
	return Params{
		Key: prototest.Key(i), Swarm: prototest.Swarm, Version: "0.0.0-test",
		Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"},
		Blobs:  new(memStore), Sync: echoSync{}, Log: slog.New(slog.DiscardHandler),
	}
}

// start runs node i until the test ends.
func start(t *testing.T, i int, change func(*Params)) *Network {
	t.Helper()
	p := testParams(i)
	if change != nil {
		change(&p)
	}
	n, err := New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("closing node %d: %v", i, err)
		}
	})
	return n
}

func bootstrap(from ...*Network) func(*Params) {
	return func(p *Params) {
		for _, n := range from {
			p.Bootstrap = append(p.Bootstrap, n.Addrs()...)
		}
	}
}

// until waits for a state, woken by changes of the peers or by a short tick.
func until(t *testing.T, n *Network, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-n.PeerChanges():
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
