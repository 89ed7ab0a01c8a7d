package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/murmurnet/murmur/proto"
)

const (
	// streamTick is how often the state is looked at while somebody watches.
	streamTick = time.Second
	// maxLag bounds the looks whose news wait for one who reads slowly; beyond it the stream
	// ends, and the reader begins anew with the whole state.
	maxLag = 16
	// lateRounds is for how many rounds updates that come too late are told of.
	lateRounds = 4
	// maxStreams bounds who watches.
	maxStreams = 128
	// readTimeout is how long one message may take to be read.
	readTimeout = 10 * time.Second
)

var errTooMany = errors.New("too many are watching this node already")

// stream tells everybody who watches what changes. It looks at the node only while there is
// somebody, and once for all of them.
type stream struct {
	src  Source
	tick time.Duration

	mu    sync.Mutex
	subs  map[chan []byte]struct{}
	first chan struct{} // tells run that somebody came
	state []byte        // that all of them know
	event uint64        // the newest that they know
	round uint64
	told  map[uint64]telling // of the newest rounds, what they know
}

func newStream(src Source, tick time.Duration) *stream {
	return &stream{src: src, tick: tick, subs: map[chan []byte]struct{}{}, first: make(chan struct{}, 1)}
}

// run watches the node until ctx ends.
func (s *stream) run(ctx context.Context) {
	tick := time.NewTicker(s.tick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.first:
		}
		for s.look() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// look sends what has changed, and says whether anybody is left to tell.
func (s *stream) look() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subs) == 0 {
		s.state = nil
		return false
	}
	now, err := json.Marshal(s.src.State())
	if err != nil {
		return true
	}
	var said []byte
	if patch, err := jsonpatch.CreateMergePatch(s.state, now); err == nil && len(patch) > len("{}") {
		said = message("patch", patch)
	}
	s.state = now
	s.news(func(b []byte) { said = append(said, b...) })
	if len(said) > 0 {
		s.tell(said)
	}
	return true
}

// news sends the events and rounds that are new.
func (s *stream) news(tell func([]byte)) {
	for _, e := range s.src.Events(s.event) {
		s.event = e.Seq
		if b, err := json.Marshal(e); err == nil {
			tell(message("event", b))
		}
	}
	told := map[uint64]telling{}
	for _, o := range newest(s.src.Rounds(s.round - min(s.round, lateRounds))) {
		before, known := s.told[o.Height]
		told[o.Height] = telling{o.Root, len(o.Late)}
		if o.Height <= s.round && (!known || before == told[o.Height]) {
			continue
		}
		s.round = max(s.round, o.Height)
		if b, err := json.Marshal(o); err == nil {
			tell(message("round", b))
		}
	}
	s.told = told
}

// telling is what of a round may change: another branch has another, and updates come late.
type telling struct {
	root proto.ID
	late int
}

// newest leaves of each height the round that was taken over last, in the order of heights.
func newest(rounds []Outcome) []Outcome {
	slices.SortStableFunc(rounds, func(a, b Outcome) int { return cmp.Compare(a.Height, b.Height) })
	var out []Outcome
	for _, o := range rounds {
		if n := len(out); n > 0 && out[n-1].Height == o.Height {
			out = out[:n-1]
		}
		out = append(out, o)
	}
	return out
}

// tell sends to all, and parts from those who do not keep up.
func (s *stream) tell(b []byte) {
	for c := range s.subs {
		select {
		case c <- b:
		default:
			delete(s.subs, c)
			close(c)
		}
	}
}

// join begins with the whole state; what follows is closed when the reader is too slow.
func (s *stream) join() (state []byte, follows chan []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subs) >= maxStreams {
		return nil, nil, errTooMany
	}
	if s.state == nil {
		if s.state, err = json.Marshal(s.src.State()); err != nil {
			return nil, nil, fmt.Errorf("encoding the state: %w", err)
		}
		s.news(func([]byte) {}) // they are to be had by themselves
	}
	follows = make(chan []byte, maxLag)
	s.subs[follows] = struct{}{}
	select {
	case s.first <- struct{}{}:
	default:
	}
	return message("state", s.state), follows, nil
}

func (s *stream) leave(c chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.subs[c]; in {
		delete(s.subs, c)
		close(c)
	}
}

// ServeHTTP streams server-sent events: "state" with the whole tree, then "patch" with what
// changed of it (RFC 7386), "event" with a line of the diary and "round" with an outcome, which
// comes again when an update for it came too late, or when the node went to another branch.
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	state, follows, err := s.join()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	defer s.leave(follows)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	send := func(b []byte) error {
		err := out.SetWriteDeadline(time.Now().Add(readTimeout))
		if err == nil {
			_, err = w.Write(b)
		}
		return errors.Join(err, out.Flush())
	}
	for err = send(state); err == nil; {
		select {
		case b, more := <-follows:
			if !more {
				return
			}
			err = send(b)
		case <-r.Context().Done():
			return
		}
	}
}

func message(kind string, data []byte) []byte {
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, data)
}
