package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
)

// MaxFetches is how many blobs are fetched at once; each has at most one stream to a source. It is more than the 32 payloads that a node asks for at
// once, of which others may have half come as slowly as they like, the three states of branches beside them, and a token shard.
const MaxFetches = 40

// Store holds the blobs that a node serves.
type Store interface {
	// OpenBlob returns an error that wraps fs.ErrNotExist for a blob that is not held.
	OpenBlob(id proto.ID) (Blob, error)
}

// Blob is one open blob.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() uint64
	Tree() (proto.Tree, error) // reads it whole
	Urgent() bool              // a round waits for it: it goes before others
}

// Line is the caps on what this machine sends and takes in.
type Line interface {
	stream.Line
	// WaitDown returns when the next bytes from a peer may be read, or ctx ends.
	WaitDown(ctx context.Context, c shaper.Class, from peer.ID, bytes int) error
	// Intake is the cap on what comes from a peer, in bytes a second; 0 is none.
	Intake(from peer.ID) float64
}

// Params is what an Exchange is made from.
type Params struct {
	Self  peer.ID // this node, which is never a source
	Store Store   // blobs that this node serves
	Line  Line    // caps that both ways of a stream wait for
	Log   *slog.Logger
	// Open connects where needed and opens a stream to a peer's Serve, which is reset when
	// ctx ends; the caller calls stop before it closes the stream.
	Open func(ctx context.Context, to peer.ID) (s network.Stream, stop func() bool, err error)
	// Nearest orders peers by how soon they can be asked.
	Nearest func([]proto.PeerID) []proto.PeerID
	// Outsider tells whether a peer takes no part in the swarm.
	Outsider func(peer.ID) bool
}

// Validate says what is missing, in one line.
func (p Params) Validate() error {
	switch {
	case p.Self == "":
		return errors.New("no id of this node")
	case p.Store == nil:
		return errors.New("no blob store")
	case p.Line == nil:
		return errors.New("no line")
	case p.Log == nil:
		return errors.New("no logger")
	case p.Open == nil:
		return errors.New("no way to open a stream")
	case p.Nearest == nil:
		return errors.New("no order of peers")
	case p.Outsider == nil:
		return errors.New("no word on who takes part")
	}
	return nil
}

// Exchange fetches blobs and serves them.
type Exchange struct {
	params  Params
	fetches chan struct{}          // one token for each running Fetch
	coming  coming                 // blobs that are being fetched
	places  [shaper.Classes]places // places for peers that fetch here, by class
	trees   trees                  // leaf hashes of served blobs
	intake  intake                 // rates asked of servers
	takers  takers                 // rates asked of this one
	drawn   atomic.Uint64          // bytes that went to outsiders
	spare   atomic.Bool            // whether outsiders get no blobs
	paths   sync.Map               // paths that a running Fetch writes

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards closed, and wg against growing after Close
	closed bool
}

// New makes an Exchange that works until Close or until ctx ends, whichever is first.
func New(ctx context.Context, p Params) (*Exchange, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("blob exchange parameters: %w", err)
	}
	x := &Exchange{params: p, fetches: make(chan struct{}, MaxFetches)}
	x.ctx, x.cancel = context.WithCancel(ctx)
	return x, nil
}

// Drawn is how many bytes of blobs and answers went to peers who take no part in the swarm's rounds.
func (x *Exchange) Drawn() uint64 { return x.drawn.Load() }

// Draw counts what went to them in answers about the chain.
func (x *Exchange) Draw(bytes int) { x.drawn.Add(uint64(bytes)) }

// Spares tells whether outsiders get nothing.
func (x *Exchange) Spares() bool { return x.spare.Load() }

// Spare has blobs served to those alone who take part, or to all again.
func (x *Exchange) Spare(on bool) { x.spare.Store(on) }

// begin holds the wait group until done is called, unless the exchange is closed.
func (x *Exchange) begin() (done func(), ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, false
	}
	x.wg.Add(1)
	return x.wg.Done, true
}

// Close ends fetches and serving, and waits for both. A write to a silent peer ends
// only after stream.Timeout unless the host was closed before.
func (x *Exchange) Close() error {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.cancel()
	x.wg.Wait()
	return nil
}
