package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/shard"
)

// printedAs runs a command that prints one JSON object.
func printedAs[T any](t *testing.T, user string, args ...string) (said T) {
	t.Helper()
	stdout, stderr, code := output(t, user, append(args, "--json")...)
	if code != 0 {
		t.Fatalf("%v: %s", args, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &said); err != nil {
		t.Fatalf("%v: %v: %s", args, err, stdout)
	}
	return said
}

func manifestOf(t *testing.T, dir string) manifest.Manifest {
	t.Helper()
	raw, err := home.Dir(dir).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := manifest.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFork goes back to a round of a swarm that goes on, and has two nodes train from there.
func TestFork(t *testing.T) {
	t.Parallel()
	old := newSwarm(t, 1)[0]
	user := filepath.Dir(old)
	a := up(t, old)
	s := a.height(9)
	held := printedAs[heldStates](t, user, "fork", "--from", old).States // by the daemon
	kinds := map[string]api.Held{}
	for _, h := range held {
		kinds[h.Kind] = h
		if h.Kind != api.HeldStart && h.At.IsZero() {
			t.Errorf("when was %+v?", h)
		}
	}
	at, newest := kinds[api.HeldDaily], kinds[api.HeldHead]
	if at.Height != 4 || at.Tokens == 0 || newest.Height < 9 {
		t.Fatalf("it holds %+v; the first snapshot, of round 4, is the day's", held)
	}
	if _, stderr, code := output(t, user, "fork", "--from", old, "--at", "2000"); code != 1 ||
		!strings.Contains(stderr, "the state of round 2000 is not held: this node has rounds ") || !strings.Contains(stderr, "and of each day one: 4") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a round that is not held: %d, %s", code, stderr)
	}
	fork := filepath.Join(user, "F")
	made := printedAs[forked](t, user, "fork", "--from", old, "--at", "4", "--dir", fork)
	if made.Name != "tiny (from round 4)" || made.Height != 4 || made.Tokens != at.Tokens || string(made.Dir) != fork || made.Swarm == s.Swarm || made.InviteOnly {
		t.Errorf("made %+v", made)
	}
	m, before := manifestOf(t, fork), manifestOf(t, old)
	f := *m.Fork
	if f.Swarm != s.Swarm || f.Order != s.Swarm || f.Tokens != at.Tokens || f.Cursor == 0 || f.H != 20 {
		t.Errorf("it goes on from %+v", f)
	}
	before.Name, before.Model.Weights, before.Fork = m.Name, m.Model.Weights, m.Fork
	if a, b := toText(t, m), toText(t, before); a != b {
		t.Errorf("the manifest is another one:\n%s\n%s", a, b)
	}
	_, was := export(t, user, old, "--height", "4")
	_, is := export(t, user, fork, "--height", "0")
	if !slices.Equal(theta(t, was), theta(t, is)) {
		t.Error("it begins with another model")
	}
	a.end()
	stopped := printedAs[heldStates](t, user, "fork", "--from", old).States // from the disk
	if !slices.ContainsFunc(stopped, func(h api.Held) bool { return h.Kind == api.HeldDaily && h.Height == 4 && h.At.Equal(at.At) }) {
		t.Errorf("without the daemon it holds %+v", stopped)
	}
	last := filepath.Join(user, "L")
	if made := printedAs[forked](t, user, "fork", "--from", old, "--at", strconv.FormatUint(newest.Height, 10), "--dir", last, "--name", "other", "--invite-only"); made.Name != "other" || !made.InviteOnly {
		t.Errorf("made %+v", made)
	}
	if m := manifestOf(t, last); len(m.Membership.Keys) != 1 || m.Fork.Tokens < newest.Tokens {
		t.Errorf("an invite-only fork of the newest round is %+v, %+v", m.Membership, m.Fork)
	}

	b := up(t, fork)
	s = b.height(1)
	joined := filepath.Join(user, "J")
	if _, stderr, code := output(t, user, "join", s.Link, "--dir", joined); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	c := up(t, joined)
	b.until("both share a round", func(s api.State) bool { return s.Head.Roster == 2 && len(s.Round.Last.Included) == 2 })
	sameRoots(t, b, c)
	if s = b.height(2); s.Head.Tokens <= at.Tokens || s.Schedule.TotalTokens != before.Inner.TotalTokens || s.Head.Tokens > at.Tokens+100_000 {
		t.Errorf("schedules go on at %d tokens, the state had %d", s.Head.Tokens, at.Tokens)
	}
	went := printedAs[exported](t, user, "export", filepath.Join(user, "x"), "--dir", fork, "--height", "1")
	if went.Cursor <= f.Cursor || went.Tokens <= f.Tokens {
		t.Errorf("round 1 took positions up to %d, tokens up to %d; the state had %+v", went.Cursor, went.Tokens, f)
	}
	// A fork of a fork keeps the first swarm's order of samples.
	again := printedAs[forked](t, user, "fork", "--from", fork, "--at", "1", "--dir", filepath.Join(user, "G"))
	if g := manifestOf(t, string(again.Dir)).Fork; g.Order != f.Order || g.Swarm != made.Swarm || again.Name != "tiny (from round 4) (from round 1)" {
		t.Errorf("a fork of a fork goes on from %+v, %+v", g, again)
	}
}

func toText(t *testing.T, m manifest.Manifest) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestForkTakesTheData forks a closed swarm with shards, of which some are not on this disk.
func TestForkTakesTheData(t *testing.T) {
	user := t.TempDir()
	source, set := filepath.Join(user, "text.txt"), filepath.Join(user, "set")
	if err := os.WriteFile(source, []byte(strings.Repeat("the sea and the lantern ", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := output(t, user, "data", "prepare", source, "--out", set, "--heldout", "512"); code != 0 {
		t.Fatalf("prepare: %s", stderr)
	}
	old := filepath.Join(user, "old")
	long := strings.Repeat("é", manifest.MaxName/2)
	if _, stderr, code := output(t, user, "init", "--data", set, "--dir", old, "--invite-only", "--name", long); code != 0 {
		t.Fatalf("init: %s", stderr)
	}
	fork := filepath.Join(user, "new")
	out, stderr, code := output(t, user, "fork", "--from", old, "--at", "0", "--dir", fork)
	if code != 0 || !strings.Contains(out, "murmur up --dir "+fork) || !strings.Contains(out, "murmur finish --dir "+old) || !strings.Contains(out, "murmur invite --dir "+fork) || !strings.Contains(out, "murmur://") {
		t.Fatalf("fork: %d, %s%s", code, out, stderr)
	}
	m, before := manifestOf(t, fork), manifestOf(t, old)
	if !strings.HasSuffix(m.Name, "é (from round 0)") || len(m.Name) > manifest.MaxName {
		t.Errorf("it is named %q", m.Name)
	}
	if len(m.Membership.Keys) != 1 || m.Membership.Keys[0] == before.Membership.Keys[0] {
		t.Errorf("a closed swarm's fork has the keys %v, the old one %v", m.Membership.Keys, before.Membership.Keys)
	}
	if key, err := home.Dir(fork).Community(); err != nil || key == nil {
		t.Errorf("this machine cannot invite: %v", err)
	}
	library := func(dir string, e shard.Entry) string { return filepath.Join(dir, "files", e.ID.String()) }
	for _, e := range append([]shard.Entry{m.Data.Heldout}, m.Data.Shards...) {
		a, err := os.Stat(library(fork, e))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.Stat(library(old, e)); err != nil || !os.SameFile(a, b) {
			t.Errorf("shard %s lies on the disk twice: %v", e.ID.Short(), err)
		}
	}
	if _, stderr, code = output(t, user, "fork", "--from", old, "--at", "0", "--dir", old); code != 1 || !strings.Contains(stderr, "give --dir another one") {
		t.Errorf("into the old directory: %d, %s", code, stderr)
	}
	if err := os.Remove(library(old, m.Data.Shards[0])); err != nil {
		t.Fatal(err)
	}
	third := filepath.Join(user, "third")
	if _, stderr, code = output(t, user, "fork", "--from", old, "--at", "0", "--dir", third); code != 1 || !strings.Contains(stderr, "1 of the data set's") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("without a shard: %d, %s", code, stderr)
	}
	if made := printedAs[forked](t, user, "fork", "--from", old, "--at", "0", "--dir", third, "--data", set, "--no-invite-only"); made.InviteOnly {
		t.Errorf("made %+v", made)
	}
	if m := manifestOf(t, third); !m.Membership.Open() {
		t.Errorf("it was to be open, and is %+v", m.Membership)
	}
	// config.toml names the old directory, never the one that is to be made.
	config := filepath.Join(user, "config.toml")
	if err := os.WriteFile(config, []byte("dir = \""+old+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if made := printedAs[forked](t, user, "fork", "--config", config, "--at", "0", "--data", set); made.Dir == home.Dir(old) || filepath.Base(string(made.Dir)) != made.Swarm.Short() {
		t.Errorf("made %+v", made)
	}
}
