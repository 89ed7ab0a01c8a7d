//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
)

// islands is a network of its own for some nodes: each has a network namespace,
// joined by a bridge in one more namespace, and there is no way out. A second
// bridge, joined to nothing, is where nodes go to be cut off. All of it is made
// inside the namespaces: the machine's own network is not touched.
type islands struct {
	t   *testing.T
	hub string
}

// newIslands makes the network, or skips the test where that is not allowed.
func newIslands(t *testing.T, nodes int) *islands {
	t.Helper()
	n := &islands{t: t, hub: fmt.Sprintf("murmur-%d-%d", os.Getpid(), rand.Uint32())}
	if _, err := exec.LookPath("ip"); err != nil {
		n.refuse("network namespaces are made with ip, which is not installed (Debian: iproute2)")
	}
	if out, err := n.add(n.hub); err != nil {
		n.refuse(fmt.Sprintf("no network namespace can be made here: %v: %s", err, out))
	}
	n.ip("-n", n.hub, "link", "add", "main", "type", "bridge")
	n.ip("-n", n.hub, "link", "add", "apart", "type", "bridge")
	n.ip("-n", n.hub, "link", "set", "main", "up")
	n.ip("-n", n.hub, "link", "set", "apart", "up")
	for i := range nodes {
		ns, port := n.name(i), fmt.Sprintf("port%d", i)
		if out, err := n.add(ns); err != nil {
			t.Fatalf("making namespace %s: %v: %s", ns, err, out)
		}
		n.ip("-n", n.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns)
		n.ip("-n", ns, "addr", "add", n.host(i)+"/24", "dev", "eth0")
		n.ip("-n", ns, "link", "set", "lo", "up")
		n.ip("-n", ns, "link", "set", "eth0", "up")
		n.ip("-n", n.hub, "link", "set", port, "up")
		n.join("main", i)
	}
	return n
}

// refuse skips the test, or in CI fails it.
func (n *islands) refuse(why string) {
	n.t.Helper()
	if os.Getenv("MURMUR_REQUIRE_XLA") == "1" || os.Getenv("CI") == "1" {
		n.t.Fatal(why)
	}
	n.t.Skip(why)
}

// add makes a namespace until the test ends.
func (n *islands) add(name string) ([]byte, error) {
	out, err := exec.Command("ip", "netns", "add", name).CombinedOutput()
	if err == nil {
		n.t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
				n.t.Errorf("removing namespace %s: %v: %s", name, err, out)
			}
		})
	}
	return out, err
}

func (n *islands) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (n *islands) name(i int) string { return fmt.Sprintf("%s-%d", n.hub, i) }

func (n *islands) host(i int) string { return fmt.Sprintf("10.77.0.%d", i+1) }

// join puts nodes' cables into a bridge.
func (n *islands) join(bridge string, nodes ...int) {
	n.t.Helper()
	for _, i := range nodes {
		n.ip("-n", n.hub, "link", "set", fmt.Sprintf("port%d", i), "master", bridge)
	}
}

// up starts a daemon on node i.
func (n *islands) up(i int, dir string, args ...string) *daemon {
	n.t.Helper()
	args = append([]string{"up", "--dir", dir, "--host", n.host(i), "--port", "4101", "--no-mdns", "--backend", "go"}, args...)
	cmd := murmur(context.Background(), filepath.Dir(dir), args...)
	within := exec.Command("ip", append([]string{"netns", "exec", n.name(i)}, cmd.Args...)...)
	within.Env = cmd.Env
	return start(n.t, dir, within)
}

// apart is a swarm that learns visibly on the pure-Go backend, and whose base
// stays where it is for the whole of a partition.
const apart = `
name = "apart"
seed = "test"
[model]
dim = 32
layers = 1
heads = 2
kv_heads = 1
head_dim = 16
ffn = 64
seq_len = 32
[inner]
lr = 3e-3
batch = 4
warmup_tokens = 0
total_tokens = 1000000000
[rounds]
h = 20
h_min = 20
h_max = 20
min_ms = 2000
max_ms = 5000
grace_ms = 1500
view_timeout_ms = 800
snapshot_every = 200
`

// worse is how much higher the held-out loss may lie after healing than before,
// in nats. At this learning rate it wanders from commit to commit: twelve in a
// row lay between 1.888 and 1.923. What the losing side learned brings more: 0.03
// in the first commit that has all five.
const worse = 0.03

// TestPartitionHeals cuts two of five nodes off. Both sides go on committing.
// When the cut is mended, all stand on one branch within 30 s, with one state,
// and what either side had learned is not lost.
func TestPartitionHeals(t *testing.T) {
	t.Parallel()
	cut := 30 * time.Second
	if os.Getenv("MURMUR_TEST_FULL") == "1" {
		cut = 2 * time.Minute
	}
	net := newIslands(t, 5)
	dirs := newSwarmOf(t, 5, apart)
	ds := []*daemon{net.up(0, dirs[0])}
	boot := ds[0].bootstrap()
	for i, dir := range dirs[1:] {
		ds = append(ds, net.up(i+1, dir, boot...))
	}
	s := ds[0].until("all five share a round", func(s api.State) bool { return s.Head.Roster == 5 })
	s = ds[0].height(s.Head.Height + 3)
	t.Logf("cut at height %d", s.Head.Height)

	net.join("apart", 3, 4)
	left, right := ds[0], ds[3]
	began := time.Now()
	three := left.until("three go on alone", func(s api.State) bool { return s.Head.Roster == 3 })
	two := right.until("two go on alone", func(s api.State) bool { return s.Head.Roster == 2 })
	t.Logf("alone after %.1f s, at heights %d and %d", time.Since(began).Seconds(), three.Head.Height, two.Head.Height)
	time.Sleep(cut - time.Since(began))
	left.height(three.Head.Height + 3) // a busy machine takes longer than the cut to be alone
	right.height(two.Head.Height + 3)
	before := 99.0
	for _, d := range []*daemon{left, right} {
		h, err := d.client.Heldout(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("held-out loss %.4f at height %d", h.Loss, h.Height)
		before = min(before, h.Loss)
	}
	l, r := left.until("it answers", whatever), right.until("it answers", whatever)
	if l.Head.Height < three.Head.Height+3 || r.Head.Height < two.Head.Height+3 || l.Head.ID == r.Head.ID {
		t.Fatalf("after the cut the sides were at heights %d and %d, and came to %d and %d",
			three.Head.Height, two.Head.Height, l.Head.Height, r.Head.Height)
	}

	net.join("main", 3, 4)
	healed := time.Now()
	height := oneBranch(t, max(l.Head.Height, r.Head.Height), ds...)
	took := time.Since(healed)
	t.Logf("one branch after %.1f s, at height %d", took.Seconds(), height)
	if took > 30*time.Second {
		t.Errorf("one branch only after %.1f s", took.Seconds())
	}
	left.until("all five share a round again", func(s api.State) bool { return s.Head.Roster == 5 })
	sameRoots(t, ds...)
	h, err := left.client.Heldout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("held-out loss %.4f at height %d", h.Loss, h.Height)
	if h.Loss > before+worse {
		t.Errorf("held-out loss %.4f after healing, %.4f before", h.Loss, before)
	}
}

func whatever(api.State) bool { return true }

// oneBranch waits until all nodes hold one commit above a height, and returns
// its height.
func oneBranch(t *testing.T, above uint64, ds ...*daemon) (height uint64) {
	t.Helper()
	ds[0].until("all are on one branch", func(api.State) bool {
		roots := map[proto.ID]int{}
		for _, d := range ds {
			rounds, err := d.client.Rounds(t.Context(), above)
			if err != nil {
				return false
			}
			for _, o := range rounds {
				if roots[o.Root]++; roots[o.Root] == len(ds) {
					height = o.Height
					return true
				}
			}
		}
		return false
	})
	return height
}
