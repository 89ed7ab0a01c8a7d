package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// recorded is a stream to somebody that keeps what is written, and the size of each write.
type recorded struct {
	network.Stream
	sent      bytes.Buffer
	writes    []int
	deadlines int
}

func (r *recorded) Conn() network.Conn { return somebody{} }

type somebody struct{ network.Conn }

func (somebody) RemotePeer() peer.ID { return "peer" }

func (r *recorded) SetWriteDeadline(at time.Time) error {
	if d := time.Until(at); d > 0 && d <= Timeout {
		r.deadlines++
	}
	return nil
}

func (r *recorded) Write(b []byte) (int, error) {
	r.writes = append(r.writes, len(b))
	return r.sent.Write(b)
}

// counted is a line that lets a number of bytes pass.
type counted struct{ left, waits int }

func (c *counted) WaitUp(_ context.Context, _ shaper.Class, to peer.ID, n int) error {
	c.waits++
	if c.left -= n; c.left < 0 || to != "peer" {
		return errors.New("no more")
	}
	return nil
}

func TestPaced(t *testing.T) {
	r := new(recorded)
	if n, err := (Paced{r}).Write(make([]byte, 2*Chunk+1)); n != 2*Chunk+1 || err != nil {
		t.Fatal(n, err)
	}
	if len(r.writes) != 3 || r.deadlines != 3 || r.writes[2] != 1 {
		t.Errorf("writes of %v bytes under %d deadlines", r.writes, r.deadlines)
	}
}

func TestShaped(t *testing.T) {
	r, line := new(recorded), &counted{left: 2 * portion}
	w := Shaped{Paced: Paced{r}, Ctx: t.Context(), Line: line, Class: shaper.Round}
	if n, err := w.Write(make([]byte, 3*portion)); n != 2*portion || err == nil {
		t.Errorf("%d bytes went past a line that carries %d: %v", n, 2*portion, err)
	}
	if line.waits != 3 || len(r.writes) != 2 {
		t.Errorf("%d writes after %d waits", len(r.writes), line.waits)
	}
}

func TestMessages(t *testing.T) {
	r, said := new(recorded), &murmurv1.Hello{Refused: "why"}
	if err := WriteMessage(r, said); err != nil {
		t.Fatal(err)
	}
	sent := r.sent.Bytes()
	for limit, fits := range map[int64]bool{int64(len(sent)) - 1: true, int64(len(sent)) - 2: false} { // one byte is the length
		var heard murmurv1.Hello
		err := ReadMessage(bufio.NewReader(bytes.NewReader(sent)), limit, &heard)
		if fits && (err != nil || !bytes.Equal(proto.Encode(&heard), proto.Encode(said))) || !fits && err == nil {
			t.Errorf("under a limit of %d: %v, %v", limit, &heard, err)
		}
	}
}
