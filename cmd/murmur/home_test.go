//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
)

// internet is a network of its own with routers in it: public hosts on one bridge,
// and homes, each behind a router that masquerades and lets nobody in. There is no
// way out of it.
type internet struct {
	*islands
}

const publicNet = "44.77" // looks public to libp2p; nothing leaves the namespaces

func newInternet(t *testing.T) *internet {
	t.Helper()
	n := &internet{newIslands(t, 0)}
	if _, err := exec.LookPath("nft"); err != nil {
		n.refuse("home routers are made with nft, which is not installed (Debian: nftables)")
	}
	return n
}

// space makes a namespace.
func (n *internet) space(name string) string {
	n.t.Helper()
	ns := n.hub + "-" + name
	if out, err := n.add(ns); err != nil {
		n.t.Fatalf("making namespace %s: %v: %s", ns, err, out)
	}
	n.ip("-n", ns, "link", "set", "lo", "up")
	return ns
}

// public makes a machine with addresses that all can dial.
func (n *internet) public(name string, addrs ...string) string {
	n.t.Helper()
	ns := n.space(name)
	n.ip("-n", n.hub, "link", "add", "p"+name, "type", "veth", "peer", "name", "eth0", "netns", ns)
	for _, a := range addrs {
		if strings.Contains(a, ":") {
			n.ip("-n", ns, "addr", "add", a+"/64", "dev", "eth0", "nodad")
		} else {
			n.ip("-n", ns, "addr", "add", a+"/16", "dev", "eth0")
		}
	}
	n.ip("-n", ns, "link", "set", "eth0", "up")
	n.ip("-n", n.hub, "link", "set", "p"+name, "up")
	n.ip("-n", n.hub, "link", "set", "p"+name, "master", "main")
	return ns
}

// home makes a router with a public address and a machine behind it.
func (n *internet) home(name, addr string, symmetric bool) string {
	n.t.Helper()
	inside := n.space(name)
	n.plug(n.router(name, addr, symmetric), "lan", "192.168.1", inside)
	return inside
}

// router masquerades what comes from its local network, and lets nothing in that
// was not asked for. A symmetric one maps every connection to another port.
func (n *internet) router(name, addr string, symmetric bool) string {
	n.t.Helper()
	router, how := n.public("r"+name, addr), "masquerade"
	if symmetric {
		how = "masquerade fully-random"
	}
	n.in(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	rules := exec.Command("ip", "netns", "exec", router, "nft", "-f", "-")
	rules.Stdin = strings.NewReader(fmt.Sprintf(`
table ip home {
  chain out { type nat hook postrouting priority 100; oifname "eth0" %s; }
  chain through { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname "lan" accept; }
  chain in { type filter hook input priority 0; iifname "eth0" ct state new drop; }
}`, how))
	if out, err := rules.CombinedOutput(); err != nil {
		n.t.Fatalf("nft: %v: %s", err, out)
	}
	return router
}

// plug joins a machine to a router's local network.
func (n *internet) plug(router, port, net, machine string) {
	n.t.Helper()
	n.ip("-n", router, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine)
	n.ip("-n", router, "addr", "add", net+".1/24", "dev", port)
	n.ip("-n", router, "link", "set", port, "up")
	n.ip("-n", machine, "addr", "add", net+".10/24", "dev", "eth0")
	n.ip("-n", machine, "link", "set", "eth0", "up")
	n.ip("-n", machine, "route", "add", "default", "via", net+".1")
}

func (n *internet) in(ns string, args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s in %s: %v: %s", strings.Join(args, " "), ns, err, out)
	}
}

// run starts a daemon in a namespace.
func (n *internet) run(ns, dir string, args ...string) *daemon {
	n.t.Helper()
	cmd := murmur(context.Background(), filepath.Dir(dir), append(args, "--dir", dir)...)
	within := exec.Command("ip", append([]string{"netns", "exec", ns}, cmd.Args...)...)
	within.Env = cmd.Env
	return start(n.t, dir, within)
}

// join runs a node that is told of others.
func (n *internet) join(ns, dir string, boot []string, args ...string) *daemon {
	n.t.Helper()
	return n.run(ns, dir, slices.Concat([]string{"up", "--backend", "go"}, boot, args)...)
}

// together waits until nodes train in one round, and says how long it took.
func together(t *testing.T, limit time.Duration, ds ...*daemon) {
	t.Helper()
	began := time.Now()
	for _, d := range ds {
		d.within(limit-time.Since(began), "all train in one swarm", func(s api.State) bool { return s.Head.Roster == len(ds) && trains(s) })
	}
	t.Logf("one swarm of %d after %.1f s", len(ds), time.Since(began).Seconds())
}

// path waits until a node has a path of some kind to another.
func path(t *testing.T, limit time.Duration, kind string, from, to *daemon) {
	t.Helper()
	began, id := time.Now(), to.until("it answers", whatever).Peer
	from.within(limit, "the path is "+kind, func(s api.State) bool {
		return slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.ID == id && p.Connected && p.Path == kind })
	})
	t.Logf("%s after %.1f s more", kind, time.Since(began).Seconds())
}

// TestHomeNetworks starts whole daemons where volunteers have them.
func TestHomeNetworks(t *testing.T) {
	for name, scene := range map[string]func(*testing.T){
		"behind routers": func(t *testing.T) { behindRouters(t, false) },
		"behind routers with a port for each peer":   func(t *testing.T) { behindRouters(t, true) },
		"a local network alone":                      localNetwork,
		"dead addresses, of which one comes to life": deadBootstrap,
		"the seed dies":                              seedDies,
		"a node moves to another network":            moves,
		"IPv6 only":                                  ipv6Only,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scene(t)
		})
	}
}

// behindRouters has two homes, each behind a router of its own, and a public seed
// train in one swarm: through a hole where routers let one be punched, else the
// seed passes their updates on.
func behindRouters(t *testing.T, symmetric bool) {
	net := newInternet(t)
	dirs := newSwarmOf(t, 3, apart)
	space := net.public("seed", publicNet+".0.1")
	seed := net.run(space, dirs[0], "seed")
	boot := seed.bootstrap()
	a := net.join(net.home("a", publicNet+".1.1", symmetric), dirs[1], boot)
	b := net.join(net.home("b", publicNet+".1.2", symmetric), dirs[2], boot)
	together(t, time.Minute, a, b)
	if !symmetric {
		path(t, time.Minute, "direct", a, b)
	}
	for _, d := range []*daemon{a, b} {
		d.within(time.Minute, "it is found through the seed", func(s api.State) bool { return len(s.Reach.Relays) > 0 })
	}
	net.crawl(space, dirs[0], seed, a, b)
}

// crawl finds all nodes, of one version.
func (n *internet) crawl(ns, dir string, ds ...*daemon) {
	n.t.Helper()
	cmd := murmur(n.t.Context(), filepath.Dir(dir), "crawl", "--dir", dir, "--json")
	within := exec.Command("ip", append([]string{"netns", "exec", ns}, cmd.Args...)...)
	within.Env = cmd.Env
	out, err := within.Output()
	var c crawled
	if err := errors.Join(err, json.Unmarshal(out, &c)); err != nil {
		n.t.Fatalf("crawl: %v: %s", err, out)
	}
	for _, d := range ds {
		id := d.until("it answers", whatever).Peer
		i := slices.IndexFunc(c.Peers, func(p crawledPeer) bool { return p.ID == id })
		if i < 0 || c.Peers[i].Path == "" || c.Peers[i].Agent != "murmur/"+version {
			n.t.Errorf("a crawl found %+v, and %s not", c, id)
		}
	}
	n.t.Logf("crawl: %+v", c)
}

// localNetwork has two nodes on one local network find each other, told of nobody.
func localNetwork(t *testing.T) {
	net := newInternet(t)
	dirs := newSwarmOf(t, 2, apart)
	a := net.join(net.public("a", "192.168.1.10"), dirs[0], nil)
	b := net.join(net.public("b", "192.168.1.11"), dirs[1], nil)
	together(t, time.Minute, a, b)
	path(t, time.Minute, "lan", a, b)
}

// deadBootstrap starts a home that is told of three addresses where nobody is, of
// which one comes to life.
func deadBootstrap(t *testing.T) {
	net := newInternet(t)
	dirs := newSwarmOf(t, 3, apart)
	space := net.public("seed", publicNet+".0.1")
	first := net.run(space, dirs[0], "seed")
	boot := first.bootstrap()
	first.end()
	ghost := strings.Replace(boot[1], publicNet+".0.1", publicNet+".9.9", 1) // no such host
	boot = append(boot, "--bootstrap", ghost)
	a := net.join(net.home("a", publicNet+".1.1", false), dirs[1], boot)
	b := net.join(net.home("b", publicNet+".1.2", false), dirs[2], boot)
	a.height(2) // it trains on alone
	time.Sleep(10 * time.Second)
	began := time.Now()
	net.run(space, dirs[0], "seed")
	together(t, time.Minute, a, b)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("one swarm only %.1f s after the seed came to life", took.Seconds())
	}
}

// seedDies ends the seed: rounds go on, and a newcomer joins through a node that it knows.
func seedDies(t *testing.T) {
	net := newInternet(t)
	dirs := newSwarmOf(t, 5, apart)
	seed := net.run(net.public("seed", publicNet+".0.1"), dirs[0], "seed")
	boot := seed.bootstrap()
	open := net.join(net.public("open", publicNet+".0.2"), dirs[1], boot)
	a := net.join(net.home("a", publicNet+".1.1", false), dirs[2], boot)
	b := net.join(net.home("b", publicNet+".1.2", true), dirs[3], boot)
	together(t, time.Minute, open, a, b)
	seed.end()
	height := a.until("it answers", whatever).Head.Height
	a.height(height + 4)
	c := net.join(net.home("c", publicNet+".1.3", false), dirs[4], append(boot, open.bootstrap()...))
	// b's line makes it late on a busy machine: out of the roster it is a newcomer again, waited for
	// once in twenty graces (30 s), and in an open swarm of three it has the one place of newcomers
	// for eight rounds (16 s). So long may c stand behind it.
	together(t, 2*time.Minute, open, a, b, c)
}

// moves carries a machine from one home to another.
func moves(t *testing.T) {
	net := newInternet(t)
	dirs := newSwarmOf(t, 3, apart)
	boot := net.run(net.public("seed", publicNet+".0.1"), dirs[0], "seed").bootstrap()
	inside := net.home("a", publicNet+".1.1", false)
	a := net.join(inside, dirs[1], boot)
	b := net.join(net.home("b", publicNet+".1.2", false), dirs[2], boot)
	together(t, time.Minute, a, b)

	net.ip("-n", inside, "link", "del", "eth0")
	net.plug(net.router("x", publicNet+".1.3", false), "lan", "192.168.7", inside)
	began := time.Now()
	height := b.until("it answers", whatever).Head.Height
	for _, d := range []*daemon{a, b} { // in three rounds after the move, which make the roster
		d.within(time.Minute, "a is back", func(s api.State) bool { return s.Head.Height > height+4 && s.Head.Roster == 2 })
	}
	took := time.Since(began)
	t.Logf("back %.1f s after it moved", took.Seconds())
	if took > 30*time.Second {
		t.Error("30 s are asked")
	}
	path(t, time.Minute, "direct", a, b)
}

// ipv6Only has a seed and two nodes that have nothing else.
func ipv6Only(t *testing.T) {
	net := newInternet(t)
	dirs := newSwarmOf(t, 3, apart)
	boot := net.run(net.public("seed", "2a0e:77::1"), dirs[0], "seed").bootstrap()
	a := net.join(net.public("a", "2a0e:77::2"), dirs[1], boot, "--no-mdns")
	b := net.join(net.public("b", "2a0e:77::3"), dirs[2], boot, "--no-mdns")
	together(t, time.Minute, a, b)
}

// TestCaps measures what a cap lets through, alone: it counts bytes by the clock.
func TestCaps(t *testing.T) {
	t.Run("upload", func(t *testing.T) { capped(t, "--up") })
	t.Run("download", func(t *testing.T) { capped(t, "--down") })
}

// capped has a newcomer fetch token shards from a node that may send 5 Mbit/s, or take so
// much itself, and counts what crosses the network interface. Then the cap is doubled.
func capped(t *testing.T, way string) {
	net := newInternet(t)
	home := t.TempDir()
	text := make([]byte, 16<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range text {
		text[i] = "etaoin shrdlu\n"[r.IntN(14)]
	}
	if err := os.WriteFile(filepath.Join(home, "book.txt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	set, dir := filepath.Join(home, "SET"), filepath.Join(home, "A")
	done(t, home, "data", "prepare", filepath.Join(home, "book.txt"), "--out", set)
	done(t, home, "init", "--data", set, "--dir", dir)
	giver, taker := net.public("a", publicNet+".0.1"), net.public("b", publicNet+".0.2")
	a := net.run(giver, dir, "seed")
	s := a.until("it listens", func(s api.State) bool { return s.Link != "" })
	b := filepath.Join(home, "B")
	done(t, home, "join", s.Link, "--dir", b)
	where, over, under, counter := dir, 1.05, 0.9, func() float64 { return net.crossed(giver, "tx") }
	if way == "--down" { // what is sent follows what is read, a window of the connection later
		where, over, under, counter = b, 1.2, 0.8, func() float64 { return net.crossed(taker, "rx") }
	}
	done(t, home, "limit", way, "5", "--dir", where)
	net.run(taker, b, "seed")

	const step = 100 * time.Millisecond
	var sent []float64 // bytes, up to each step
	count := func(span time.Duration) {
		tick := time.NewTicker(step)
		defer tick.Stop()
		for range span / step {
			<-tick.C
			sent = append(sent, counter())
		}
	}
	most := func(from, to int, span time.Duration) (most float64) {
		n := int(span / step)
		for i := from; i+n < to; i++ {
			most = max(most, (sent[i+n]-sent[i])*8/span.Seconds()/1e6)
		}
		return most
	}
	count(16 * time.Second)
	worst, mean := most(0, len(sent), 10*time.Second), (sent[len(sent)-1]-sent[20])*8/1e6/(float64(len(sent)-21)*step.Seconds())
	t.Logf("at 5 Mbit/s: %.2f Mbit/s on the interface, %.2f in the worst 10 s", mean, worst)
	if worst > 5*over || mean < 5*under {
		t.Errorf("a cap of 5 Mbit/s: %.2f in the worst 10 s, %.2f on the whole", worst, mean)
	}
	done(t, home, "limit", way, "10", "--dir", where)
	from := len(sent)
	count(3 * time.Second)
	after := (sent[len(sent)-1] - sent[from+int(time.Second/step)]) * 8 / 1e6 / 2
	t.Logf("from 1 s after the change to 10 Mbit/s: %.2f Mbit/s", after)
	if after < 10*under || after > 10*over {
		t.Errorf("from 1 s after the change to 10 Mbit/s: %.2f Mbit/s", after)
	}
}

// crossed is how many bytes left a machine by its cable (tx), or came by it (rx).
func (n *internet) crossed(ns, way string) float64 {
	n.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", ns, "cat", "/sys/class/net/eth0/statistics/"+way+"_bytes").Output()
	bytes, err2 := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil || err2 != nil {
		n.t.Fatalf("reading the traffic of %s: %v", ns, errors.Join(err, err2))
	}
	return bytes
}
