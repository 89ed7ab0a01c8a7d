package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/p2p"
)

// asMurmur makes the test binary behave as murmur itself, so that daemons and
// their trainer children are real processes of the code under test.
const asMurmur = "MURMUR_TEST_AS_MURMUR"

func TestMain(m *testing.M) {
	if os.Getenv(asMurmur) == "1" {
		os.Exit(run(os.Args[1:]))
	}
	// Tests wait for processes more than they compute: on two cores, all take 415 s one after the
	// other, and 105 s of a processor.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// tiny is a swarm whose rounds take a second on the pure-Go backend.
const tiny = `
name = "tiny"
seed = "test"
[model]
dim = 16
layers = 1
heads = 2
kv_heads = 1
head_dim = 8
ffn = 32
seq_len = 16
[inner]
batch = 2
warmup_tokens = 0
total_tokens = 1000000000
[rounds]
h = 20
h_min = 20
h_max = 20
min_ms = 800
max_ms = 5000
grace_ms = 1500
view_timeout_ms = 800
snapshot_every = 4
`

// murmur prepares a command with a home directory of its own.
func murmur(ctx context.Context, home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMurmur+"=1", "HOME="+home, "XDG_DATA_HOME="+filepath.Join(home, "data"), "MURMUR_DATA=")
	return cmd
}

// output runs a command to its end.
func output(t *testing.T, home string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := murmur(ctx, home, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// daemon is a murmur up process.
type daemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	log    *transcript
	done   chan struct{}
	client *api.Client
}

// newSwarm founds a tiny swarm in n directories.
func newSwarm(t *testing.T, n int) []string {
	t.Helper()
	return newSwarmOf(t, n, tiny)
}

func newSwarmOf(t *testing.T, n int, manifest string) []string {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "swarm.toml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for i := range n {
		dir := filepath.Join(home, string(rune('A'+i)))
		if _, stderr, code := output(t, home, "init", file, "--dir", dir); code != 0 {
			t.Fatalf("init: %s", stderr)
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// up starts a daemon; it is ended with the test.
func up(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	args = append([]string{"up", "--dir", dir, "--host", "127.0.0.1", "--port", "0", "--no-mdns", "--backend", "go"}, args...)
	return start(t, dir, murmur(context.Background(), filepath.Dir(dir), args...))
}

// transcript is what a process says, read while it runs.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// start runs a command that is a daemon on a directory.
func start(t *testing.T, dir string, cmd *exec.Cmd) *daemon {
	t.Helper()
	d := &daemon{t: t, cmd: cmd, dir: dir, log: &transcript{}, done: make(chan struct{}), client: api.NewClient(dir)}
	d.cmd.Stderr = d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(d.done); _ = d.cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			_ = d.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines go to the log
			select {
			case <-d.done:
			case <-time.After(5 * time.Second):
			}
		}
		_ = d.cmd.Process.Kill()
		<-d.done
		d.client.Close()
		if names := undocumented(dir); len(names) > 0 {
			t.Errorf("docs/operate/settings.md does not have these files of %s: %v", dir, names)
		}
		if strings.Contains(d.log.String(), "DATA RACE") {
			t.Error("the daemon has a data race")
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(dir), lastLines(d.log.String(), 4000))
		}
	})
	return d
}

// end kills a daemon.
func (d *daemon) end() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// until waits for a state.
func (d *daemon) until(what string, ok func(api.State) bool) api.State {
	d.t.Helper()
	return d.within(60*time.Second, what, ok)
}

// within waits for a state for some time.
func (d *daemon) within(limit time.Duration, what string, ok func(api.State) bool) api.State {
	d.t.Helper()
	deadline := time.Now().Add(limit)
	var s api.State
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(d.t.Context(), 5*time.Second)
		var err error
		s, err = d.client.State(ctx)
		cancel()
		if err == nil && ok(s) {
			return s
		}
		select {
		case <-d.done:
			d.t.Fatalf("waiting until %s: the daemon ended: %s", what, lastLines(d.log.String(), 5))
		case <-time.After(50 * time.Millisecond):
		}
	}
	d.t.Fatalf("waited in vain until %s; state: %s, %s, height %d, trainer %+v", what, s.Reason, s.Why, s.Head.Height, s.Trainer)
	return s
}

func (d *daemon) height(h uint64) api.State {
	d.t.Helper()
	return d.until("a height is reached", func(s api.State) bool { return s.Head.Height >= h })
}

// bootstrap is a flag with a running daemon's addresses.
func (d *daemon) bootstrap() []string {
	d.t.Helper()
	s := d.until("it listens", func(s api.State) bool { return s.Link != "" })
	var flags []string
	for _, a := range linkAddrs(s.Link) {
		flags = append(flags, "--bootstrap", a)
	}
	return flags
}

// sameRoots waits until all stand still on one commit, and returns its root.
func sameRoots(t *testing.T, ds ...*daemon) string {
	t.Helper()
	for _, d := range ds {
		if _, err := d.client.Pause(t.Context(), "", true); err != nil {
			t.Fatal(err)
		}
	}
	var root string
	ds[0].until("all hold one state", func(s api.State) bool {
		for _, d := range ds[1:] {
			o, err := d.client.State(t.Context())
			if err != nil || o.Head.ID != s.Head.ID || o.Head.StateRoot != s.Head.StateRoot {
				return false
			}
		}
		root = s.Head.StateRoot.String()
		return true
	})
	return root
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func linkAddrs(link string) []string {
	l, err := p2p.ParseLink(link)
	if err != nil {
		return nil
	}
	return l.Addrs
}
