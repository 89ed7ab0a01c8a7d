//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
)

// TestPauseGivesTheDeviceBack pauses a node that trains on XLA: within a second its trainer is
// gone, and what it had learned is there when it goes on, also after a restart.
func TestPauseGivesTheDeviceBack(t *testing.T) {
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", filepath.Join(dataDir(t), "xla", "cpu-0.11.2"))
	dir := newSwarm(t, 1)[0]
	home := filepath.Dir(dir)
	d := up(t, dir, "--backend", "xla:cpu")
	s := d.until("it trains", func(s api.State) bool { return trains(s) && s.Head.Height > 2 })
	began := time.Now()
	if _, err := d.client.Pause(t.Context(), "1h", false); err != nil {
		t.Fatal(err)
	}
	for syscall.Kill(s.Trainer.Pid, 0) == nil {
		if time.Since(began) > time.Minute {
			t.Fatal("the trainer keeps its device")
		}
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(began)
	t.Logf("the trainer was gone after %.2f s", took.Seconds())
	if took > time.Second {
		t.Errorf("the trainer was gone only after %.2f s", took.Seconds())
	}
	if s := d.until("no trainer is up", func(s api.State) bool { return !s.Trainer.Up }); s.Reason != string(policy.Paused) || s.Until.IsZero() {
		t.Errorf("%s until %v: %s", s.Reason, s.Until, s.Why)
	}
	if out := done(t, home, "pause", "2h", "--dir", dir); !strings.Contains(out, "paused: paused by hand until") || !strings.Contains(out, "decided by a person") {
		t.Errorf("pause says %s", out)
	}
	if strings.Contains(d.log.String(), "is lost") {
		t.Errorf("what was learned was not saved:\n%s", d.log.String())
	}

	d.end()
	done(t, home, "hours", "--compute", "never", "--dir", dir) // while nobody runs
	d = up(t, dir, "--backend", "xla:cpu")
	d.until("it is paused still", func(s api.State) bool { return s.Reason == string(policy.Paused) })
	done(t, home, "resume", "--dir", dir)
	d.until("these are not its hours", func(s api.State) bool { return s.Reason == string(policy.Hours) })
	if d.until("it answers", whatever).Trainer.Up {
		t.Error("a trainer runs outside its hours")
	}
	if out := done(t, home, "hours", "--compute", "always", "--dir", dir); !strings.HasPrefix(out, "train               always\n") {
		t.Errorf("hours says %s", out)
	}
	d.until("it trains again", trains)
	if out := done(t, home, "why", "--dir", dir); !strings.HasPrefix(out, "training\ndecided by ") {
		t.Errorf("why says %s", out)
	}
	if _, stderr, code := output(t, home, "pause", "soon", "--dir", dir); code != exitUsage || !strings.Contains(stderr, "tomorrow") {
		t.Errorf("a pause that is none: %d, %s", code, stderr)
	}
	d.end()
	if err := os.WriteFile(filepath.Join(dir, "policy.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := output(t, home, "up", "--dir", dir); code == 0 || !strings.Contains(stderr, "policy.json cannot be used; remove it") {
		t.Errorf("damaged settings: %s", stderr)
	}
}

// TestLongPause has a node sleep until the chain has forgotten the round at which it fell
// asleep: what it had learned by then is there when it wakes up.
func TestLongPause(t *testing.T) {
	t.Parallel()
	dirs := newSwarmOf(t, 2, strings.Replace(apart, "snapshot_every = 200", "snapshot_every = 2", 1))
	a := up(t, dirs[0])
	b := up(t, dirs[1], a.bootstrap()...)
	for _, d := range []*daemon{a, b} {
		d.until("both share rounds", func(s api.State) bool { return s.Head.Roster == 2 && trains(s) })
	}
	if _, err := b.client.Pause(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	s := b.until("its trainer is gone", func(s api.State) bool { return !s.Trainer.Up })
	b.height(s.Head.Height + 7)
	if _, err := b.client.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("it trains", trains)
	b.until("both share rounds again", func(s api.State) bool { return s.Head.Roster == 2 })
	if strings.Contains(b.log.String(), "is lost") {
		t.Error("what it had learned is lost")
	}
}
