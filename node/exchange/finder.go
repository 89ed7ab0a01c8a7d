package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/trainer/shard"
)

// FinderParams say what a Finder works with.
type FinderParams struct {
	Dir     home.Dir
	Swarm   proto.ID
	Net     *p2p.Network
	Store   *chain.Store
	Library *library.Library
	Status  *status.Board
	Log     *slog.Logger
	Stop    <-chan struct{} // closes when the node is to leave
}

// Finder gets what a node needs before it can take part: the manifest, and the files that this names.
type Finder struct{ p FinderParams }

// NewFinder returns a finder.
func NewFinder(p FinderParams) (*Finder, error) {
	if p.Net == nil || p.Store == nil || p.Library == nil || p.Status == nil || p.Log == nil {
		return nil, errors.New("exchange: no network, store, library, status or log to find a swarm with")
	}
	return &Finder{p}, nil
}

// Manifest returns the manifest from disk, or from the first peer that
// has it; nil when ctx ends before.
func (f *Finder) Manifest(ctx context.Context) ([]byte, error) {
	b, err := f.p.Dir.Manifest()
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	f.p.Log.Info("Looking for a peer that has the swarm's manifest", "swarm", f.p.Swarm)
	const between = 500 * time.Millisecond
	for {
		for _, peer := range f.p.Net.Connected() {
			if b := f.ask(ctx, peer); b != nil {
				return b, f.p.Dir.SetManifest(b)
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-f.p.Stop:
			return nil, nil
		case <-f.p.Net.PeerChanges():
		case <-time.After(between):
		}
	}
}

// ask asks a peer for the manifest; nil: it has none.
func (f *Finder) ask(ctx context.Context, peer proto.PeerID) []byte {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	res, err := f.p.Net.Request(ctx, peer, &murmurv1.SyncRequest{Manifest: true})
	if err != nil || len(res.Manifest) > proto.MaxManifest || proto.Sum(res.Manifest) != f.p.Swarm {
		return nil
	}
	return res.Manifest
}

// Files gets what every node keeps of the manifest's files from peers, as far as it is not here; it is false when ctx
// ends before.
func (f *Finder) Files(ctx context.Context, m manifest.Manifest) bool {
	for _, b := range m.Files() {
		if f.p.Library.Has(b) {
			continue
		}
		f.p.Log.Info("Fetching a file that the swarm's manifest names", "id", b.ID, "bytes", b.Size)
		f.p.Status.Starting(fmt.Sprintf("fetching a file of %d bytes that the swarm's manifest names", b.Size))
		if !f.file(ctx, b) {
			return false
		}
	}
	return true
}

// file asks all connected peers until one has the file.
func (f *Finder) file(ctx context.Context, b shard.Blob) bool {
	const between = time.Second
	for {
		err := f.Fetch(ctx, b)
		if err == nil {
			return true
		}
		f.p.Status.Starting(fmt.Sprintf("fetching a file of %d bytes that the swarm's manifest names: %v; it goes on", b.Size, err))
		select {
		case <-ctx.Done():
			return false
		case <-f.p.Stop:
			return false
		case <-f.p.Net.PeerChanges():
		case <-time.After(between):
		}
	}
}

// Fetch asks the connected peers for a file once.
func (f *Finder) Fetch(ctx context.Context, b shard.Blob) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	err := f.p.Net.Fetch(ctx, blob.Fetch{ID: b.ID, Size: b.Size, MaxSize: b.Size, Path: f.p.Library.Path(b.ID), Sources: f.p.Net.Connected()})
	f.p.Store.MakeRoom(err) // for the next try
	return err
}
