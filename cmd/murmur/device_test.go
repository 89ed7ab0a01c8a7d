package main

import (
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
)

// TestTwoDevices has one node train on two devices, which are one peer, beside a node with one.
func TestTwoDevices(t *testing.T) {
	t.Parallel()
	dirs := newSwarm(t, 2)
	a := up(t, dirs[0], "--device", "0", "--device", "1")
	b := up(t, dirs[1], a.bootstrap()...)
	s := a.until("both share a round", func(s api.State) bool { return len(s.Round.Last.Included) == 2 })
	if strings.Count(s.Trainer.Device, "CPU") != 2 || s.Head.Roster > 2 {
		t.Errorf("it trains on %q, the roster has %d", s.Trainer.Device, s.Head.Roster)
	}
	if err := a.cmd.Process.Kill(); err != nil { // what both had learned is in one place
		t.Fatal(err)
	}
	<-a.done
	a = up(t, dirs[0], append(b.bootstrap(), "--device", "0", "--device", "1")...)
	a.until("both share a round again", func(s api.State) bool { return len(s.Round.Last.Included) == 2 })
	sameRoots(t, a, b)
}
