// Package stream writes and reads on libp2p streams within bounds.
//
// It guarantees that a message is refused by its size before anything is allocated
// for it, that a peer which reads nothing costs one Timeout, and that what is Shaped
// keeps to the caps of the line. It must not know protocols, nor what the messages say.
package stream

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/murmurnet/murmur/p2p/shaper"
)

// Chunk is the unit of progress: a stream that moves less in Timeout (4 KiB/s) is dead.
const (
	Chunk   = 64 << 10
	Timeout = 15 * time.Second
)

// portion is what Shaped writes at once: 26 ms at 5 Mbit/s.
const portion = 16 << 10

// Line is the caps on what this machine sends.
type Line interface {
	// WaitUp returns when so many bytes may go to a peer, or ctx ends.
	WaitUp(ctx context.Context, c shaper.Class, to peer.ID, bytes int) error
}

// Paced writes with a deadline for each Chunk, so that a slow reader is waited for and
// a dead one is not.
type Paced struct{ network.Stream }

// Write writes all of b, or stops where a Chunk of it does not go within Timeout.
func (w Paced) Write(b []byte) (done int, err error) {
	for len(b) > 0 && err == nil {
		if err = w.SetWriteDeadline(time.Now().Add(Timeout)); err != nil {
			break
		}
		var k int
		k, err = w.Stream.Write(b[:min(len(b), Chunk)])
		done, b = done+k, b[k:]
	}
	return done, err
}

// Shaped writes under the upload cap.
type Shaped struct {
	Paced
	Ctx   context.Context
	Line  Line
	Class shaper.Class
}

// Write writes all of b in portions, each of which waits for the line.
func (w Shaped) Write(b []byte) (done int, err error) {
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), portion)]
		if err = w.Line.WaitUp(w.Ctx, w.Class, w.Conn().RemotePeer(), len(piece)); err != nil {
			break
		}
		var k int
		k, err = w.Paced.Write(piece)
		done, b = done+k, b[k:]
	}
	return done, err
}

// WriteMessage writes a message after its length.
func WriteMessage(w io.Writer, m proto.Message) error {
	_, err := protodelim.MarshalTo(w, m)
	return err
}

// ReadMessage reads a message that is at most limit bytes long; the limit is
// checked before anything is allocated. Unknown fields are dropped, as by proto.Decode.
func ReadMessage(r *bufio.Reader, limit int64, m proto.Message) error {
	return protodelim.UnmarshalOptions{MaxSize: limit, UnmarshalOptions: proto.UnmarshalOptions{DiscardUnknown: true}}.UnmarshalFrom(r, m)
}
