//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/stranger"
)

// paceRounds is how many rounds tell the pace.
const paceRounds = 10

// TestManyStrangers measures what strangers cost a node of a swarm for members: from fresh
// addresses, each a full handshake until there are too many, and from one address that
// is throttled before the handshake.
func TestManyStrangers(t *testing.T) {
	home, file := community(t)
	dir := filepath.Join(home, "A")
	done(t, home, "init", file, "--invite-only", "--dir", dir)
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

	// What a stranger costs who is heard, and one who is turned away, follows from what two
	// crowds do of which other shares are heard.
	crowd := func(count int, from func(i int) string) (heard, barred, spent float64) {
		before, began := processor(t, pid), time.Now()
		for i := range count {
			answered, err := stranger.Knock(t.Context(), link.Swarm, at, from(i))
			if err != nil {
				t.Fatal(err)
			}
			if answered {
				heard++
			}
		}
		return heard, float64(count) - heard, processor(t, pid) - before - rounds*time.Since(began).Seconds()
	}
	h1, b1, s1 := crowd(500, func(i int) string { return fmt.Sprintf("127.1.%d.%d", 1+i/250, 1+i%250) })
	h2, b2, s2 := crowd(1000, func(int) string { return "127.2.0.1" })
	full := (s1*b2 - s2*b1) / (h1*b2 - h2*b1)
	less := (s2 - h2*full) / b2
	t.Logf("of 500 strangers from fresh addresses %.0f were heard, of 1000 from one %.0f; who is heard takes %.2f ms of processor time, who is turned away %.2f",
		h1, h2, 1e3*full, 1e3*less)
	if h1 < 100 || b2 < 900 {
		t.Fatal("that tells nothing: too few were heard, or too many")
	}
	const (
		perSecond = 10_000 / 60.0
		all       = 50  // p2p hears so many a second from everywhere
		one       = 0.5 // and from one address
	)
	for _, c := range []struct {
		from  string
		heard float64
		most  float64 // of a core
	}{{"fresh addresses", all, 0.30}, {"one address", one, 0.05}} {
		share := c.heard*full + (perSecond-c.heard)*less
		t.Logf("10,000 a minute from %s: %.1f %% of a core", c.from, 100*share)
		if share > 1.5*c.most { // the machine may be busy
			t.Errorf("10,000 a minute from %s take %.1f %% of a core, want %.0f", c.from, 100*share, 100*c.most)
		}
	}

	pace := func() float64 { // seconds for a round
		height, began := a.until("it answers", whatever).Head.Height, time.Now()
		a.until("its rounds go on", func(s api.State) bool { return s.Head.Height >= height+paceRounds && trains(s) })
		return time.Since(began).Seconds() / paceRounds
	}
	alone := pace()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var came atomic.Int64
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = stranger.Knock(ctx, link.Swarm, at, fmt.Sprintf("127.3.%d.%d", 1+i/250%250, 1+i%250))
			came.Add(1)
		}
	})
	began := time.Now()
	beside := pace()
	per := float64(came.Load()) / time.Since(began).Seconds()
	stop()
	wg.Wait()
	t.Logf("a round takes %.2f s, and %.2f s while %.0f strangers a minute come, who are made on the same processors", alone, beside, 60*per)
	if beside > 2*alone { // half of the processors may be theirs
		t.Errorf("rounds take %.2f s in place of %.2f while strangers come", beside, alone)
	}
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
