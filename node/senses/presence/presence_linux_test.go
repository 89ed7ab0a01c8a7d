package presence

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func TestTerminals(t *testing.T) {
	dev := t.TempDir()
	if !terminals(dev).IsZero() {
		t.Error("without terminals")
	}
	for name, minutes := range map[string]int{"pts/0": 10, "pts/3": 4, "tty1": 60, "null": 0, "pts/ptmx": 0} {
		p := filepath.Join(dev, name)
		at := time.Now().Add(-time.Duration(minutes) * time.Minute)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, at, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if ago := time.Since(terminals(dev)).Round(time.Minute); ago != 4*time.Minute {
		t.Errorf("typed %v ago", ago)
	}
}

// login is logind for one session.
type login struct {
	mu    sync.Mutex
	props map[string]any
}

func (l *login) set(props map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.props = props
}

func (l *login) ListSessions() ([]session, *dbus.Error) {
	return []session{{"7", 1000, "ada", "", "/s/remote"}, {"3", 1000, "ada", "seat0", "/s/three"}}, nil
}

func (l *login) GetAll(string) (map[string]dbus.Variant, *dbus.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]dbus.Variant{}
	for k, v := range l.props {
		out[k] = dbus.MakeVariant(v)
	}
	return out, nil
}

type session struct {
	ID   string
	UID  uint32
	User string
	Seat string
	Path dbus.ObjectPath
}

// monitor is a desktop that counts the idle time.
type monitor struct{}

func (monitor) GetIdletime() (uint64, *dbus.Error) { return 90_000, nil }

// TestBuses asks a logind and a desktop on buses of the test's own.
func TestBuses(t *testing.T) {
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if os.Getenv("MURMUR_REQUIRE_DBUS") != "" {
			t.Fatal(err)
		}
		t.Skip("there is no dbus-daemon")
	}
	daemon := exec.CommandContext(t.Context(), "dbus-daemon", "--session", "--nofork", "--print-address")
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Process.Kill(); _ = daemon.Wait() }()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	serve := func(name string, v any, path, on string) {
		t.Helper()
		if err := bus.Export(v, dbus.ObjectPath(path), on); err != nil {
			t.Fatal(err)
		}
		if _, err := bus.RequestName(name, 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	if _, err := sessions(t.Context(), -1); err == nil {
		t.Error("there is no logind yet")
	}
	ada := &login{}
	serve("org.freedesktop.login1", ada, "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
	serve("org.freedesktop.login1", ada, "/s/three", "org.freedesktop.DBus.Properties")
	idle := time.Now().Add(-20 * time.Minute).Truncate(time.Microsecond)
	for _, tc := range []struct {
		name  string
		props map[string]any
		want  func(time.Time) bool
	}{
		{"at the keyboard", map[string]any{"Class": "user", "IdleHint": false}, func(at time.Time) bool { return time.Since(at) < time.Minute }},
		{"away", map[string]any{"Class": "user", "IdleHint": true, "IdleSinceHint": uint64(idle.UnixMicro())}, idle.Equal},
		{"a console that somebody left", map[string]any{"Class": "user", "Type": "tty", "IdleHint": false}, time.Time.IsZero},
		{"nobody is logged in", map[string]any{"Class": "greeter", "IdleHint": false}, time.Time.IsZero},
	} {
		ada.set(tc.props)
		at, err := sessions(t.Context(), -1)
		if err != nil || !tc.want(at) {
			t.Errorf("%s: %v, %v", tc.name, at, err)
		}
	}
	if at, err := sessions(t.Context(), 1000); err != nil || !at.IsZero() {
		t.Errorf("the user whose desktop answered counts twice: %v, %v", at, err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	serve("org.gnome.Mutter.IdleMonitor", monitor{}, "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor")
	if d, err := desktop(t.Context()); err != nil || d != 90*time.Second {
		t.Errorf("the desktop says %v, %v", d, err)
	}
	if _, err := Last(t.Context()); err != nil {
		t.Error(err)
	}
}
