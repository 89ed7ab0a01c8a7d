package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/murmurnet/murmur/p2p/shaper"
)

var errRelayed = errors.New("not reached: only a relay leads there")

// openStream connects where needed and opens a stream that is reset when ctx
// ends. The caller calls stop before it closes the stream.
func (n *Network) openStream(ctx context.Context, to peer.ID, id protocol.ID) (s network.Stream, stop func() bool, err error) {
	if n.outOfReach(to) {
		return nil, nil, errRelayed
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := n.connect(opening, to); err != nil {
		return nil, nil, fmt.Errorf("not reached: %w", err)
	}
	s, err = guarded{n.host, n}.NewStream(opening, to, id)
	if err != nil {
		return nil, nil, fmt.Errorf("no stream: %w", err)
	}
	return s, context.AfterFunc(ctx, func() { _ = s.Reset() }), nil
}

// paced writes with a deadline for each ioChunk, so that a slow reader is
// waited for and a dead one is not.
type paced struct{ network.Stream }

func (w paced) Write(b []byte) (done int, err error) {
	for len(b) > 0 && err == nil {
		if err = w.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
			break
		}
		var k int
		k, err = w.Stream.Write(b[:min(len(b), ioChunk)])
		done, b = done+k, b[k:]
	}
	return done, err
}

// watched reads, tells once for each job when the bytes come too slowly, and
// gives up when none come for ioTimeout: an offer comes sooner, or a word that it does not.
type watched struct {
	network.Stream
	n     *Network // whose cap it reads under
	slow  func()
	moved *atomic.Int64
	hurry bool      // bytes are due, not only an offer
	last  time.Time // of the last byte
	start time.Time // of the window
	count int       // bytes in the window
}

// expect begins a new wait: the answer is due from now on.
func (r *watched) expect(hurry bool) {
	r.hurry, r.last = hurry, time.Now()
	r.start, r.count = r.last, 0
}

func (r *watched) Read(b []byte) (int, error) {
	for {
		if err := r.SetReadDeadline(time.Now().Add(slowWindow)); err != nil {
			return 0, err
		}
		k, err := r.Stream.Read(b)
		now := time.Now()
		if k > 0 {
			r.last = now
			r.count += k
			r.moved.Add(int64(k))
			if from := r.Conn().RemotePeer(); !r.n.traffic.isNear(from) {
				if err := r.n.traffic.down.Wait(r.n.ctx, shaper.Round, string(from), int(overhead*float64(k))); err != nil {
					return k, err
				}
			}
		}
		if d := now.Sub(r.start); d >= slowWindow {
			if r.hurry && float64(r.count) < slowRate*d.Seconds() {
				r.slow()
			}
			r.start, r.count = now, 0
		}
		switch {
		case k > 0 || err == nil:
			return k, nil
		case !isTimeout(err):
			return 0, err
		case now.Sub(r.last) >= ioTimeout:
			return 0, fmt.Errorf("nothing came for %v", ioTimeout)
		}
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func writeMessage(w io.Writer, m proto.Message) error {
	_, err := protodelim.MarshalTo(w, m)
	return err
}

// readMessage reads a message that is at most limit bytes long; the limit is
// checked before anything is allocated.
func readMessage(r *bufio.Reader, limit int64, m proto.Message) error {
	return protodelim.UnmarshalOptions{MaxSize: limit}.UnmarshalFrom(r, m)
}
