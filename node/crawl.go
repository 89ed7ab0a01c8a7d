package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// CrawlParams say whom to start from.
type CrawlParams struct {
	Dir     Dir
	Addrs   []string // of peers, beside those that the directory knows
	Version string
	Log     *slog.Logger
}

// Crawl visits a directory's swarm under a key of its own, which is forgotten.
func Crawl(ctx context.Context, p CrawlParams) (found []p2p.Crawled, err error) {
	swarm, err := p.Dir.Swarm()
	if err != nil {
		return nil, err
	}
	saved, err := p.Dir.Bootstrap()
	if err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	n, err := p2p.New(ctx, p2p.Params{
		Key: key, Swarm: swarm, Version: p.Version, Bootstrap: slices.Concat(p.Addrs, p2p.Known(p.Dir.path("peers.json")), saved),
		Reach: p2p.Visitor, Blobs: nothing{}, Sync: nothing{}, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = n.Close() }()
	return n.Crawl(ctx)
}

// nothing is what a visitor serves.
type nothing struct{}

func (nothing) OpenBlob(proto.ID) (p2p.Blob, error) { return nil, fs.ErrNotExist }

func (nothing) HandleSync(context.Context, proto.PeerID, *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	return &murmurv1.SyncResponse{}, nil
}
