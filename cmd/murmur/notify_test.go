//go:build linux

package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServiceManagerIsTold runs a daemon below a socket such as systemd's.
func TestServiceManagerIsTold(t *testing.T) {
	dir := newSwarm(t, 1)[0]
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := murmur(context.Background(), filepath.Dir(dir), "up", "--dir", dir, "--host", "127.0.0.1", "--port", "0", "--no-mdns", "--backend", "toy:20ms")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=200000")
	began := time.Now()
	d := start(t, dir, cmd)
	heard := map[string]time.Duration{}
	hear := func(until string) {
		t.Helper()
		b := make([]byte, 4096)
		for heard[until] == 0 {
			_ = l.SetReadDeadline(time.Now().Add(30 * time.Second))
			n, err := l.Read(b)
			if err != nil {
				t.Fatalf("%q is not heard, but %v", until, heard)
			}
			for line := range strings.Lines(string(b[:n])) {
				heard[strings.TrimSpace(line)] = time.Since(began)
			}
		}
	}
	hear("READY=1")
	if heard["WATCHDOG=1"] > 0 {
		t.Error("it is alive before it is ready")
	}
	hear("STATUS=training")
	hear("WATCHDOG=1")
	d.signal(syscall.SIGTERM)
	hear("STOPPING=1")
	<-d.done
	t.Logf("%v", heard)
}
