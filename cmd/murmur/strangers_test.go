//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/stranger"
)

// TestManyStrangers measures what strangers cost a node of a swarm for members: from fresh
// addresses, each a full handshake until there are too many, and from one address that
// is throttled before the handshake.
func TestManyStrangers(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "A")
	if _, stderr, code := output(t, home, "init", file, "--invite-only", "--dir", dir); code != 0 {
		t.Fatal(stderr)
	}
	a := up(t, dir)
	s := a.until("it trains", trains)
	link, err := p2p.ParseLink(s.Link)
	if err != nil {
		t.Fatal(err)
	}
	at := ""
	for _, x := range link.Addrs {
		if strings.Contains(x, "/quic-v1/p2p/") {
			at = x
		}
	}
	pid := a.cmd.Process.Pid
	const quiet = 5 * time.Second // what rounds take beside, the trainer being another process
	before := processor(t, pid)
	time.Sleep(quiet)
	rounds := (processor(t, pid) - before) / quiet.Seconds()

	const minute = 10_000 / 60.0 // strangers a second
	for _, c := range []struct {
		name  string
		from  func(i int) string
		count int
		most  float64 // of a core, at ten thousand a minute: on a quiet machine two thirds of it
	}{
		{"from fresh addresses", func(i int) string { return fmt.Sprintf("127.1.%d.%d", 1+i/250, 1+i%250) }, 500, 0.30},
		{"from one address", func(int) string { return "127.2.0.1" }, 1000, 0.06},
	} {
		before, began, told := processor(t, pid), time.Now(), 0
		for i := range c.count {
			answered, err := stranger.Knock(t.Context(), link.Swarm, at, c.from(i))
			if err != nil {
				t.Fatal(err)
			}
			if answered {
				told++
			}
		}
		took := time.Since(began).Seconds()
		each := (processor(t, pid) - before - rounds*took) / float64(c.count)
		t.Logf("%d strangers %s in %.0f s, of whom %d were told why not: %.2f ms of processor time each, %.1f %% of a core at 10,000 a minute",
			c.count, c.name, took, told, 1e3*each, 100*each*minute)
		if each*minute > c.most {
			t.Errorf("strangers %s take %.1f %% of a core, want %.0f %% at most", c.name, 100*each*minute, 100*c.most)
		}
	}
	height := a.until("it answers", whatever).Head.Height
	a.until("its rounds go on", func(s api.State) bool { return s.Head.Height >= height+3 && trains(s) })
}

// processor is the time that a process has spent on processors, in seconds.
func processor(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	sum := 0.0
	for _, f := range fields[11:13] {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v / 100 // ticks
	}
	return sum
}
