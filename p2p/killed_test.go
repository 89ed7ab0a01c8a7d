package p2p

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/prototest"
)

// TestMain runs a lone node instead of the tests in a process that a test
// started to kill it.
func TestMain(m *testing.M) {
	if listen := os.Getenv("MURMUR_TEST_NODE"); listen != "" {
		os.Exit(lonelyNode(strings.Split(listen, ",")))
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// lonelyNode is node 7. It prints its addresses, sends heartbeats that count the
// messages that it heard, and lives until its standard input ends.
func lonelyNode(listen []string) int {
	p := testParams(7)
	p.Listen = listen
	if b := os.Getenv("MURMUR_TEST_BOOTSTRAP"); b != "" {
		p.Bootstrap = strings.Split(b, ",")
	}
	s := new(memStore)
	s.Add(randomBytes(7, fiveLeaves))
	p.Blobs = s
	n, err := New(context.Background(), p)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(strings.Join(n.Addrs(), ","))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	tick := time.NewTicker(500 * time.Millisecond)
	var heard uint64
	for {
		select {
		case <-n.Messages():
			heard++
		case <-tick.C:
			h := prototest.Heartbeat(heard)
			h.Height = uint64(os.Getpid())
			_ = n.PublishHeartbeat(context.Background(), h)
		case <-ended:
			_ = n.Close()
			return 0
		}
	}
}

// spawn starts a node in another process and returns its addresses.
func spawn(t testing.TB, listen string, bootstrap ...string) (addrs []string, pid uint64, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MURMUR_TEST_NODE="+listen, "MURMUR_TEST_BOOTSTRAP="+strings.Join(bootstrap, ","))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return strings.Split(strings.TrimSpace(line), ","), uint64(cmd.Process.Pid), kill
}

// hears publishes until process pid says that it heard something.
func hears(t *testing.T, me *Network, pid uint64) {
	t.Helper()
	end := time.After(10 * time.Second)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case m := <-me.Messages():
			if m.Author == prototest.Peer(7) && m.Heartbeat.GetHeight() == pid && m.Heartbeat.GetTokens() > 0 {
				return
			}
		case <-tick.C:
			if err := me.PublishHeartbeat(t.Context(), prototest.Heartbeat(1)); err != nil {
				t.Fatal(err)
			}
		case <-end:
			t.Fatal("no gossip both ways within 10 s")
		}
	}
}

// TestKilledPeerComesBack kills a node without a goodbye: the survivor must
// serve the new process on the old address within seconds, though libp2p takes
// 36 to find out that the old one is dead.
func TestKilledPeerComesBack(t *testing.T) {
	for _, transport := range []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"} {
		t.Run(strings.Split(transport, "/")[3], func(t *testing.T) {
			addrs, pid, kill := spawn(t, transport)
			me := start(t, 1, func(p *Params) { p.Bootstrap = addrs })
			other := prototest.Peer(7)
			hears(t, me, pid)
			kill()
			listen, _, _ := strings.Cut(addrs[0], "/p2p/")
			began := time.Now()
			_, pid, _ = spawn(t, listen)
			f := blob.Fetch{
				ID: proto.HashBlob(randomBytes(7, fiveLeaves)).Root(), MaxSize: 8 << 20, Path: t.TempDir() + "/blob",
				Sources: []proto.PeerID{other},
			}
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				err := me.Fetch(ctx, f)
				cancel()
				if err == nil {
					break
				}
				if time.Since(began) > 10*time.Second {
					t.Fatalf("10 s after it came back: %v", err)
				}
			}
			t.Logf("served %v after it came back", time.Since(began))
			hears(t, me, pid)
			t.Logf("gossip both ways %v after it came back", time.Since(began))
		})
	}
}

// TestKilledPeerDialsFromElsewhere kills a node and lets it come back on another
// port: its new connection stands beside the old one, which libp2p believes in
// for 36 s. When that dies, gossip must not take the new process for dead.
func TestKilledPeerDialsFromElsewhere(t *testing.T) {
	for _, transport := range []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"} {
		t.Run(strings.Split(transport, "/")[3], func(t *testing.T) {
			me := start(t, 1, nil)
			_, pid, kill := spawn(t, transport, me.Addrs()...)
			hears(t, me, pid)
			for range 3 {
				kill()
				_, pid, kill = spawn(t, transport, me.Addrs()...)
				hears(t, me, pid)
			}
		})
	}
}
