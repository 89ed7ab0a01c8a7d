package p2p

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

const (
	maxBlobRequest = 256 // bytes of a BlobRequest
	// maxRange leaves are asked for at once: enough that the wait for the next
	// answer (60 ms) is small beside the answer (0.7 s at 100 Mbit/s).
	maxRange = 8
)

// serveBlobs answers blob requests on one stream, one after the other, until
// the asker closes it or is silent for idleTimeout.
func (n *Network) serveBlobs(s network.Stream) {
	if !n.enter() {
		_ = s.Reset()
		return
	}
	defer n.wg.Done()
	c := blobConn{n: n, s: s}
	defer c.close()
	if err := c.serve(); err != nil {
		n.log.Debug("blob stream ended", "peer", s.Conn().RemotePeer(), "err", err)
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// blobConn is one stream with the blob that its last request was about.
type blobConn struct {
	n    *Network
	s    network.Stream
	id   proto.ID
	blob Blob
	tree proto.Tree
}

func (c *blobConn) serve() error {
	r := bufio.NewReaderSize(c.s, maxBlobRequest)
	for {
		if err := c.s.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
			return err
		}
		var req murmurv1.BlobRequest
		switch err := readMessage(r, maxBlobRequest, &req); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading a request: %w", err)
		}
		if err := c.answer(&req); err != nil {
			return err
		}
	}
}

func (c *blobConn) answer(req *murmurv1.BlobRequest) error {
	id, err := proto.IDFrom(req.Id)
	if err != nil {
		return err
	}
	if err := c.open(id); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.n.log.Warn("blob not readable", "blob", id.String(), "err", err)
		}
		return writeMessage(paced{c.s}, &murmurv1.BlobHeader{})
	}
	class := shaper.Bulk
	if c.blob.Urgent() {
		class = shaper.Round
	}
	select { // what is sent slowly under a cap does not keep what is urgent waiting
	case c.n.serving[class] <- struct{}{}:
		defer func() { <-c.n.serving[class] }()
	case <-c.n.ctx.Done():
		return c.n.ctx.Err()
	}
	out := shaped{paced{c.s}, c.n.ctx, &c.n.traffic.caps, class}
	head := &murmurv1.BlobHeader{Found: true, Size: c.tree.Size}
	if req.Count == 0 {
		head.Leaves = c.tree.Bytes()
		return writeMessage(out, head)
	}
	first, count, leaves := uint64(req.First), uint64(req.Count), uint64(len(c.tree.Leaves))
	if count > maxRange || first+count > leaves {
		return fmt.Errorf("asked for leaves %d to %d of %d, %d at most at once", first, first+count-1, leaves, maxRange)
	}
	start := first * proto.LeafSize
	end := min((first+count)*proto.LeafSize, c.tree.Size)
	head.Length = end - start
	if err := writeMessage(out, head); err != nil {
		return err
	}
	section := io.NewSectionReader(c.blob, int64(start), int64(end-start))
	if _, err = io.CopyBuffer(out, section, make([]byte, ioChunk)); err != nil {
		return fmt.Errorf("sending blob %s: %w", id.Short(), err)
	}
	return nil
}

// open makes id the connection's current blob.
func (c *blobConn) open(id proto.ID) error {
	if c.blob != nil && c.id == id {
		return nil
	}
	c.close()
	blob, err := c.n.params.Blobs.OpenBlob(id)
	if err != nil {
		return err
	}
	tree, err := blob.Tree()
	if err != nil {
		_ = blob.Close()
		return err
	}
	c.id, c.blob, c.tree = id, blob, tree
	return nil
}

func (c *blobConn) close() {
	if c.blob != nil {
		_ = c.blob.Close()
		c.blob = nil
	}
}
