package blob

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// A source that sends less than 16 KiB/s over three seconds is slow: another
// one is asked for its leaves, while it may go on.
const (
	slowWindow = 3 * time.Second
	slowRate   = 16 << 10
	headerRoom = 256 // bytes of a BlobHeader beside the leaf hashes
)

// job is a request to a source. It asks for leaves [first, first+count) of a known tree,
// or of a small blob when tree is nil; with count 0 it asks for an offer.
type job struct {
	tree         *proto.Tree
	first, count int
}

// report is a source's word to the coordinator. Exactly one field beside src is set, or
// none when the job is done.
type report struct {
	src   *source
	offer *offer
	leaf  int // number of a verified leaf that is on disk, plus one
	slow  bool
	open  bool  // the peer was reached
	later bool  // the peer took its offer back and wants to be asked again
	err   error // why this source is given up
	disk  error // why the whole fetch is given up
}

// offer is a source's leaf hashes with the bytes/s that it expects to send; 0 is unknown.
type offer struct {
	tree proto.Tree
	rate float64
}

// source asks one peer for parts of one blob, on one stream at a time.
type source struct {
	x    *Exchange
	f    Fetch
	id   peer.ID
	part *part
	jobs chan job
	out  chan<- report

	s    network.Stream
	told uint64 // rate that was asked of the server on s
	stop func() bool
	w    *watched
	r    *bufio.Reader
	used time.Time

	moved atomic.Int64 // bytes of the running job

	// The coordinator's own notes.
	open       bool // whether the peer was reached
	busy, slow bool
	offered    bool
	later      int                // how often in a row the peer took its offer back
	rate       float64            // expected bytes/s; 0 is unknown
	todo       []int              // leaves of the running job that have not come
	since      time.Time          // beginning of the running job
	cancel     context.CancelFunc // ends the source
}

// run works on jobs until the channel is closed, ctx ends or the peer fails.
func (s *source) run(ctx context.Context) {
	defer s.hangUp()
	for {
		select {
		case <-ctx.Done():
			return
		case j, ok := <-s.jobs:
			if !ok {
				return
			}
			r := report{src: s}
			var disk diskError
			switch err := s.do(ctx, j); {
			case errors.As(err, &disk):
				r.disk = disk.error
			case errors.Is(err, errLater):
				r.later = true
			case err != nil:
				r.err = err
			}
			if !s.tell(ctx, r) || r.err != nil || r.disk != nil {
				return
			}
		}
	}
}

func (s *source) tell(ctx context.Context, r report) bool {
	select {
	case s.out <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// errLater says that a source has a blob, and others to serve first.
var errLater = errors.New("has others to serve")

// absentError is a fs.ErrNotExist in better words.
type absentError string

func (e absentError) Error() string        { return string(e) }
func (e absentError) Is(target error) bool { return target == fs.ErrNotExist }

// diskError sets a fault of this machine apart from one of the peer.
type diskError struct{ error }

func (s *source) do(ctx context.Context, j job) error {
	if s.s != nil && time.Since(s.used) > idleTimeout/2 {
		s.hangUp() // the peer may have closed it by now
	}
	if s.s == nil {
		st, stop, err := s.x.params.Open(ctx, s.id)
		if err != nil {
			return err
		}
		s.s, s.stop, s.told = st, stop, 0
		s.w = &watched{
			Stream: st, ctx: s.x.ctx, line: s.x.params.Line, moved: &s.moved, pace: s.pace,
			slow: func() { s.tell(ctx, report{src: s, slow: true}) },
		}
		s.r = bufio.NewReaderSize(s.w, stream.Chunk)
		if !s.tell(ctx, report{src: s, open: true}) {
			return ctx.Err()
		}
	}
	defer func() { s.used = time.Now() }()
	limit := headerRoom
	if j.count == 0 {
		limit += 32 * proto.LeafCount(s.f.MaxSize)
	}
	req := &murmurv1.BlobRequest{Id: s.f.ID[:], First: uint32(j.first), Count: uint32(j.count), Rate: s.x.places[shaper.Round].carries()}
	if j.count > 0 {
		defer s.x.intake.begin(s.id)()
		s.pace()
	}
	s.w.expect(j.count > 0)
	s.moved.Store(0)
	if err := stream.WriteMessage(stream.Paced{Stream: s.s}, req); err != nil {
		return fmt.Errorf("sending a request: %w", err)
	}
	var head murmurv1.BlobHeader
	if err := stream.ReadMessage(s.r, int64(limit), &head); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	switch {
	case !head.Found:
		return absentError("does not have it")
	case head.Size > smallBlob && head.Length == 0 && len(head.Leaves) == 0:
		return errLater
	case j.count == 0:
		tree, err := proto.ParseTree(s.f.ID, head.Size, head.Leaves)
		if err != nil {
			return err
		}
		if !s.tell(ctx, report{src: s, offer: &offer{tree, float64(head.Rate)}}) {
			return ctx.Err()
		}
		return nil
	}
	return s.leaves(ctx, j, &head)
}

// pace tells the server how much of its blobs is taken in, where that is other than it heard last: a job may take long.
func (s *source) pace() {
	if rate := s.x.intake.rate(s.x.params.Line.Intake(s.id)); rate != s.told {
		s.told = rate
		_ = stream.WriteMessage(stream.Paced{Stream: s.s}, &murmurv1.BlobRequest{Down: rate}) // where it fails, so does the job
	}
}

// leaves reads, verifies and stores the leaves of a job.
func (s *source) leaves(ctx context.Context, j job, head *murmurv1.BlobHeader) error {
	size := s.f.Size
	if j.tree != nil {
		size = j.tree.Size
	}
	var want uint64
	for i := j.first; i < j.first+j.count; i++ {
		want += leafSize(i, size)
	}
	if head.Size != size || head.Length != want {
		return fmt.Errorf("offers %d bytes of a blob of %d, asked were %d of %d", head.Length, head.Size, want, size)
	}
	buf := make([]byte, min(proto.LeafSize, want))
	for i := j.first; i < j.first+j.count; i++ {
		b := buf[:leafSize(i, size)]
		if _, err := io.ReadFull(s.r, b); err != nil {
			return fmt.Errorf("reading leaf %d: %w", i, err)
		}
		if !verify(s.f.ID, j.tree, i, b) {
			return fmt.Errorf("leaf %d is not what its hash says", i)
		}
		if err := s.part.write(i, b); err != nil {
			return diskError{err}
		}
		if !s.tell(ctx, report{src: s, leaf: i + 1}) {
			return ctx.Err()
		}
	}
	return nil
}

// verify checks a leaf against the tree; without one, a blob of one leaf
// against its id.
func verify(id proto.ID, tree *proto.Tree, i int, b []byte) bool {
	if tree == nil {
		return proto.HashBlob(b).Root() == id
	}
	return proto.Sum(b) == tree.Leaves[i]
}

func (s *source) hangUp() {
	if s.s == nil {
		return
	}
	s.stop()
	_ = s.s.Reset()
	s.s = nil
}
