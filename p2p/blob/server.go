package blob

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

const (
	maxBlobRequest = 256              // most bytes of a BlobRequest
	idleTimeout    = 30 * time.Second // most time between two requests on a stream
	// maxRange is how many leaves one request may ask for: the wait for the next answer
	// (60 ms) is small beside such an answer (0.7 s at 100 Mbit/s).
	maxRange = 8
	// A blob of at most smallBlob is sent at once. For a larger one an asker waits up to
	// offerWait for an offer, which is a place among the served. It keeps the place for
	// turnTime, and longer while nobody else waits. It loses the place after a silence of
	// placeHold, the time of a second round trip on a bad line.
	smallBlob = 64 << 10
	offerWait = 10 * time.Second
	placeHold = time.Second
	turnTime  = 3 * time.Second
	// slowReader is how many times slower than its share of the line an asker must read to lose
	// its place. Less is no reason: a slow line has less than half of itself left beside what it
	// acknowledges, and another asker would only divide that further.
	slowReader = 4
	// lookAgain is how often somebody is looked for who waits for the place of an asker that reads nothing.
	lookAgain = 250 * time.Millisecond
)

// Serve answers blob requests on one stream, one after the other, until the asker
// closes it or is silent for idleTimeout.
func (x *Exchange) Serve(s network.Stream) {
	end, ok := x.begin()
	if !ok {
		_ = s.Reset()
		return
	}
	defer end()
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	p := s.Conn().RemotePeer()
	c := blobConn{x: x, s: s, requests: make(chan *murmurv1.BlobRequest), taker: x.takers.join(p)}
	defer x.takers.leave(p)
	defer c.close()
	var heard error
	done := make(chan struct{})
	go func() { // an asker that hangs up ends the wait for its place
		defer close(done)
		defer cancel()
		heard = c.hear(ctx)
	}()
	err := c.serve(ctx)
	if ctx.Err() == nil || x.ctx.Err() != nil { // the asker still listens
		_ = s.Reset()
	}
	<-done
	if err = errors.Join(err, heard); err != nil {
		x.params.Log.Debug("Blob stream ended", "peer", s.Conn().RemotePeer(), "error", err)
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// blobConn is one stream with the blob that its last request was about.
type blobConn struct {
	x        *Exchange
	s        network.Stream
	requests chan *murmurv1.BlobRequest
	id       proto.ID
	blob     Blob
	size     uint64
	places   *places // places for the blob's class
	taker    *taker

	mu     sync.Mutex // guards placed, which a write that takes too long changes
	placed bool       // whether this asker has a place
	since  time.Time  // when it got the place
	bytes  uint64     // bytes sent since then
}

// hear passes requests on until the asker hangs up.
func (c *blobConn) hear(ctx context.Context) error {
	r := bufio.NewReaderSize(c.s, maxBlobRequest)
	for {
		req := new(murmurv1.BlobRequest)
		switch err := stream.ReadMessage(r, maxBlobRequest, req); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading a request: %w", err)
		case len(req.Id) == 0: // it may come in the midst of an answer
			c.taker.asks(req.Down)
			continue
		}
		select {
		case c.requests <- req:
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *blobConn) serve(ctx context.Context) error {
	for {
		silent := time.NewTimer(idleTimeout)
		if c.hasPlace() {
			silent.Reset(placeHold)
		}
		select {
		case req := <-c.requests:
			silent.Stop()
			if err := c.answer(ctx, req); err != nil {
				return err
			}
		case <-silent.C:
			if !c.hasPlace() {
				return nil
			}
			c.leave()
		case <-ctx.Done():
			silent.Stop()
			return nil
		}
	}
}

func (c *blobConn) answer(ctx context.Context, req *murmurv1.BlobRequest) error {
	id, err := proto.IDFrom(req.Id)
	if err != nil {
		return err
	}
	waits, cancel := context.WithTimeout(ctx, offerWait)
	defer cancel()
	if err := c.open(waits, id, req.Count == 0); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.x.params.Log.Warn("Blob not readable", "blob", id.String(), "error", err)
		}
		return stream.WriteMessage(stream.Paced{Stream: c.s}, &murmurv1.BlobHeader{})
	}
	head := &murmurv1.BlobHeader{Found: true, Size: c.size}
	if c.x.spare.Load() && c.x.params.Outsider(c.s.Conn().RemotePeer()) {
		c.leave()
		return stream.WriteMessage(stream.Paced{Stream: c.s}, head)
	}
	if req.Count == 0 {
		c.leave()
		if c.size > smallBlob && !c.enter(waits, req.Rate) {
			return stream.WriteMessage(stream.Paced{Stream: c.s}, head) // nothing is read for who has no place
		}
		tree, err := c.x.trees.of(id, c.blob)
		if err != nil {
			c.x.params.Log.Warn("Blob not readable", "blob", id.String(), "error", err)
			return stream.WriteMessage(stream.Paced{Stream: c.s}, &murmurv1.BlobHeader{})
		}
		head.Leaves, head.Rate = tree.Bytes(), uint64(c.places.share())
		return stream.WriteMessage(stream.Paced{Stream: impatient{c.s, c}}, head)
	}
	if c.size > smallBlob && !c.hasPlace() {
		return stream.WriteMessage(stream.Paced{Stream: c.s}, head)
	}
	if err := c.send(ctx, req, head); err != nil {
		return err
	}
	if c.hasPlace() && time.Since(c.since) > turnTime && c.places.wanted() {
		c.leave()
	}
	return nil
}

// send sends leaves.
func (c *blobConn) send(ctx context.Context, req *murmurv1.BlobRequest, head *murmurv1.BlobHeader) error {
	first, count, leaves := uint64(req.First), uint64(req.Count), uint64(proto.LeafCount(c.size))
	if count > maxRange || first+count > leaves {
		return fmt.Errorf("asked for leaves %d to %d of %d, %d at most at once", first, first+count-1, leaves, maxRange)
	}
	start := first * proto.LeafSize
	end := min((first+count)*proto.LeafSize, c.size)
	head.Length = end - start
	out := stream.Shaped{
		Paced: stream.Paced{Stream: impatient{c.s, c}}, Ctx: ctx, Line: paced{c.x.params.Line, c.taker}, Class: c.class(),
	}
	if err := stream.WriteMessage(out, head); err != nil {
		return err
	}
	section := io.NewSectionReader(c.blob, int64(start), int64(end-start))
	c.places.sending()
	defer func() { c.places.sent(0, true) }()
	if _, err := io.CopyBuffer(&measured{out, c, head.Length}, section, make([]byte, stream.Chunk)); err != nil {
		return fmt.Errorf("sending blob %s: %w", c.id.Short(), err)
	}
	return nil
}

// impatient is a stream to an asker that loses its place to who waits for it where a write takes longer than a turn.
type impatient struct {
	network.Stream
	c *blobConn
}

func (w impatient) Write(b []byte) (int, error) {
	over := make(chan struct{})
	defer func() {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		close(over)
	}()
	stuck := time.AfterFunc(turnTime, func() {
		again := time.NewTicker(lookAgain)
		defer again.Stop()
		for !w.c.stuck(over) {
			select {
			case <-again.C:
			case <-over:
				return
			}
		}
	})
	defer stuck.Stop()
	return w.Stream.Write(b)
}

// stuck takes the place of an asker that reads too slowly, where another waits for it, and tells whether it has none any more; over ends that.
func (c *blobConn) stuck(over <-chan struct{}) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-over:
		return true
	default:
	}
	if c.placed && c.places.wanted() {
		c.placed = false
		c.places.lose(c.s.Conn().RemotePeer())
	}
	return !c.placed
}

// measured is what a blob is written to.
type measured struct {
	stream.Shaped
	c    *blobConn
	left uint64 // of the answer
}

func (w *measured) Write(b []byte) (int, error) {
	n, err := w.Shaped.Write(b)
	w.left -= uint64(n)
	if w.c.x.params.Outsider(w.c.s.Conn().RemotePeer()) {
		w.c.x.drawn.Add(uint64(n))
	}
	w.c.places.sent(n, false)
	w.c.moved(n, w.left)
	return n, err
}

// moved gives the place up, where others wait for it, before the last of what this turn
// is for has gone, and where the asker reads slower than the line sends.
func (c *blobConn) moved(n int, left uint64) {
	c.bytes += uint64(n)
	if !c.hasPlace() {
		return
	}
	d, share := time.Since(c.since), c.places.share()
	last := c.bytes+left >= c.size || d > turnTime
	slow := d > turnTime && float64(c.bytes) < d.Seconds()*share/slowReader
	switch {
	case !c.places.wanted():
	case slow:
		c.stuck(nil)
	case last && float64(left) <= share*handOver.Seconds():
		c.leave()
	}
}

func (c *blobConn) class() shaper.Class {
	if c.blob.Urgent() {
		return shaper.Round
	}
	return shaper.Bulk
}

// open makes id the connection's current blob. One that is being fetched here may be
// waited for.
func (c *blobConn) open(ctx context.Context, id proto.ID, wait bool) error {
	if c.blob != nil && c.id == id {
		return nil
	}
	c.close()
	coming := c.x.coming.of(id)
	blob, err := c.x.params.Store.OpenBlob(id)
	if wait && coming != nil && errors.Is(err, fs.ErrNotExist) {
		select {
		case <-coming:
		case <-ctx.Done():
		}
		blob, err = c.x.params.Store.OpenBlob(id)
	}
	if err != nil {
		return err
	}
	c.id, c.blob, c.size = id, blob, blob.Size()
	c.places = &c.x.places[c.class()]
	return nil
}

func (c *blobConn) enter(ctx context.Context, rate uint64) bool {
	a := asker{peer: c.s.Conn().RemotePeer()}
	if c.class() == shaper.Round {
		a.blob = c.id
	} else {
		rate = 0
	}
	placed := c.places.take(ctx, a, c.x.coming.pace(c.id), rate) == nil
	c.since, c.bytes = time.Now(), 0
	c.mu.Lock()
	defer c.mu.Unlock()
	c.placed = placed
	return placed
}

func (c *blobConn) hasPlace() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.placed
}

func (c *blobConn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.placed {
		c.placed = false
		c.places.leave()
	}
}

func (c *blobConn) close() {
	c.leave()
	if c.blob != nil {
		_ = c.blob.Close()
		c.blob = nil
	}
}
