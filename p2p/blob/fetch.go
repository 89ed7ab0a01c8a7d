package blob

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
)

const (
	maxFetchSources = 8  // sources of one blob at once, those included that have nothing to offer yet
	maxNamedSources = 64 // sources looked at for one blob
)

// Fetch says which blob to get, from whom, and where to put it.
type Fetch struct {
	ID      proto.ID
	Size    uint64 // 0 = unknown
	MaxSize uint64 // a larger blob is refused; at most proto.MaxBlob
	Path    string // what is not finished yet lies in Path.part
	// Sources are asked in this order, those that are connected first: the first one alone
	// for alsoAsk, then up to maxFetchSources at once.
	Sources []proto.PeerID
}

func (f Fetch) validate() error {
	switch {
	case f.Path == "":
		return errors.New("no path")
	case f.MaxSize == 0 || f.MaxSize > proto.MaxBlob:
		return fmt.Errorf("a limit of %d bytes, want 1 to %d", f.MaxSize, uint64(proto.MaxBlob))
	case f.Size > f.MaxSize:
		return fmt.Errorf("it has %d bytes, at most %d are allowed", f.Size, f.MaxSize)
	case len(f.Sources) == 0:
		return errors.New("no peer is known to have it")
	}
	return nil
}

// Fetch gets a blob, each leaf verified before it counts, and puts it at Path
// whole or not at all. It goes on where an earlier Fetch to the same Path
// stopped. A source that lies, stalls or dies costs the leaves it was asked for;
// the others take over. The error wraps fs.ErrNotExist when every source
// answered that it does not have the blob.
func (x *Exchange) Fetch(ctx context.Context, f Fetch) error {
	if err := x.fetch(ctx, f); err != nil {
		return fmt.Errorf("fetching blob %s: %w", f.ID.Short(), err)
	}
	return nil
}

func (x *Exchange) fetch(ctx context.Context, f Fetch) error {
	if err := f.validate(); err != nil {
		return err
	}
	done, ok := x.begin()
	if !ok {
		return errors.New("the network is closed")
	}
	defer done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.ctx, cancel)()
	if _, running := x.paths.LoadOrStore(f.Path, true); running {
		return fmt.Errorf("%s is being fetched already", f.Path)
	}
	defer x.paths.Delete(f.Path)
	select {
	case x.fetches <- struct{}{}:
		defer func() { <-x.fetches }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ended, came := x.coming.begin(f.ID), uint64(0)
	defer func() { ended(came) }()
	p, err := openPart(f.Path)
	if err != nil {
		return err
	}
	c := &coordinator{x: x, f: f, part: p, reports: make(chan report), small: f.Size > 0 && f.Size <= smallBlob}
	for _, id := range x.params.Nearest(f.Sources) {
		if id := peer.ID(id); id != x.params.Self && !slices.Contains(c.rest, id) && len(c.rest) < maxNamedSources {
			c.rest = append(c.rest, id)
		}
	}
	err = c.run(ctx)
	cancel()
	c.wg.Wait() // nobody writes after this
	if err != nil {
		return errors.Join(err, p.file.Close())
	}
	if err = p.finish(c.size); err == nil {
		came = c.size
	}
	return err
}
