package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/event"
)

// moving is a Source whose state changes at each look.
type moving struct {
	told
	looks atomic.Uint64
}

func (m *moving) State() State {
	n := m.looks.Add(1)
	s := State{Name: "fictional", Head: Head{Height: n}, Why: "as before"}
	for i := range 100 {
		s.Peers = append(s.Peers, Peer{Agent: "murmur/" + strconv.Itoa(i), Height: n})
	}
	return s
}

func (m *moving) Events(since uint64) []event.Event {
	if n := m.looks.Load(); since < n {
		return []event.Event{{Seq: n, Text: "look " + strconv.FormatUint(n, 10)}}
	}
	return nil
}

func (m *moving) Rounds(uint64) []Outcome { return nil }

var errEnough = errors.New("enough")

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	src := &moving{}
	s := &API{src: src, watched: newStream(src, 5*time.Millisecond)}
	if err := s.Socket(dir); err != nil {
		t.Fatal(err)
	}
	c := NewClient(dir)
	defer c.Close()
	var heights []uint64
	var texts []string
	err := c.Watch(t.Context(), Watcher{
		State: func(s State) error {
			if s.Why != "as before" || len(s.Peers) != 100 || s.Peers[99].Height != s.Head.Height {
				return fmt.Errorf("the state is %+v", s)
			}
			if heights = append(heights, s.Head.Height); len(heights) == 10 {
				return errEnough
			}
			return nil
		},
		Event: func(e event.Event) error {
			texts = append(texts, e.Text)
			return nil
		},
	})
	if !errors.Is(err, errEnough) || len(texts) < 5 {
		t.Fatalf("%v, %d events", err, len(texts))
	}
	for i, h := range heights[1:] {
		if h <= heights[i] {
			t.Fatalf("heights %v", heights)
		}
	}

	ended, seen := make(chan error), make(chan struct{})
	var once sync.Once
	go func() {
		ended <- c.Watch(t.Context(), Watcher{State: func(State) error {
			once.Do(func() { close(seen) })
			return nil
		}})
	}()
	<-seen
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrNoDaemon) {
		t.Fatalf("when the daemon ends: %v", err)
	}
}

// TestHundredWatch has a hundred clients watch, one of which never reads.
func TestHundredWatch(t *testing.T) {
	dir := t.TempDir()
	src := &moving{}
	watched := newStream(src, 20*time.Millisecond)
	s := &API{src: src, watched: watched}
	if err := s.Socket(dir); err != nil {
		t.Fatal(err)
	}
	deaf, err := net.Dial("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if _, err := deaf.Write([]byte("GET /v1/stream HTTP/1.1\r\nHost: murmur\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	const others, changes = 99, 100
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for range others {
		group.Go(func() {
			c := NewClient(dir)
			defer c.Close()
			seen := 0
			for seen < changes { // whoever is cut off for reading slowly comes again
				err := c.Watch(ctx, Watcher{Event: func(event.Event) error {
					if seen++; seen == changes {
						return errEnough
					}
					return nil
				}})
				if ctx.Err() != nil || errors.Is(err, ErrNoDaemon) && seen == 0 {
					t.Errorf("a client saw %d changes: %v", seen, err)
					return
				}
			}
		})
	}
	group.Wait()
	for left := others; left > 0; { // who went away, and who never reads, is not served any more
		if ctx.Err() != nil {
			t.Fatalf("%d are still served", left)
		}
		watched.mu.Lock()
		left = len(watched.subs)
		watched.mu.Unlock()
		runtime.Gosched()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	looks := src.looks.Load()
	time.Sleep(20 * time.Millisecond)
	if src.looks.Load() != looks {
		t.Error("the node is looked at for nobody")
	}
}

// TestNewest has a node go to another branch: of each height what it took over last counts.
func TestNewest(t *testing.T) {
	got := newest([]Outcome{{Height: 7, View: 1}, {Height: 8, View: 1}, {Height: 7, View: 2}, {Height: 9}})
	if len(got) != 3 || got[0].View != 2 || got[1].Height != 8 || got[2].Height != 9 {
		t.Errorf("%+v", got)
	}
}

// late is a Source whose only round gets a late update.
type late struct {
	told
	after atomic.Bool
}

func (l *late) Events(uint64) []event.Event { return nil }

func (l *late) Rounds(since uint64) []Outcome {
	o := Outcome{Height: 5}
	if l.after.Load() {
		o.Late = append(o.Late, "a")
	}
	return slices.DeleteFunc([]Outcome{o}, func(o Outcome) bool { return o.Height <= since })
}

// TestLate is told of a round again when an update for it comes too late, and once.
func TestLate(t *testing.T) {
	src := &late{}
	s := newStream(src, time.Hour)
	_, follows, err := s.join()
	if err != nil {
		t.Fatal(err)
	}
	s.look()
	if len(follows) != 0 {
		t.Fatalf("told of what was known: %s", <-follows)
	}
	src.after.Store(true)
	s.look()
	s.look()
	if len(follows) != 1 {
		t.Fatalf("told %d times", len(follows))
	}
	if b := string(<-follows); !strings.Contains(b, "event: round\n") || !strings.Contains(b, `"late":[`) {
		t.Errorf("told %s", b)
	}
}
