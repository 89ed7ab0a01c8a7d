//go:build linux

package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
)

// endless is a swarm whose first round does not end while a test runs: what is learned lies in the residual alone.
var endless = strings.NewReplacer("min_ms = 800", "min_ms = 3000000", "max_ms = 5000", "max_ms = 3600000").Replace(tiny)

// TestSIGTERMKeepsWhatWasLearned ends a daemon five times in the middle of a round, and lets it go on.
func TestSIGTERMKeepsWhatWasLearned(t *testing.T) {
	const stepTokens = 2 * 16
	dir := newSwarmOf(t, 1, endless)[0]
	var before chain.Local
	for range 5 {
		d := up(t, dir)
		s := d.until("it trains", func(s api.State) bool { return s.Trainer.Steps >= 20 })
		began := time.Now()
		d.signal(syscall.SIGTERM)
		<-d.done
		took := time.Since(began)
		if code := d.cmd.ProcessState.ExitCode(); code != 0 || took > 5*time.Second {
			t.Fatalf("exit %d after %v", code, took)
		}
		gone(t, s.Trainer.Pid)
		store, err := chain.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		now, err := store.Local()
		defer func() { _ = now.Close() }()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || now == nil {
			t.Fatalf("nothing is kept: %v", err)
		}
		t.Logf("left after %.2f s, %d steps and %d tokens on disk, %d steps were seen since the last start", took.Seconds(), now.Step, now.Lacking, s.Trainer.Steps)
		if want := before.Step + int64(s.Trainer.Steps); now.Step < want {
			t.Fatalf("%d steps are kept, and %d were made", now.Step, want)
		}
		if now.Lacking != uint64(now.Step)*stepTokens {
			t.Fatalf("%d tokens are kept of %d steps", now.Lacking, now.Step)
		}
		if len(strings.Trim(string(now.Bytes), "\x00")) == 0 {
			t.Fatal("the residual is empty")
		}
		before = *now
	}
}
