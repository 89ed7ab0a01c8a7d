//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
)

// TestViews looks at two nodes through each command that shows a part of their state.
func TestViews(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 2)
	a := up(t, dirs[0], "--metrics", "127.0.0.1:0")
	b := up(t, dirs[1], a.bootstrap()...)
	s := a.until("both share rounds", func(s api.State) bool { return s.Head.Roster == 2 && s.Head.Height >= 2 })
	other := b.until("it answers", whatever).Peer
	home := filepath.Dir(dirs[0])

	if out := done(t, home, "peers", "--dir", dirs[0]); !strings.Contains(out, other.Short()+"  training") {
		t.Errorf("peers says %s", out)
	}
	var ps peers
	if err := json.Unmarshal([]byte(done(t, home, "peers", "--json", "--dir", dirs[0])), &ps); err != nil || len(ps.Peers) != 1 || ps.Peers[0].ID != other {
		t.Errorf("%+v, %v", ps, err)
	}
	var rs outcomes
	if err := json.Unmarshal([]byte(done(t, home, "rounds", "--json", "--dir", dirs[0])), &rs); err != nil || len(rs.Rounds) < 2 || rs.Rounds[0].Height == 0 {
		t.Errorf("%+v, %v", rs, err)
	}
	if out := done(t, home, "rounds", "--dir", dirs[0]); !strings.Contains(out, "in, closed by") {
		t.Errorf("rounds says %s", out)
	}
	if out := done(t, home, "events", "--dir", dirs[0]); !strings.Contains(out, "the trainer is ready on") {
		t.Errorf("events says %s", out)
	}
	if out := done(t, home, "why", "--json", "--dir", dirs[0]); !strings.Contains(out, `"reason": "training"`) {
		t.Errorf("why says %s", out)
	}

	at := regexp.MustCompile(`http://[^"]*/metrics`).FindString(a.log.String())
	res, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	if err != nil || res.Body.Close() != nil || !strings.Contains(string(page), `murmur_peers{path="lan",version="`+version+`"} 1`) {
		t.Errorf("metrics are %s, %v", page, err)
	}

	// Whoever watches sees all from the beginning, and what comes.
	height := uint64(0)
	watched(t, home, func(o api.Outcome) bool {
		if o.Height <= height {
			t.Errorf("round %d comes after %d", o.Height, height)
		}
		height = o.Height
		return height >= s.Head.Height+3
	}, "rounds", "--dir", dirs[0])
	seq := uint64(0)
	watched(t, home, func(e event.Event) bool {
		if e.Seq != seq+1 {
			t.Errorf("event %d comes after %d", e.Seq, seq)
		}
		seq = e.Seq
		return e.Height >= s.Head.Height+4
	}, "events", "--dir", dirs[0])
	watched(t, home, func(s api.State) bool { return s.Head.Height >= height+3 }, "status", "--dir", dirs[0])
}

// watched runs a command with --watch until what it prints is enough.
func watched[T any](t *testing.T, home string, enough func(T) bool, args ...string) {
	t.Helper()
	cmd := murmur(t.Context(), home, append(args, "--watch", "--json")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if enough(v) {
			return
		}
	}
	t.Fatalf("%v ended: %v", args, lines.Err())
}
