package p2p

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/multiformats/go-base32"
	"github.com/multiformats/go-multihash"
)

// maxProviders bounds the members that this node remembers for others who ask the DHT. Past it the one that was told of longest ago goes.
const maxProviders = 4096

// providers is what the DHT keeps of who provides what: of the swarm's own name alone. kad-dht by itself keeps whatever anybody tells, for two days.
type providers struct {
	datastore.Batching
	prefix string

	mu    sync.Mutex
	order []datastore.Key // from the one told of longest ago
}

// newProviders is for one name, under which members are listed.
func newProviders(name string) (*providers, error) {
	hash, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1) // as routing discovery names it
	if err != nil {
		return nil, fmt.Errorf("the name of the swarm's members: %w", err)
	}
	return &providers{
		Batching: dssync.MutexWrap(datastore.NewMapDatastore()),
		prefix:   datastore.NewKey(records.ProvidersKeyPrefix+base32.RawStdEncoding.EncodeToString(hash)).String() + "/",
	}, nil
}

// Put keeps a provider, if it is one of the name.
func (p *providers) Put(ctx context.Context, k datastore.Key, value []byte) error {
	if !strings.HasPrefix(k.String(), p.prefix) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.Has(ctx, k)
	if err == nil {
		err = p.Batching.Put(ctx, k, value)
	}
	if err != nil || known {
		return err
	}
	p.order = append(p.order, k)
	if len(p.order) <= maxProviders {
		return nil
	}
	oldest := p.order[0]
	p.order = p.order[1:]
	return p.Batching.Delete(ctx, oldest)
}

// Delete forgets a provider.
func (p *providers) Delete(ctx context.Context, k datastore.Key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range p.order {
		if o == k {
			p.order = append(p.order[:i], p.order[i+1:]...)
			break
		}
	}
	return p.Batching.Delete(ctx, k)
}

// Batch has each of its operations pass through Put and Delete.
func (p *providers) Batch(context.Context) (datastore.Batch, error) {
	return datastore.NewBasicBatch(p), nil
}
