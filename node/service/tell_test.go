package service

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager listens as systemd does.
func manager(t *testing.T, watchdog time.Duration) (heard chan string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("no datagram sockets here: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", "")
	heard = make(chan string, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := l.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return heard
}

func next(t *testing.T, heard chan string, want string) {
	t.Helper()
	select {
	case got := <-heard:
		if got != want {
			t.Fatalf("the manager hears %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the manager does not hear %q", want)
	}
}

func TestTell(t *testing.T) {
	heard := manager(t, 20*time.Millisecond)
	var why atomic.Value
	why.Store("looking for a peer\nand waiting")
	var alive atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Teller{Why: func() string { return why.Load().(string) }, Alive: alive.Load, Log: slog.New(slog.DiscardHandler)}.Tell(ctx)
	}()
	next(t, heard, "READY=1\nSTATUS=looking for a peer; and waiting")
	why.Store("training") // and its loop hangs: nobody says that it lives
	next(t, heard, "STATUS=training")
	alive.Store(true)
	for range 3 {
		next(t, heard, "WATCHDOG=1")
	}
	alive.Store(false)
	for len(heard) > 0 { // said before
		next(t, heard, "WATCHDOG=1")
	}
	cancel()
	<-ended
	for got := range heard {
		if got == "STOPPING=1" {
			break
		}
		if got != "WATCHDOG=1" {
			t.Fatalf("the manager hears %q", got)
		}
	}
}

func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	synctest.Test(t, func(t *testing.T) { // it returns, or this is a deadlock
		Teller{Why: func() string { return "training" }, Alive: func() bool { return true }, Log: slog.New(slog.DiscardHandler)}.Tell(t.Context())
	})
}
