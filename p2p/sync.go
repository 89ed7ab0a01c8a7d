package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	pb "google.golang.org/protobuf/proto"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// smallAnswer is the largest answer, in bytes, that is sent in the class of a round's payloads.
const smallAnswer = 64 << 10

// maxRead is the longest answer that is read: of lists no more than half of an answer's bound is given.
const maxRead = proto.MaxSync/2 + smallAnswer

// hurryTime is what is left of the time for a question when its answer no longer waits for the download cap: 4 MiB take 1.7 s at 20 Mbit/s.
const hurryTime = 2 * time.Second

// Request asks one peer a chain question.
func (n *Network) Request(ctx context.Context, to proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	resp, err := n.request(ctx, peer.ID(to), req)
	if err != nil {
		return nil, fmt.Errorf("asking peer %s: %w", to.Short(), err)
	}
	return resp, nil
}

func (n *Network) request(ctx context.Context, to peer.ID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	if to == n.host.ID() {
		return nil, errors.New("that is this node itself")
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	s, stop, err := n.openStream(ctx, to, n.syncID)
	if err != nil {
		return nil, err
	}
	defer stop()
	resp := new(murmurv1.SyncResponse)
	if err := stream.WriteMessage(stream.Paced{Stream: s}, req); err != nil {
		_ = s.Reset()
		return nil, fmt.Errorf("sending the question: %w", err)
	}
	_ = s.CloseWrite() // fails where the peer has answered already, and reads no more
	end, _ := ctx.Deadline()
	waits, done := context.WithDeadline(ctx, end.Add(-hurryTime))
	defer done()
	if err := stream.ReadMessage(bufio.NewReaderSize(&shapedReader{s, waits, &n.traffic.caps, 0}, smallAnswer), maxRead, resp); err != nil {
		_ = s.Reset()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return resp, s.Close()
}

// shapedReader reads an answer under the download cap. What has not come when little time is left is read at once, and charged:
// under a cap of 1 Mbit/s an answer of 4 MiB would never come.
type shapedReader struct {
	network.Stream
	waits context.Context // until when it waits for the cap
	caps  *caps
	read  int
}

func (r *shapedReader) Read(b []byte) (int, error) {
	k, err := r.Stream.Read(b[:min(len(b), stream.Chunk)])
	if r.read += k; k > 0 {
		class := shaper.Round
		if r.read > smallAnswer {
			class = shaper.Bulk
		}
		if r.caps.WaitDown(r.waits, class, r.Conn().RemotePeer(), k) != nil {
			r.caps.down.Charge(overhead * float64(k))
		}
	}
	return k, err
}

// serveSync answers one question and closes the stream; where there is no
// answer it resets it.
func (n *Network) serveSync(s network.Stream) {
	done, ok := n.begin()
	if !ok {
		_ = s.Reset()
		return
	}
	defer done()
	if err := n.answerSync(s); err != nil {
		n.log.Debug("Question not answered", "peer", s.Conn().RemotePeer(), "error", err)
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// answer makes an answer, of which few are made at once.
func (n *Network) answer(ctx context.Context, asker peer.ID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	select {
	case n.handling <- struct{}{}:
		defer func() { <-n.handling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return n.params.Sync.HandleSync(ctx, proto.PeerID(asker), req)
}

func (n *Network) answerSync(s network.Stream) error {
	if err := s.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	var req murmurv1.SyncRequest
	if err := stream.ReadMessage(bufio.NewReader(s), proto.MaxRequest, &req); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	asker := s.Conn().RemotePeer()
	outsider := n.outsider(asker)
	if outsider && n.blobs.Spares() {
		return errors.New("this month's share for those who take no part is used")
	}
	if !n.traffic.isNear(asker) {
		n.traffic.down.Charge(overhead * float64(pb.Size(&req))) // a question does not wait
	}
	ctx, cancel := context.WithTimeout(n.ctx, handleTimeout)
	defer cancel()
	resp, err := n.answer(ctx, asker, &req)
	if err != nil {
		return err
	}
	size := pb.Size(resp)
	if size > proto.MaxSync {
		return fmt.Errorf("an answer of %d bytes, at most %d are allowed", size, proto.MaxSync)
	}
	class := shaper.Round
	if size > smallAnswer {
		class = shaper.Bulk // a question of a hundred bytes may have an answer of four megabytes, which must not delay a round
		if _, ok := n.sending.try(asker); !ok {
			resp = nil // many may wait: it is made anew
			if err := n.sending.enter(ctx, asker); err != nil {
				return err
			}
		}
		defer n.sending.leave(asker)
		if resp == nil {
			if resp, err = n.answer(ctx, asker, &req); err != nil {
				return err
			}
		}
	}
	sending, stop := context.WithTimeout(n.ctx, syncTimeout)
	defer stop()
	defer context.AfterFunc(sending, func() { _ = s.Reset() })() // who reads slowly has no longer than who is sent to slowly
	out := stream.Shaped{Paced: stream.Paced{Stream: s}, Ctx: sending, Line: &n.traffic.caps, Class: class}
	if outsider {
		out.Stream = drawn{s, n.blobs.Draw}
	}
	return stream.WriteMessage(out, resp)
}

// drawn counts what is written: who hangs up at once must not use up what others may have.
type drawn struct {
	network.Stream
	count func(bytes int)
}

func (d drawn) Write(b []byte) (int, error) {
	k, err := d.Stream.Write(b)
	d.count(k)
	return k, err
}
