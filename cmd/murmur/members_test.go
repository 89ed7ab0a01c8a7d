//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
)

// TestInviteOnly founds a swarm for members: who has an invite trains in it, who has the
// link alone is told why not, and who is thrown out is alone.
func TestInviteOnly(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, stderr, code := output(t, home, args...)
		if code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
		return strings.TrimSpace(out)
	}
	dir := func(name string) string { return filepath.Join(home, name) }
	run("init", file, "--invite-only", "--dir", dir("A"))
	a := up(t, dir("A"))
	a.until("it listens", func(s api.State) bool { return s.Link != "" })
	invite := run("invite", "--dir", dir("A"))
	run("join", invite, "--dir", dir("B"))
	b := up(t, dir("B"))
	for _, d := range []*daemon{a, b} {
		d.until("both train in one swarm", func(s api.State) bool { return s.Head.Roster == 2 && trains(s) })
	}

	if out := run("crawl", "--dir", dir("A")); !strings.Contains(out, "2 peers, 2 reached") {
		t.Errorf("who has the community's key sees %s", out)
	}
	if _, stderr, code := output(t, home, "crawl", "--dir", dir("B")); code == 0 || !strings.Contains(stderr, "community.key") {
		t.Errorf("a member crawls under a stranger's key: %s", stderr)
	}

	plain, _, _ := strings.Cut(invite, "&i=")
	run("join", plain, "--dir", dir("C"))
	c := up(t, dir("C"))
	c.until("it is told why it is not let in", func(s api.State) bool { return strings.Contains(s.Reach.Refusal, "ask one of them for an invite") })
	if out := run("status", "--dir", dir("C")); !strings.Contains(out, "not let in") {
		t.Errorf("status says %s", out)
	}
	run("join", invite, "--dir", dir("D")) // the one use is B's
	d := up(t, dir("D"))
	d.until("its invite was used", func(s api.State) bool { return strings.Contains(s.Reach.Refusal, "used as often") })

	id := b.until("it answers", whatever).Peer
	if out := run("members", "--dir", dir("A")); !strings.Contains(out, id.String()) {
		t.Errorf("members are %s", out)
	}
	if strings.Contains(a.log.String()+b.log.String()+run("status", "--dir", dir("A"), "--json"), strings.Split(invite, "&i=")[1]) {
		t.Error("the invite, a secret, stands in a log or the state")
	}
	if _, stderr, code := output(t, home, "revoke", a.until("it answers", whatever).Peer.String(), "--dir", dir("B")); code == 0 || !strings.Contains(stderr, "community's key") {
		t.Errorf("who lacks the key revokes: %s", stderr)
	}
	run("revoke", id.String(), "--dir", dir("A"))
	a.until("it goes on alone", func(s api.State) bool { return s.Head.Roster == 1 && s.Round.Active == 1 })
	b.end()
	b = up(t, dir("B"))
	b.until("it is told that it is out", func(s api.State) bool {
		return strings.Contains(s.Reach.Refusal, "revoked")
	})
	if s := a.until("it answers", whatever); len(s.Peers) > 0 && s.Peers[0].Connected {
		t.Errorf("who was thrown out is connected: %+v", s.Peers)
	}
}
