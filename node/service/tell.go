package service

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tellEvery is how old the sentence may be that systemctl status shows.
const tellEvery = 5 * time.Second

// Teller is what the service manager hears of a daemon. Where there is none, Tell does nothing.
type Teller struct {
	Why   func() string // what the daemon does now, in a sentence
	Alive func() bool   // its loop answers
	Log   *slog.Logger
}

// Tell says that the daemon is ready, until ctx ends what it does and that it is alive, and then that it is stopping. A
// daemon that does not answer is not said to be alive: the manager ends it and starts it again.
func (t Teller) Tell(ctx context.Context) {
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		t.Log.Warn("The service manager's watchdog is not answered", "error", err)
	}
	every := tellEvery
	if watchdog > 0 {
		every = min(every, watchdog/2)
	}
	why := t.Why()
	managed, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\n"+status(why))
	if err != nil {
		t.Log.Warn("The service manager cannot be told that murmur works", "error", err)
	}
	if !managed {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.say(daemon.SdNotifyStopping)
			return
		case <-tick.C:
		}
		if now := t.Why(); now != why {
			why = now
			t.say(status(why))
		}
		if watchdog > 0 && t.Alive() {
			t.say(daemon.SdNotifyWatchdog)
		}
	}
}

func (t Teller) say(what string) {
	if _, err := daemon.SdNotify(false, what); err != nil {
		t.Log.Debug("The service manager does not hear", "error", err)
	}
}

// status is one line of the protocol.
func status(why string) string { return "STATUS=" + strings.ReplaceAll(why, "\n", "; ") }
