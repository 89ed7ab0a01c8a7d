package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is a Source that remembers what it was asked to do.
type told struct {
	did      []string
	settings policy.Settings
}

func (s *told) note(what string) { s.did = append(s.did, what) }

func (s *told) State() State {
	return State{Name: "fictional", Reason: strings.Join(s.did, " "), Policy: s.settings}
}

func (s *told) Events(since uint64) []event.Event {
	return []event.Event{{Seq: since + 1, Text: "it rains"}}
}
func (s *told) Rounds(since uint64) []Outcome { return []Outcome{{Height: since + 1}} }
func (s *told) Curve(since uint64) []Heldout {
	return []Heldout{{Height: since + 20, Loss: 1.5, By: "a"}}
}

func (s *told) ChangeSettings(change func(*policy.Settings)) error {
	change(&s.settings)
	return nil
}

func (s *told) SetLimits(l Limits) error {
	s.note(l.String())
	return nil
}
func (s *told) Members() []Member { return []Member{{Peer: "a", How: "listed"}} }
func (s *told) Revoke(p proto.PeerID) error {
	s.note("revoke")
	return nil
}
func (s *told) Rotate(bool) error { return errors.New("this machine does not have the key") }
func (s *told) Finish()           { s.note("finish") }
func (s *told) Heldout(context.Context) (Heldout, error) {
	return Heldout{}, errors.New("the trainer is not up")
}

func (s *told) Keep(_ context.Context, height int64) (Kept, error) {
	if height > 9 {
		return Kept{}, errors.New("the state of that round is not held")
	}
	return Kept{Height: uint64(height + 10)}, nil
}

func (s *told) States() []Held { return []Held{{Height: 7, Kind: HeldDaily}} }

func (s *told) Generate(_ context.Context, g Generate, emit func(string)) error {
	emit(g.Prompt)
	emit("!")
	return errors.New("that was all")
}

func TestClientAndServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := NewClient(dir)
	if _, err := c.State(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Fatalf("without a daemon: %v", err)
	}
	// A daemon that does not answer is no daemon that is not there.
	l := flock.New(filepath.Join(dir, "lock"))
	if got, err := l.TryLock(); !got || err != nil {
		t.Fatal(got, err)
	}
	if _, err := c.State(t.Context()); !errors.Is(err, ErrUnanswered) || errors.Is(err, ErrNoDaemon) {
		t.Fatalf("with a daemon that does not answer: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	// A socket file that a killed daemon left is replaced.
	left, err := newSocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(&told{})
	if err := s.Socket(dir); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir()) // of who asks
	ctx := t.Context()
	if st, err := c.Pause(ctx, "15m", true); err != nil || !st.Policy.Pause.On || !st.Policy.Pause.Keep || time.Until(st.Policy.Pause.Until) > 15*time.Minute {
		t.Fatalf("%+v, %v", st.Policy, err)
	}
	if _, err := c.Pause(ctx, "soon", false); err == nil || !strings.Contains(err.Error(), "tomorrow") {
		t.Fatalf("a pause that is none: %v", err)
	}
	if st, err := c.Resume(ctx); err != nil || st.Policy.Pause.On {
		t.Fatalf("%+v, %v", st.Policy, err)
	}
	nights, err := policy.ParseWeek("22:00-7")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetPolicy(ctx, policy.Settings{Compute: nights}); err != nil {
		t.Fatal(err)
	}
	if st, err := c.State(ctx); err != nil || st.Policy.Compute.String() != "22:00-7" {
		t.Fatalf("%+v, %v", st.Policy, err)
	}
	if err := c.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if st, err := c.State(ctx); err != nil || st.Reason != "finish" || st.Name != "fictional" {
		t.Fatalf("%+v, %v", st, err)
	}
	if err := c.SetLimits(ctx, Limits{UpMbit: 5}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLimits(ctx, Limits{UpMbit: 0.01}); err == nil || !strings.Contains(err.Error(), "a limit of 0.01 Mbit/s up") {
		t.Fatalf("a limit that is too low: %v", err)
	}
	if st, err := c.State(ctx); err != nil || !strings.HasSuffix(st.Reason, " 5 Mbit/s up, no limit down") {
		t.Fatalf("%+v, %v", st, err)
	}
	if ms, err := c.Members(ctx); err != nil || len(ms) != 1 || ms[0].How != "listed" {
		t.Fatalf("%+v, %v", ms, err)
	}
	if err := c.Rotate(ctx, true); err == nil || err.Error() != "this machine does not have the key" {
		t.Fatalf("rotating: %v", err)
	}
	if h, err := c.States(ctx); err != nil || len(h) != 1 || h[0].Height != 7 || h[0].Kind != HeldDaily {
		t.Errorf("states %+v, error %v", h, err)
	}
	if k, err := c.Keep(ctx, -1); err != nil || k.Height != 9 {
		t.Fatalf("%+v, %v", k, err)
	}
	if _, err := c.Keep(ctx, 10); err == nil || err.Error() != "the state of that round is not held" {
		t.Fatal(err)
	}
	if es, err := c.Events(ctx, 41); err != nil || len(es) != 1 || es[0].Seq != 42 {
		t.Fatalf("%+v, %v", es, err)
	}
	if hs, err := c.Curve(ctx, 20); err != nil || len(hs) != 1 || hs[0].Height != 40 || hs[0].By != "a" {
		t.Fatalf("%+v, %v", hs, err)
	}
	if rs, err := c.Rounds(ctx, 6); err != nil || len(rs) != 1 || rs[0].Height != 7 {
		t.Fatalf("%+v, %v", rs, err)
	}
	if _, err := c.Heldout(ctx); err == nil || err.Error() != "the trainer is not up" {
		t.Fatalf("held-out loss: %v", err)
	}
	var text strings.Builder
	if err := c.Generate(ctx, Generate{Prompt: "hello"}, func(s string) { text.WriteString(s) }); err == nil || err.Error() != "that was all" {
		t.Fatalf("generating: %v", err)
	}
	if text.String() != "hello!" {
		t.Fatalf("generated %q", text.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := c.State(ctx); !errors.Is(err, ErrNoDaemon) {
		t.Fatalf("after its end: %v", err)
	}
}

// TestReplyThatCannotBeTold answers with an error in place of half a JSON text.
func TestReplyThatCannotBeTold(t *testing.T) {
	w := httptest.NewRecorder()
	reply(w, map[string]float64{"loss": math.NaN()})
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "cannot be told") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
