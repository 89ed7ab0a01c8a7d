//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
)

// community is a home with the settings of a small swarm in a file.
func community(t *testing.T) (home, file string) {
	t.Helper()
	home = t.TempDir()
	file = filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	return home, file
}

// done runs a command that must succeed.
func done(t *testing.T, home string, args ...string) string {
	t.Helper()
	out, stderr, code := output(t, home, args...)
	if code != 0 {
		t.Fatalf("%v: %s", args, stderr)
	}
	return strings.TrimSpace(out)
}

// TestInviteOnly founds a swarm for members: who has an invite trains in it, who has the
// link alone is told why not, and who is thrown out is alone.
func TestInviteOnly(t *testing.T) {
	t.Parallel()
	home, file := community(t)
	run := func(args ...string) string {
		t.Helper()
		return done(t, home, args...)
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
	c.until("its health says so, too", func(s api.State) bool {
		return slices.ContainsFunc(s.Health, func(c health.Condition) bool { return c.ID == "refused" && c.Severity == health.Problem })
	})
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

// TestListedMembers makes a swarm for two listed peers; a third is told that it is not.
func TestListedMembers(t *testing.T) {
	t.Parallel()
	home, file := community(t)
	dir := func(name string) string { return filepath.Join(home, name) }
	listed := done(t, home, "id", "--dir", dir("B"))
	done(t, home, "init", file, "--member", listed, "--dir", dir("A"))
	a := up(t, dir("A"))
	link := a.until("it listens", func(s api.State) bool { return s.Link != "" }).Link
	for _, name := range []string{"B", "C"} {
		done(t, home, "join", link, "--dir", dir(name))
	}
	b, c := up(t, dir("B")), up(t, dir("C"))
	for _, d := range []*daemon{a, b} {
		d.until("both train in one swarm", func(s api.State) bool { return s.Head.Roster == 2 && trains(s) })
	}
	if id := b.until("it answers", whatever).Peer.String(); id != listed {
		t.Errorf("murmur id said %s, the node is %s", listed, id)
	}
	c.until("it is told why it is not let in", func(s api.State) bool { return strings.Contains(s.Reach.Refusal, "invite") })
	if s := a.until("it answers", whatever); s.Round.Active != 2 {
		t.Errorf("%d nodes are active", s.Round.Active)
	}
}

// TestRotate gives a community a new key, and ends the old one.
func TestRotate(t *testing.T) {
	t.Parallel()
	home, file := community(t)
	dir := func(name string) string { return filepath.Join(home, name) }
	done(t, home, "init", file, "--invite-only", "--dir", dir("A"))
	a := up(t, dir("A"))
	a.until("it listens", func(s api.State) bool { return s.Link != "" })
	early, late := done(t, home, "invite", "--dir", dir("A")), done(t, home, "invite", "--dir", dir("A"))
	done(t, home, "join", early, "--dir", dir("B"))
	b := up(t, dir("B"))
	b.until("both are in one swarm", func(s api.State) bool { return s.Head.Roster == 2 })

	done(t, home, "rotate", "--dir", dir("A"))
	done(t, home, "join", done(t, home, "invite", "--dir", dir("A")), "--dir", dir("C"))
	c := up(t, dir("C"))
	for _, d := range []*daemon{a, b, c} {
		d.until("the new key's member is in, and the old one's stays", func(s api.State) bool { return s.Head.Roster == 3 })
	}

	done(t, home, "rotate", "--drop", "--dir", dir("A"))
	b.end()
	b = up(t, dir("B"))
	b.until("who met the holder comes back", func(s api.State) bool { return s.Head.Roster == 3 && trains(s) })
	done(t, home, "join", late, "--dir", dir("D"))
	d := up(t, dir("D"))
	d.until("an old invite counts no more", func(s api.State) bool { return s.Reach.Refusal != "" })
	t.Logf("it is told: %s", d.until("it answers", whatever).Reach.Refusal)
}
