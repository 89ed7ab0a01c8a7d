package blob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/p2p/stream"
)

// watched reads a source's answers. It tells once for each job when bytes come too slowly, and
// gives up when none come for stream.Timeout, in which a source offers or declines.
type watched struct {
	network.Stream
	ctx   context.Context // bounds the wait for the line
	line  Line
	slow  func()
	pace  func() // tells the server of another share of the cap
	moved *atomic.Int64
	hurry bool      // whether bytes are due, and not only an offer
	last  time.Time // arrival of the last byte
	start time.Time // beginning of the window
	count int       // bytes read in the window
}

// expect begins a new wait: the answer is due from now on.
func (r *watched) expect(hurry bool) {
	r.hurry, r.last = hurry, time.Now()
	r.start, r.count = r.last, 0
}

// Read takes a Chunk at most: what is read opens the sender's window again before the wait for the line, and a whole window at once
// comes in pulses of 512 KiB, twice a cap of 5 Mbit/s in the first second.
func (r *watched) Read(b []byte) (int, error) {
	for {
		r.pace()
		if err := r.SetReadDeadline(time.Now().Add(slowWindow)); err != nil {
			return 0, err
		}
		k, err := r.Stream.Read(b[:min(len(b), stream.Chunk)])
		now := time.Now()
		if k > 0 {
			r.last = now
			r.count += k
			r.moved.Add(int64(k))
			if err := r.line.WaitDown(r.ctx, shaper.Round, r.Conn().RemotePeer(), k); err != nil {
				return k, err
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
		case now.Sub(r.last) >= stream.Timeout:
			return 0, fmt.Errorf("nothing came for %v", stream.Timeout)
		}
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
