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

	"github.com/murmurnet/murmur/proto"
)

// TestMain runs a lone node instead of the tests in a process that a test
// started to kill it.
func TestMain(m *testing.M) {
	if listen := os.Getenv("MURMUR_TEST_NODE"); listen != "" {
		os.Exit(lonelyNode(strings.Split(listen, ",")))
	}
	os.Exit(m.Run())
}

// lonelyNode is node 7. It prints its addresses and lives until its standard
// input ends.
func lonelyNode(listen []string) int {
	p := testParams(7)
	p.Listen = listen
	s := new(memStore)
	s.add(randomBytes(7, fiveLeaves))
	p.Blobs = s
	n, err := New(context.Background(), p)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(strings.Join(n.Addrs(), ","))
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = n.Close()
	return 0
}

// spawn starts a node in another process and returns its addresses.
func spawn(t *testing.T, listen string) (addrs []string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MURMUR_TEST_NODE="+listen)
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
	return strings.Split(strings.TrimSpace(line), ","), kill
}

// TestKilledPeerComesBack kills a node without a goodbye: the survivor must
// serve the new process on the old address within seconds, though libp2p takes
// 36 to find out that the old one is dead.
func TestKilledPeerComesBack(t *testing.T) {
	for _, transport := range []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"} {
		t.Run(strings.Split(transport, "/")[3], func(t *testing.T) {
			addrs, kill := spawn(t, transport)
			me := start(t, 1, func(p *Params) { p.Bootstrap = addrs })
			other := peerOf(7)
			until(t, me, 10*time.Second, "gossip with the other process", func() bool { return topicPeers(me) == 2 })
			kill()
			listen, _, _ := strings.Cut(addrs[0], "/p2p/")
			began := time.Now()
			spawn(t, listen)
			f := Fetch{
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
			until(t, me, 10*time.Second, "gossip again", func() bool { return topicPeers(me) == 2 })
			t.Logf("served %v after it came back", time.Since(began))
		})
	}
}
