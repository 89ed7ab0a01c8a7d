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
)

// cheap lets a node learn without computing, so that several swarms of real
// processes fit on a small machine.
var cheap = []string{"--backend", "toy:20ms"}

func upCheap(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	return up(t, dir, append(cheap, args...)...)
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
	if s == syscall.SIGKILL {
		<-d.done
	}
}

func (d *daemon) roster(n int) api.State {
	d.t.Helper()
	return d.until("all are in the roster", func(s api.State) bool { return s.Head.Roster == n })
}

func TestAnyNodeBringsTheSwarmBack(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 3)
	a := upCheap(t, dirs[0])
	b, c := upCheap(t, dirs[1], a.bootstrap()...), upCheap(t, dirs[2], a.bootstrap()...)
	s := a.roster(3)
	s = a.height(s.Head.Height + 2)
	for _, d := range []*daemon{a, b, c} {
		d.signal(syscall.SIGKILL)
	}
	b = upCheap(t, dirs[1])
	b.until("it closed rounds alone", func(now api.State) bool { return now.Head.Roster == 1 && now.Head.Height > s.Head.Height })
	a, c = upCheap(t, dirs[0], b.bootstrap()...), upCheap(t, dirs[2], b.bootstrap()...)
	b.roster(3)
	sameRoots(t, a, b, c)
}

// TestSleeperTrainsAgain stops a process until the others have forgotten what it
// knows, and lets it go on.
func TestSleeperTrainsAgain(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 3)
	a := upCheap(t, dirs[0])
	b, c := upCheap(t, dirs[1], a.bootstrap()...), upCheap(t, dirs[2], a.bootstrap()...)
	s := a.roster(3)
	c.signal(syscall.SIGSTOP)
	s = a.height(s.Head.Height + 14) // three snapshots on
	c.signal(syscall.SIGCONT)
	began := time.Now()
	c.height(s.Head.Height)
	t.Logf("level after %v", time.Since(began))
	a.until("it is in again", func(s api.State) bool {
		for _, p := range s.Round.Last.Included {
			if p == c.until("it answers", func(s api.State) bool { return s.Peer != "" }).Peer {
				return true
			}
		}
		return false
	})
	sameRoots(t, a, b, c)
}

func TestFinishLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 2)
	a := upCheap(t, dirs[0])
	b := upCheap(t, dirs[1], a.bootstrap()...)
	a.roster(2)
	home := filepath.Dir(dirs[1])
	out, told, code := output(t, home, "finish", "--dir", dirs[1])
	if code != 0 || !strings.Contains(out, "has left") {
		t.Fatalf("exit %d: %s %s", code, out, told)
	}
	<-b.done
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("murmur up ended with %d", code)
	}
	if !strings.Contains(b.log.String(), "everything learned here is in the shared model") {
		t.Fatalf("it did not say that its work is in: %s", lastLines(b.log.String(), 10))
	}
	s := a.until("it is alone", func(s api.State) bool { return s.Head.Roster == 1 })
	a.height(s.Head.Height + 1)
	if _, stderr, code := output(t, home, "finish", "--dir", dirs[1]); code != 1 || !strings.Contains(stderr, "no murmur daemon") {
		t.Fatalf("finishing what is finished: exit %d, %s", code, stderr)
	}
}

// TestDisksOfThePast starts nodes on copies of their directory: one taken while
// it was written to, one of many rounds ago.
func TestDisksOfThePast(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 2)
	a := upCheap(t, dirs[0])
	b := upCheap(t, dirs[1], a.bootstrap()...)
	s := a.roster(2)
	live := filepath.Join(filepath.Dir(dirs[1]), "live")
	copied := false
	for i := range 20 { // files come and go meanwhile: as a user would, try again
		_ = os.RemoveAll(live)
		if copied = copyDir(dirs[1], live) == nil; copied && i > 4 {
			break
		}
	}
	if !copied {
		t.Fatal("the directory of a running node could not be copied in 20 tries")
	}
	s = a.height(s.Head.Height + 10)
	b.signal(syscall.SIGKILL)
	old := upCheap(t, live, a.bootstrap()...)
	old.height(s.Head.Height)
	a.until("it is in again", func(now api.State) bool { return now.Head.Roster == 2 && now.Head.Height > s.Head.Height+3 })
	sameRoots(t, a, old)
}

// copyDir copies a directory's files, but for sockets.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o600)
	})
}

// TestScheduleEnds lets a swarm finish, and a newcomer fetch the finished model.
func TestScheduleEnds(t *testing.T) {
	t.Parallel()
	dirs := newSwarmOf(t, 2, strings.Replace(tiny, "total_tokens = 1000000000", "total_tokens = 12000", 1))
	done := func(s api.State) bool { return s.Reason == "done" && s.Schedule.Complete && s.Head.Tokens >= 12000 }
	a := upCheap(t, dirs[0])
	a.until("training is over", done)
	b := upCheap(t, dirs[1], a.bootstrap()...)
	s := b.until("it has the finished model", done)
	if !strings.Contains(s.Why, "serving the finished model") {
		t.Fatalf("it says: %s", s.Why)
	}
	sameRoots(t, a, b)
}
