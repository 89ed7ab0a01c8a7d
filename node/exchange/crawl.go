package exchange

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/peerbook"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// CrawlParams say from which peers a crawl starts.
type CrawlParams struct {
	Dir     home.Dir
	Addrs   []string // addresses of peers, beside those that the directory knows
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
	self := proto.PeerOf(key.Public().(ed25519.PublicKey))
	members, err := visit(p.Dir, swarm, self)
	if err != nil {
		return nil, err
	}
	n, err := p2p.New(ctx, p2p.Params{
		Key: key, Members: members, Swarm: swarm, Version: p.Version, Bootstrap: slices.Concat(p.Addrs, peerbook.Addrs(p.Dir.Path(home.Peers)), saved),
		Reach: p2p.Visitor, Blobs: nothing{}, Sync: nothing{}, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = n.Close() }()
	return n.Crawl(ctx)
}

// ErrMembersOnly says that a visitor is not let in.
var ErrMembersOnly = errors.New("this swarm is for members, and a visitor is let in by the community's key alone: run it where community.key lies")

// visit makes a list of members in which the visitor is one for as long as the crawl lasts; nil in an open
// swarm.
func visit(d home.Dir, swarm proto.ID, self proto.PeerID) (*membership.List, error) {
	m, err := founding.Membership(d)
	if err != nil || m == nil || m.Open() {
		return nil, err
	}
	key, err := d.Community()
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, ErrMembersOnly
	}
	saved, err := d.Members() // it has the keys that came after the manifest's
	if err != nil {
		return nil, err
	}
	b, err := membership.New(membership.Params{Swarm: swarm, Self: self, Keys: m.Public(), Members: m.Members, Key: key, Saved: saved})
	if err != nil {
		return nil, err
	}
	b.Issue(time.Now())
	return b, nil
}

// nothing serves a visitor's peers: no blob and no answer.
type nothing struct{}

func (nothing) OpenBlob(proto.ID) (blob.Blob, error) { return nil, fs.ErrNotExist }

func (nothing) HandleSync(context.Context, proto.PeerID, *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	return &murmurv1.SyncResponse{}, nil
}
