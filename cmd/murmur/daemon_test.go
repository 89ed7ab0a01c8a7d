//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/xla"
)

// gone waits until a process is no more.
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Contains(b, []byte(") Z ")) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("process %d is still there", pid)
}

func trains(s api.State) bool { return s.Trainer.Up && s.Trainer.Steps > 0 }

func TestSecondDaemonIsRefused(t *testing.T) {
	dir := newSwarm(t, 1)[0]
	first := up(t, dir)
	first.until("it runs", func(s api.State) bool { return s.Reason != "" })
	_, stderr, code := output(t, filepath.Dir(dir), "up", "--dir", dir, "--port", "0")
	if code != 1 || !strings.Contains(stderr, "process "+strconv.Itoa(first.cmd.Process.Pid)) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
}

func TestPortInUse(t *testing.T) {
	dir := newSwarm(t, 1)[0]
	l, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.LocalAddr().(*net.UDPAddr).Port)
	_, stderr, code := output(t, filepath.Dir(dir), "up", "--dir", dir, "--host", "127.0.0.1", "--port", port, "--backend", "go")
	last := lastLines(stderr, 1)
	if code != 1 || !strings.Contains(last, port) || !strings.Contains(last, "port") {
		t.Fatalf("exit %d: %s", code, last)
	}
}

func TestLoneNodeLivesThroughItsTrainersDeath(t *testing.T) {
	t.Parallel()
	d := up(t, newSwarm(t, 1)[0])
	s := d.height(2)
	trainer := s.Trainer.Pid
	if err := syscall.Kill(trainer, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s = d.until("another trainer is up", func(s api.State) bool { return s.Trainer.Up && s.Trainer.Pid != trainer })
	if s.Trainer.Restarts != 1 {
		t.Fatalf("%d restarts, want 1", s.Trainer.Restarts)
	}
	d.height(s.Head.Height + 2)

	// SIGKILL of the daemon leaves no orphan.
	trainer = s.Trainer.Pid
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.done
	gone(t, trainer)
}

func TestSIGTERMLeavesCleanlyAndResumes(t *testing.T) {
	t.Parallel()
	dir := newSwarm(t, 1)[0]
	d := up(t, dir)
	s := d.height(3)
	began := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-d.done
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit %d", code)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Fatalf("leaving took %s", took)
	}
	gone(t, s.Trainer.Pid)
	again := up(t, dir)
	if got := again.until("it takes part", func(s api.State) bool { return s.Name != "" && s.Reason != string(policy.Joining) }); got.Head.Height < s.Head.Height {
		t.Fatalf("resumed at height %d, was at %d", got.Head.Height, s.Head.Height)
	}
	again.height(s.Head.Height + 2)
}

func TestThreeNodesLoseOneAndAgree(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 3)
	a := up(t, dirs[0])
	boot := a.bootstrap()
	b, c := up(t, dirs[1], boot...), up(t, dirs[2], boot...)
	for _, d := range []*daemon{a, b, c} {
		d.until("it trains", trains)
	}
	s := a.until("all three share a round", func(s api.State) bool { return s.Head.Roster == 3 })
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.done
	s = a.height(s.Head.Height + 6) // past snapshots, so that C cannot simply replay
	c = up(t, dirs[2], boot...)
	c.height(s.Head.Height)
	a.until("C is in again", func(s api.State) bool {
		return slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.State == "training" }) && s.Head.Roster == 3
	})
	sameRoots(t, a, b, c)
}

func TestJoinerByLink(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 1)
	a := up(t, dirs[0])
	s := a.height(9) // two snapshots on, genesis is pruned
	home := t.TempDir()
	dir := filepath.Join(home, "J")
	if _, stderr, code := output(t, home, "join", s.Link, "--dir", dir); code != 0 {
		t.Fatalf("join: %s", stderr)
	}
	j := up(t, dir)
	j.height(s.Head.Height)
	a.until("the joiner is in the roster", func(s api.State) bool { return s.Head.Roster == 2 })
	sameRoots(t, a, j)
}

func TestDamagedFilesAreFetchedAgain(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 2)
	a := up(t, dirs[0])
	b := up(t, dirs[1], a.bootstrap()...)
	for _, d := range []*daemon{a, b} {
		d.until("both share rounds", func(s api.State) bool { return s.Head.Roster == 2 && s.Head.Height >= 10 })
	}
	for _, damage := range []string{"payloads", "states", "local.state"} {
		t.Log("damaging " + damage)
		if err := b.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-b.done
		spoil(t, filepath.Join(dirs[1], damage))
		s, err := a.client.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b = up(t, dirs[1], a.bootstrap()...)
		b.height(s.Head.Height + 1)
		sameRoots(t, a, b)
		for _, d := range []*daemon{a, b} {
			if _, err := d.client.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// spoil flips a byte in the middle of a file, or of every file in a directory.
func spoil(t *testing.T, path string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil || len(b) == 0 {
			return err
		}
		b[len(b)/2] ^= 0x40
		n++
		return os.WriteFile(p, b, 0o600)
	})
	if err != nil || n == 0 {
		t.Fatalf("spoiled %d files: %v", n, err)
	}
}

// TestFullDisk runs a node on a file system that has no room.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	mount := t.TempDir()
	if err := syscall.Mount("murmur-test", mount, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	source := newSwarm(t, 1)[0]
	dir := filepath.Join(mount, "A")
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	fill := filepath.Join(mount, "filler")
	if err := os.WriteFile(fill, bytes.Repeat([]byte("x"), 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	_, stderr, code := output(t, filepath.Dir(source), "up", "--dir", dir, "--host", "127.0.0.1", "--port", "0", "--backend", "go", "--no-mdns")
	if last := lastLines(stderr, 1); code != 1 || !strings.Contains(last, "no space left") {
		t.Fatalf("exit %d: %s", code, last)
	}

	// Room comes back: the node runs. Then the disk fills while it trains: it goes
	// on training, says so, and publishes when there is room again.
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	d := up(t, dir)
	s := d.height(1)
	if err := os.WriteFile(fill, bytes.Repeat([]byte("x"), 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	d.until("it says that the disk is full", func(s api.State) bool { return strings.Contains(s.Why, "no space left") })
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	d.height(s.Head.Height + 2)
}

// TestTwoBackendsAgree shares a swarm between the pure-Go backend and XLA.
func TestTwoBackendsAgree(t *testing.T) {
	data := dataDir(t)
	dirs := newSwarm(t, 2)
	a := up(t, dirs[0])
	args := append(a.bootstrap(), "--backend", "xla:cpu")
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", filepath.Join(data, "xla", "cpu-0.11.2"))
	b := up(t, dirs[1], args...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a.until("both are in the roster", func(s api.State) bool { return s.Head.Roster == 2 && s.Head.Height >= 4 })
	sameRoots(t, a, b)
	sa, err := a.client.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sb, err := b.client.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(sa.Trainer.Backend, "go") || !strings.HasPrefix(sb.Trainer.Backend, "xla") {
		t.Fatalf("backends %s and %s", sa.Trainer.Backend, sb.Trainer.Backend)
	}
}

// dataDir is where the XLA plugin is installed; without it the test skips.
func dataDir(t *testing.T) string {
	t.Helper()
	data, ok := installedXLA()
	if !ok {
		if os.Getenv("MURMUR_REQUIRE_XLA") == "1" {
			t.Fatal("the XLA CPU plugin is not installed; run murmur xla install cpu")
		}
		t.Skip("the XLA CPU plugin is not installed; run murmur xla install cpu")
	}
	return data
}

func installedXLA() (dataDir string, ok bool) {
	data, err := xla.DataDir()
	if err != nil {
		return "", false
	}
	_, ok = xla.Installed(filepath.Join(data, "xla"), "cpu")
	return data, ok
}

// TestStrangersOfOneSwarmMeet lets two nodes train apart until neither holds a
// commit that the other has, and then introduces them.
func TestStrangersOfOneSwarmMeet(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 2)
	a, b := up(t, dirs[0]), up(t, dirs[1])
	a.height(9)
	b.height(9)
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-b.done
	b = up(t, dirs[1], a.bootstrap()...)
	a.until("both are in one roster", func(s api.State) bool { return s.Head.Roster == 2 })
	sameRoots(t, a, b)
}

// TestAloneSaysWhy starts a newcomer whose link names addresses where nobody is.
func TestAloneSaysWhy(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "A")
	link := "murmur://" + proto.Sum([]byte("nowhere")).String()
	for i, a := range []string{"/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/quic-v1"} {
		link += fmt.Sprintf("%ca=%s/p2p/%s", "?&"[i], a, "12D3KooWPaN9nN7xNyxigMxH3NJkYZ62QR8jKxcSD55mLukddLdV")
	}
	if _, stderr, code := output(t, home, "join", link, "--dir", dir); code != 0 {
		t.Fatal(stderr)
	}
	began := time.Now()
	d := up(t, dir)
	d.until("it answers", whatever)
	took := time.Since(began)
	t.Logf("the API serves after %.2f s", took.Seconds())
	if took > time.Second {
		t.Errorf("the API serves only after %.2f s", took.Seconds())
	}
	d.until("it says what it tried", func(s api.State) bool {
		return s.Reason == "joining" && slices.ContainsFunc(s.Reach.Tried, func(a api.Attempt) bool { return a.Why == "nothing listens there" })
	})
	out, stderr, code := output(t, home, "status", "--dir", dir)
	if code != 0 || !strings.Contains(out, "no peer is reached yet") || !strings.Contains(out, "/ip4/127.0.0.1/tcp/1: nothing listens there") {
		t.Errorf("status says %s%s", out, stderr)
	}
}
