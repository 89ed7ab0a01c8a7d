package presence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/godbus/dbus/v5"
)

func last(ctx context.Context) (time.Time, error) {
	at, known := terminals("/dev"), -1
	if idle, err := desktop(ctx); err == nil {
		at, known = newer(at, time.Now().Add(-idle)), os.Getuid()
	}
	seats, err := sessions(ctx, known) // others may sit here, too
	if err != nil && known < 0 {
		return time.Time{}, fmt.Errorf("logind cannot be asked: %w", err)
	}
	return newer(at, seats), nil
}

func newer(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// terminals is when somebody last typed into a terminal: that is when it was last read.
func terminals(dev string) (at time.Time) {
	for _, pattern := range []string{"pts/[0-9]*", "tty[0-9]*"} {
		names, _ := filepath.Glob(filepath.Join(dev, pattern)) // the patterns are right
		for _, name := range names {
			if i, err := os.Stat(name); err == nil {
				at = newer(at, accessed(i))
			}
		}
	}
	return at
}

// desktop asks the desktop of the user that runs this process how long it has been idle.
func desktop(ctx context.Context) (time.Duration, error) {
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		return 0, errors.New("there is no desktop's bus")
	}
	bus, err := dbus.ConnectSessionBus(dbus.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer func() { _ = bus.Close() }()
	var gnome uint64 // milliseconds
	err = bus.Object("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core").
		CallWithContext(ctx, "org.gnome.Mutter.IdleMonitor.GetIdletime", dbus.FlagNoAutoStart).Store(&gnome)
	if err == nil {
		return time.Duration(gnome) * time.Millisecond, nil
	}
	var others uint32 // of KDE and others, milliseconds
	err = bus.Object("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver").
		CallWithContext(ctx, "org.freedesktop.ScreenSaver.GetSessionIdleTime", dbus.FlagNoAutoStart).Store(&others)
	if err == nil && others == 0 { // what those say who do not count, as Plasma on Wayland may
		err = errors.New("the desktop does not count idle time")
	}
	return time.Duration(others) * time.Millisecond, err
}

// sessions asks logind about everybody who sits at a screen of this machine, but for the user
// whose desktop has answered; below 0: none has.
func sessions(ctx context.Context, known int) (at time.Time, err error) {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return at, err
	}
	defer func() { _ = bus.Close() }()
	const login = "org.freedesktop.login1"
	var list []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}
	manager := bus.Object(login, "/org/freedesktop/login1")
	if err := manager.CallWithContext(ctx, login+".Manager.ListSessions", 0).Store(&list); err != nil {
		return at, err
	}
	for _, s := range list {
		if s.Seat == "" || int(s.UID) == known { // over the network: its terminal tells
			continue
		}
		var props map[string]dbus.Variant
		err := bus.Object(login, s.Path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, login+".Session").Store(&props)
		if err == nil { // else it has ended meanwhile
			at = newer(at, touched(props, time.Now()))
		}
	}
	return at, nil
}

// touched is when a session was last used; zero for a screen that waits for somebody to log in.
func touched(session map[string]dbus.Variant, now time.Time) time.Time {
	if class, _ := session["Class"].Value().(string); class != "user" {
		return time.Time{}
	}
	if kind, _ := session["Type"].Value().(string); kind == "tty" { // never idle, to logind; the terminal tells
		return time.Time{}
	}
	if idle, _ := session["IdleHint"].Value().(bool); !idle {
		return now
	}
	since, _ := session["IdleSinceHint"].Value().(uint64)
	return time.UnixMicro(int64(since))
}
