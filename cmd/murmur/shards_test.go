//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/shard"
)

// TestShardsSpread trains on a prepared data set, which a node that joins by link gets from its peer as it needs it, and
// again where its disk loses it.
func TestShardsSpread(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	text, file, set := filepath.Join(home, "opticks.txt"), filepath.Join(home, "swarm.toml"), filepath.Join(home, "set")
	for path, b := range map[string][]byte{text: data.Opticks()[:100_000], file: []byte(tiny)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, stderr, code := output(t, home, "data", "prepare", text, "--out", set, "--shard-tokens", "4000", "--heldout", "200"); code != 0 {
		t.Fatalf("prepare: %s", stderr)
	}
	list, err := shard.ReadSet(filepath.Join(set, shard.SetFile))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "A")
	if _, stderr, code := output(t, home, "init", file, "--data", set, "--dir", dir); code != 0 {
		t.Fatalf("init: %s", stderr)
	}
	a := up(t, dir)
	s := a.height(2)
	joined := filepath.Join(home, "B")
	if _, stderr, code := output(t, home, "join", s.Link, "--dir", joined); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	b := up(t, joined)
	both := func(s api.State) bool { return len(s.Round.Last.Included) == 2 }
	a.until("both share a round", both)
	here := shards(t, joined, list)
	if len(here) < data.WindowShards {
		t.Errorf("the joined node trains with %d of %d shards here", len(here), len(list.Shards))
	}
	if _, err := b.client.Heldout(t.Context()); err != nil {
		t.Error(err)
	}

	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-b.done
	for _, e := range list.Shards { // whichever it needs next is one of them
		path := filepath.Join(joined, "files", e.ID.String())
		if slices.Contains(here, e) {
			if err := os.Truncate(path, int64(e.Size)/2); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(make([]byte, e.Size-1), 1), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	b = up(t, joined, a.bootstrap()...)
	b.until("it trains on shards that it fetched again", trains)
	a.until("both share a round again", both)
	// One curve of held-out losses for the swarm: what one measures, all know.
	a.until("both know one point", func(api.State) bool {
		ours, err := a.client.Curve(t.Context(), 0)
		theirs, err2 := b.client.Curve(t.Context(), 0)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return slices.ContainsFunc(ours, func(h api.Heldout) bool { return h.Loss > 0 && slices.Contains(theirs, h) })
	})
	if stdout, stderr, code := output(t, home, "status", "--curve", "--dir", joined); code != 0 || !strings.Contains(stdout, "HELD-OUT LOSS") || strings.Count(stdout, "\n") < 2 {
		t.Errorf("status --curve: %d, %s%s", code, stdout, stderr)
	}
	sameRoots(t, a, b)
	events, err := b.client.Events(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, e := range events {
		told = told || strings.Contains(e.Text, "missing or damaged on this disk; fetching it again")
	}
	if !told {
		t.Error("nothing was said of the damage")
	}
}

// shards lists those that a node has in their size.
func shards(t *testing.T, dir string, set shard.Set) (here []shard.Entry) {
	t.Helper()
	for _, e := range set.Shards {
		if info, err := os.Stat(filepath.Join(dir, "files", e.ID.String())); err == nil && uint64(info.Size()) == e.Size {
			here = append(here, e)
		}
	}
	return here
}
